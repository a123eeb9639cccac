"""Who may import whom: between the top folders, between the rooms of a package, and never in a circle.

`ALLOWED_IMPORTS` has the arrows between packages. Nothing but tests imports `hil`, so nothing outside it
knows of the simulated factory. `ROOMS` has the arrows inside of a package. A room is a folder of it, or a
module that lies in the package itself; a room imports those in its row, and they stand above it.

Late imports (inside of functions) and imports for types alone count like all others, for circles, too.
Relative imports are refused, since the rules read full names.
"""

import ast
from collections.abc import Container, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from tools.suite_rules.source_files import (
    COMPONENT_PACKAGES,
    TOP_FOLDERS,
    SourceFile,
    area_of,
    module_name,
)

OURS = frozenset({"sightline", *COMPONENT_PACKAGES, *TOP_FOLDERS})
ALLOWED_IMPORTS: dict[str, frozenset[str]] = {
    "sightline": frozenset(),
    **{component: frozenset({"sightline"}) for component in COMPONENT_PACKAGES},
    "cloud": frozenset({"sightline"}),
    "training": frozenset({"sightline"}),
    "hil": frozenset({"sightline", "cloud"}),
    "tools": frozenset({"sightline", "cloud"}),
    "tests": OURS,
}
_IMPORTING = ("import_module", "__import__")  # calls that import the module they name

_TOP = (
    "backoff clock command_output configuration cpu_features errors old_keys strict_text "
    "strict_yaml text"
)

ROOMS: dict[str, dict[str, str]] = {  # package: room: the rooms that it may import
    "sightline": {
        "backoff": "",
        "clock": "",
        "command_output": "",
        "cpu_features": "",
        "errors": "",
        "strict_text": "errors",
        "strict_yaml": "errors strict_text",
        "text": "",
        "old_keys": "text",
        "configuration": "errors old_keys text",
        "messaging": _TOP,
        "old_component_keys": "old_keys messaging",
        "storage": f"{_TOP} messaging old_component_keys",
        "product_store": "storage",
        "model_store": "storage",
        "kernel": f"{_TOP} messaging storage",
        "imaging": f"{_TOP} messaging storage",
        "vision": f"{_TOP} messaging storage imaging",
    },
    "inference": {
        "ledger": "",
        "scheduling": "",
        "detectors": "",
        "configuration": "detectors",
        "evidence_writer": "configuration",
        "prediction": "detectors",
        "verdicts": "ledger configuration prediction",
        "models": "detectors configuration prediction",
        "judging": "ledger scheduling configuration evidence_writer prediction verdicts models",
        "component": "ledger scheduling configuration verdicts models judging",
        "__main__": "configuration component",
    },
    "cloud": {
        "store": "",
        "wire": "store",
        "live": "store",
        "message_intake": "store wire live",
        "web": "store wire live",
        "site": "store wire live message_intake web",
        "__main__": "wire web site",
        "command": "",
    },
    "training": {
        "datasets": "",
        "plans": "",
        "models": "plans",
        "fitting": "plans",
        "planning": "datasets plans fitting",
        "augmentation": "datasets",
        "evaluation": "datasets",
        "methods": "datasets plans models fitting augmentation evaluation",
        "exporting": "datasets evaluation methods",
        "jobs": "datasets evaluation",
        "manifest": "datasets jobs",
        "plan": "planning jobs",
        "predict": "datasets evaluation jobs",
        "evaluate": "datasets evaluation jobs",
        "export": "exporting jobs",
        "train": "plans methods exporting jobs",
    },
    "hil": {
        "nucleus": "",
        "plant": "",
        "rig": "",
        "run": "nucleus plant",
        "replay": "run",
        "faults": "plant run",
        "bench": "rig run replay",
    },
    "hil.nucleus": {
        "nucleus_errors": "",
        "nucleus_files": "",
        "broker": "",
        "supervision": "",
        "configuration": "nucleus_errors nucleus_files",
        "recipe_files": "configuration supervision",
        "dialects": "nucleus_errors recipe_files",
        "ipc": "nucleus_errors nucleus_files dialects",
        "cloud_bridge": "ipc",
        "lambdas": "recipe_files dialects ipc",
        "nucleus_plan": "nucleus_files recipe_files dialects cloud_bridge",
        "component_runtime": (
            "nucleus_errors nucleus_files supervision configuration recipe_files dialects nucleus_plan"
        ),
        "local_deployments": (
            "nucleus_errors nucleus_files configuration recipe_files dialects nucleus_plan "
            "component_runtime"
        ),
        "ipc_operations": (
            "nucleus_errors configuration recipe_files dialects ipc cloud_bridge local_deployments"
        ),
        "nucleus_arguments": (
            "nucleus_files recipe_files dialects cloud_bridge lambdas nucleus_plan local_deployments"
        ),
        "cli_access": "nucleus_files configuration component_runtime ipc_operations",
        "nucleus": (
            "nucleus_files configuration recipe_files ipc cloud_bridge nucleus_plan component_runtime "
            "local_deployments ipc_operations cli_access"
        ),
        "deploy": "recipe_files local_deployments cli_access",
        "restart": "cli_access",
        "__main__": "nucleus_plan nucleus_arguments nucleus",
    },
}


def find_forbidden_imports(source: SourceFile) -> list[str]:
    """One line for each import that the file's package does not allow."""
    area = area_of(source.path)
    if area not in ALLOWED_IMPORTS:
        return []
    allowed = ALLOWED_IMPORTS[area] | {area}
    tree = ast.parse(source.text)
    return [
        *(
            f"{source.path}:{line}: {area} must not import {module} (it may import {_format_names(allowed)})"
            for module, line in find_imported_modules(tree)
            if (package := module.split(".")[0]) in OURS and package not in allowed
        ),
        *(
            f"{source.path}:{node.lineno}: relative import; write the module's full name"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.level
        ),
    ]


def find_forbidden_room_imports(
    source: SourceFile, rooms: Mapping[str, Mapping[str, str]] = ROOMS
) -> list[str]:
    """One line for each import between rooms that their package's table does not allow."""
    module = module_name(source.path)
    imported = list(find_imported_names(ast.parse(source.text)))
    return [
        line
        for package, table in rooms.items()
        if module.startswith(f"{package}.")
        for line in _check_room(source.path, package, table, imported)
    ]


def find_misplaced_rows(rooms: Mapping[str, Mapping[str, str]] = ROOMS) -> list[str]:
    """One line for each row that allows a room which does not stand above it."""
    found = []
    for package, table in rooms.items():
        above: set[str] = set()
        for room, allowed in table.items():
            found += [
                f"import_rules.py: {package}.{room} allows {other}, which does not stand above it"
                for other in sorted(set(allowed.split()) - above)
            ]
            above.add(room)
    return found


def find_import_circle(sources: Iterable[SourceFile]) -> list[str]:
    """A line that names the first circle of modules that import one another; none, no line."""
    modules = {module_name(source.path): source for source in sources if source.is_python}
    imports = {
        module: (set(_find_project_imports(source, modules)) & modules.keys()) - {module}
        for module, source in modules.items()
    }
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle = " <- ".join(error.args[1])
        return [
            f"modules import one another in a circle: {circle}; move what they share below both"
        ]
    return []


def find_imported_modules(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module that the code imports, with its line; `import_module("...")` counts, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno
        else:
            yield from _find_plain_imports(node)


def find_imported_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The imported modules, and `module.name` for each name, which may be a module itself."""
    yield from find_imported_modules(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _find_project_imports(source: SourceFile, modules: Container[str]) -> Iterator[str]:
    """Modules of the project; `from package import module` means the module, not its package."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in modules else node.module for name in names)
        else:
            yield from (name for name, _ in _find_plain_imports(node))


def _check_room(
    path: str, package: str, table: Mapping[str, str], imported: Iterable[tuple[str, int]]
) -> list[str]:
    room = _find_room(package, module_name(path))
    if room not in table:
        return [
            f"{path}: {package}.{room} has no row in import_rules.ROOMS; say what it may import"
        ]
    allowed = {room, *table[room].split()}
    wrong = {
        (line, other)
        for name, line in imported
        if name.startswith(f"{package}.")
        if (other := _find_room(package, name)) in table and other not in allowed
    }
    return [
        f"{path}:{line}: {package}.{room} must not import {package}.{other} "
        f"(it may import {_format_names(allowed - {room}) or 'no other room'})"
        for line, other in sorted(wrong)
    ]


def _find_room(package: str, module: str) -> str:
    return module.removeprefix(f"{package}.").split(".")[0]


def _find_plain_imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.Call) and _called_name(node.func) in _IMPORTING:
        yield from ((text, node.lineno) for text in _list_text_arguments(node.args[:1]))


def _called_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _list_text_arguments(arguments: Iterable[ast.expr]) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def _format_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
