"""What a component imports is what its artifact brings along, and the other way round."""

import ast
import re
import sys
from collections.abc import Iterable, Mapping

from tools.suite_rules.arrows import OURS, imported_modules
from tools.suite_rules.sources import COMPONENT_PACKAGES, Source, area_of

DISTRIBUTIONS = {
    "awscrt": "awsiotsdk",
    "awsiot": "awsiotsdk",
    "cv2": "opencv-python-headless",
    "yaml": "pyyaml",
}
PROJECT_LOCKS = ("requirements/python3.10.txt", "requirements/cameras-python3.10.txt")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
ONLY_WHERE_CHOSEN: dict[str, dict[str, str]] = {  # imported by the one module that needs them
    "capture": {"gpiod": "requirements/components/capture-cameras.in", "linuxpy": "the same"},
    "telemetry": {"greengrasssdk": "the Lambda form", "greengrass_common": "the Lambda runtime"},
    "inference": {
        "google": "comes with onnx, where engines are built",
        "onnx": "the runtime tensorrt, beside JetPack's own packages",
        "pycuda": "the system's own, of JetPack",
        "tensorrt": "the system's own, of JetPack",
    },
}


def of_components(files: Mapping[str, str]) -> dict[str, str]:
    """The texts of `requirements/components/NAME.in` by component, of all files by path."""
    paths = {name: f"requirements/components/{name}.in" for name in COMPONENT_PACKAGES}
    return {name: files.get(path, "") for name, path in paths.items()}


def different_locks(files: Mapping[str, str]) -> list[str]:
    """One line for each package that a component's lock pins otherwise than the project's lock."""
    whole = {pin for path in PROJECT_LOCKS for pin in _pins(files.get(path, ""))}
    return [
        f"{path}: {name}=={version} is not the project's; run make lock"
        for path, text in files.items()
        if path.startswith("requirements/components/") and path.endswith(".txt")
        for name, version in _pins(text)
        if (name, version) not in whole
    ]


def different_requirements(sources: Iterable[Source], needs: Mapping[str, str]) -> list[str]:
    """One line for each package that a component imports and does not bring, or brings for nothing.

    `needs` has the text of `requirements/components/NAME.in` by the component's package.
    """
    python = [source for source in sources if source.is_python]
    return [line for name, text in needs.items() for line in _of_component(name, text, python)]


def _pins(lock: str) -> list[tuple[str, str]]:
    return _PIN.findall(lock)


def _of_component(name: str, text: str, sources: list[Source]) -> list[str]:
    brought = {line.strip() for line in text.splitlines() if line.strip()}
    imported = _imported(name, sources)
    chosen = ONLY_WHERE_CHOSEN.get(name, {})
    path = f"requirements/components/{name}.in"
    return [
        *(
            f"{path}: {package} is imported by components/{name} and not in it"
            for package in sorted(imported - brought - set(chosen))
        ),
        *(
            f"{path}: {package} is imported by nothing in components/{name}"
            for package in sorted(brought - imported)
        ),
    ]


def _imported(name: str, sources: list[Source]) -> set[str]:
    by_module = {_module(source.path): source for source in sources}
    waiting = [source for source in sources if area_of(source.path) == name]
    seen, found = {source.path for source in waiting}, set()
    while waiting:
        for module in _modules(waiting.pop()):
            top = module.split(".")[0]
            if top not in OURS and top not in sys.stdlib_module_names and top != "__future__":
                found.add(DISTRIBUTIONS.get(top, top))
            shared = by_module.get(module)
            if shared is not None and shared.path not in seen and top == "sightline":
                seen.add(shared.path)
                waiting.append(shared)
    return found


def _modules(source: Source) -> Iterable[str]:
    tree = ast.parse(source.text)
    yield from (module for module, _ in imported_modules(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(path: str) -> str:
    inside = path.removeprefix("shared/").removeprefix("components/").removesuffix(".py")
    return inside.removesuffix("/__init__").replace("/", ".")
