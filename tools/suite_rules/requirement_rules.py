"""What a component imports is what its artifact brings along, and the other way round."""

import ast
import re
import sys
from collections.abc import Iterable, Mapping

from sightline.errors import RecipeError
from tools.stage.archive import parse_artifact_name
from tools.stage.stageable_components import find_lock_name
from tools.suite_rules.import_rules import OURS, find_imported_names
from tools.suite_rules.source_files import SourceFile, area_of, module_name

DISTRIBUTIONS = {
    "awscrt": "awsiotsdk",
    "awsiot": "awsiotsdk",
    "cv2": "opencv-python-headless",
    "yaml": "pyyaml",
    "zxingcpp": "zxing-cpp",
}
PROJECT_LOCKS = ("requirements/python3.10.txt", "requirements/cameras-python3.10.txt")
FOLDER = "requirements/components"
LAMBDA_LOCK, LAMBDA_MODULE = "telemetry-lambda", "telemetry.lambda_function"
DRIVERS: dict[str, str] = {
    "cameras_driver": "capture"
}  # whose packages of OPTIONAL_IMPORTS it brings
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_RUN = re.compile(r'launch\.sh"?\s+run\s+(?:--drivers\s+\S+\s+)?([\w.]+)')
OPTIONAL_IMPORTS: dict[str, dict[str, str]] = {  # imported by the one module that needs them
    "capture": {"gpiod": "cameras_driver.in", "linuxpy": "cameras_driver.in"},
    "telemetry": {"greengrasssdk": "the Lambda form", "greengrass_common": "the Lambda runtime"},
    LAMBDA_LOCK: {"greengrass_common": "the Lambda runtime"},
    "inference": {
        "google": "comes with onnx, where engines are built",
        "onnx": "the runtime tensorrt, beside JetPack's own packages",
        "pycuda": "the system's own, of JetPack",
        "tensorrt": "the system's own, of JetPack",
    },
}


def find_entry_modules(files: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """By the name of each lock: the modules that the scripts of its recipes run."""
    found = {LAMBDA_LOCK: frozenset({LAMBDA_MODULE})}
    for path, recipe in files.items():
        if path.startswith("recipes/com.") and path.endswith(".yaml"):
            try:
                lock = find_lock_name(parse_artifact_name(recipe))
            except ValueError as error:
                raise RecipeError(f"{path}: {error}") from error
            modules = set(_RUN.findall(recipe.replace("\n", " ")))
            found[lock] = found.get(lock, frozenset()) | modules
    return found


def find_incomplete_locks(files: Mapping[str, str]) -> list[str]:
    """One line for each lock of a component that is not there, or lacks what its `.in` names."""
    found = []
    for name in find_entry_modules(files):
        pinned = {package for package, _ in _pins(files.get(f"{FOLDER}/{name}.txt", ""))}
        found += [
            f"{FOLDER}/{name}.txt: {package} of {name}.in is not in it; run make lock"
            for package in sorted(_parse_packages(files.get(f"{FOLDER}/{name}.in", "")) - pinned)
        ]
    return found


def find_different_locks(files: Mapping[str, str]) -> list[str]:
    """One line for each package that a component's lock pins otherwise than the project's lock."""
    whole = {pin for path in PROJECT_LOCKS for pin in _pins(files.get(path, ""))}
    return [
        f"{path}: {name}=={version} is not the project's; run make lock"
        for path, text in files.items()
        if path.startswith("requirements/components/") and path.endswith(".txt")
        for name, version in _pins(text)
        if (name, version) not in whole
    ]


def find_different_requirements(
    sources: Iterable[SourceFile], needs: Mapping[str, str], run: Mapping[str, Iterable[str]]
) -> list[str]:
    """One line for each package that an artifact's code imports and its lock lacks, or has for nothing.

    `needs` has the text of `requirements/components/NAME.in` by NAME, `run` the modules that the recipes
    with this lock run.
    """
    modules = {module_name(source.path): source for source in sources if source.is_python}
    return [
        line
        for name in run
        for line in _check_lock(
            name, needs.get(name, ""), _find_imported_packages(name, run[name], modules)
        )
    ]


def find_unhashed_requirements(files: Mapping[str, str]) -> list[str]:
    """One line for each pin of a lock without a hash, and each `pip install` that does not ask for hashes."""
    found = []
    for path, text in files.items():
        if path.startswith("requirements/") and path.endswith(".txt"):
            entries = re.split(r"\n(?=\S)", text)
            found += [
                f"{path}: {entry.split()[0]} has no hash; run make lock"
                for entry in entries
                if entry.strip() and "--hash=sha256:" not in entry
            ]
        elif path == "Makefile" or (path.startswith("tools/") and path.endswith(".sh")):
            found += [
                f"{path}:{number}: pip install without --require-hashes"
                for number, line in enumerate(text.splitlines(), 1)
                if " pip install " in line and "--require-hashes" not in line
            ]
    return found


def find_component_requirements(files: Mapping[str, str]) -> dict[str, str]:
    """The texts of `requirements/components/NAME.in` by NAME, of all files by path."""
    return {
        path.removeprefix(f"{FOLDER}/").removesuffix(".in"): text
        for path, text in files.items()
        if path.startswith(f"{FOLDER}/") and path.endswith(".in")
    }


def _pins(lock: str) -> list[tuple[str, str]]:
    return _PIN.findall(lock)


def _parse_packages(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip()}


def _check_lock(name: str, text: str, imported: set[str]) -> list[str]:
    brought = _parse_packages(text)
    path = f"{FOLDER}/{name}.in"
    chosen = set(OPTIONAL_IMPORTS.get(name, {}))
    return [
        *(
            f"{path}: {package} is imported by what runs with it and not in it"
            for package in sorted(imported - brought - chosen)
        ),
        *(
            f"{path}: {package} is imported by nothing that runs with it"
            for package in sorted(brought - imported)
        ),
    ]


def _find_imported_packages(
    name: str, run: Iterable[str], by_module: Mapping[str, SourceFile]
) -> set[str]:
    """What the run modules import, with all of ours that they lead to; of the five, all their files."""
    if name in DRIVERS:
        chosen = OPTIONAL_IMPORTS[DRIVERS[name]]
        return {package for package, place in chosen.items() if place == f"{name}.in"}
    waiting = [source for source in by_module.values() if name == area_of(source.path)]
    waiting += [by_module[module] for module in run if module in by_module]
    seen = {source.path for source in waiting}
    found: set[str] = set()
    while waiting:
        for module, _ in find_imported_names(ast.parse(waiting.pop().text)):
            top = module.split(".")[0]
            if top not in OURS and top not in sys.stdlib_module_names and top != "__future__":
                found.add(DISTRIBUTIONS.get(top, top))
            ours = by_module.get(module)
            if ours is not None and ours.path not in seen and top in OURS:
                seen.add(ours.path)
                waiting.append(ours)
    return found
