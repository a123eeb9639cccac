"""The record of renames, docs/renames.json, names what is there.

It lists old and new names for this release, and may be pruned with the next; its `_about` says what each
section is. Checked are the new modules, files and entry points, and classes, those of members, too. A
function may be gone by now and is not checked, unless a function of its name is in exactly one other
module: then the entry has its old place. Private functions, values and the names of members are not
checked.
"""

import ast
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.suite_rules.source_files import SourceFile, module_name

RECORD_PATH = "docs/renames.json"
_LAMBDA_MODULES = "hil.nucleus.lambdas.lambda_modules."  # a Lambda imports them by their bare names


@dataclass(frozen=True)
class _Definitions:
    classes: Mapping[
        str, frozenset[str]
    ]  # by module, nested ones, too, and what is assigned at its top
    functions: Mapping[str, frozenset[str]]  # by module, at its top


def find_wrong_renames(sources: Iterable[SourceFile]) -> list[str]:
    """One line for each entry of the record whose new name is not there; no record, no line."""
    sources = tuple(sources)
    paths = {source.path for source in sources}
    if RECORD_PATH not in paths:
        return []
    record = json.loads(next(source.text for source in sources if source.path == RECORD_PATH))
    definitions = _read_definitions(sources)
    checks: dict[str, Callable[[str], str]] = {
        "modules": lambda new: _check_module(new, definitions),
        "files": lambda new: _check_file(new, paths),
        "symbols": lambda new: _check_symbol(new, definitions),
        "members": lambda new: _check_member(new, definitions),
        "entry_points": lambda new: _check_module(new, definitions),
    }
    wrong = [
        f"{RECORD_PATH}: {old} -> {new}: {problem}; correct or remove the entry"
        for section, check in checks.items()
        for old, new in record.get(section, {}).items()
        if (problem := check(new))
    ]
    both = [
        f"{RECORD_PATH}: {old} is gone and in {section}; keep one of the entries"
        for section in checks
        for old in record.get(section, {}).keys() & record.get("gone", {}).keys()
    ]
    return wrong + both


def _check_module(module: str, definitions: _Definitions) -> str:
    return "" if module in definitions.classes else f"no module {module}"


def _check_file(path: str, paths: Container[str]) -> str:
    return "" if path in paths else "no such file"


def _check_symbol(symbol: str, definitions: _Definitions) -> str:
    module, _, name = symbol.rpartition(".")
    problem = _check_module(module, definitions)
    if problem or not _is_class_name(name):
        return problem or _check_function(module, name, definitions)
    return _check_classes(module, [name], definitions)


def _check_member(member: str, definitions: _Definitions) -> str:
    """`module.Class.member`, or `module.function(parameter)`."""
    owner = member.partition("(")[0].split(".")
    module, rest = _split_module(owner, definitions)
    if not module:
        return f"no module in {member}"
    names = [name.partition("@")[0] for name in rest[:-1]]  # Class@LINE: one of several
    return _check_classes(module, [name for name in names if _is_class_name(name)], definitions)


def _check_classes(module: str, names: Iterable[str], definitions: _Definitions) -> str:
    gone = [name for name in names if name not in definitions.classes[module]]
    return f"no class {gone[0]} in {module}" if gone else ""


def _check_function(module: str, name: str, definitions: _Definitions) -> str:
    there = definitions.functions[module] | definitions.classes[module]
    if name.startswith("_") or name.isupper() or name in there:
        return ""
    elsewhere = [other for other, names in definitions.functions.items() if name in names]
    return f"{name} is in {elsewhere[0]}" if len(elsewhere) == 1 else ""


def _split_module(parts: Sequence[str], definitions: _Definitions) -> tuple[str, Sequence[str]]:
    for end in range(len(parts), 0, -1):
        if (module := ".".join(parts[:end])) in definitions.classes:
            return module, parts[end:]
    return "", parts


def _is_class_name(name: str) -> bool:
    bare = name.lstrip("_")
    return bare[:1].isupper() and not bare.isupper()


def _read_definitions(sources: Iterable[SourceFile]) -> _Definitions:
    trees = {
        module_name(source.path).removeprefix(_LAMBDA_MODULES): ast.parse(source.text)
        for source in sources
        if source.is_python
    }
    return _Definitions(
        {module: frozenset(_find_classes(tree)) for module, tree in trees.items()},
        {module: frozenset(_find_functions(tree)) for module, tree in trees.items()},
    )


def _find_classes(tree: ast.Module) -> Iterator[str]:
    """Names of classes, and of what is assigned at the top: `Names = dict[str, str]` is a type, too.

    A package has those in its `__all__`, too.
    """
    yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        yield from names
        if names == ["__all__"] and isinstance(node, ast.Assign):
            yield from ast.literal_eval(node.value)


def _find_functions(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
