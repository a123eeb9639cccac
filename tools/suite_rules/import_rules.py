"""Who may import whom."""

import ast
from collections.abc import Iterable, Iterator

from tools.suite_rules.source_files import COMPONENT_PACKAGES, TOP_FOLDERS, SourceFile, area_of

OURS = frozenset({"sightline", *COMPONENT_PACKAGES, *TOP_FOLDERS})
ALLOWED_IMPORTS: dict[str, frozenset[str]] = {
    "sightline": frozenset(),
    **{component: frozenset({"sightline"}) for component in COMPONENT_PACKAGES},
    "cloud": frozenset({"sightline"}),
    "training": frozenset({"sightline", "inference"}),
    "hil": frozenset({"sightline", "cloud"}),
    "tools": frozenset({"sightline", "cloud"}),
    "tests": OURS,
}


def find_forbidden_imports(source: SourceFile) -> list[str]:
    """One line for each import that the file's place does not allow."""
    area = area_of(source.path)
    if area not in ALLOWED_IMPORTS:
        return []
    allowed = ALLOWED_IMPORTS[area] | {area}
    return [
        f"{source.path}:{line}: {area} must not import {module} (it may import {_listed(allowed)})"
        for module, line in find_imported_modules(ast.parse(source.text))
        if (package := module.split(".")[0]) in OURS and package not in allowed
    ]


def find_imported_modules(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module that the code imports, with its line; `import_module("...")` counts, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno
        elif isinstance(node, ast.Call) and _called_name(node.func) in (
            "import_module",
            "__import__",
        ):
            yield from ((text, node.lineno) for text in _texts(node.args[:1]))


def _called_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts(arguments: Iterable[ast.expr]) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
