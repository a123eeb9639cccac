"""What a recipe must hold, so that both nuclei take it and code and permissions agree."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from sightline.configuration import find_value_at
from sightline.errors import RecipeError, TextError
from sightline.strict_yaml import decode_yaml

MAX_SCRIPT_BYTES = 10 * 1024
MAX_SERVICE_BYTES = 4 * 1024
PLATFORM = {"os": "linux", "runtime": "*"}  # without `runtime` Nucleus Lite finds no manifest

STEPS = ("install", "startup", "run", "shutdown", "recover")
OTHER_LIFECYCLE_KEYS = ("Setenv", "errorResetTime")

Recipe = Mapping[str, Any]
SAFE_TEXT = re.compile(r"(?!-)[A-Za-z0-9._/-]+")  # what a script may be filled in with
_BARE_PATH = re.compile(r'(?<!")\{(?:artifacts|work|kernel):\w+\}[^\s"]*')
_IN_SCRIPT = re.compile(r"\{configuration:(/[^{}\s]*)\}")


def parse_recipe(name: str, text: str) -> Recipe:
    """The recipe as a mapping; RecipeError if it is no YAML mapping."""
    try:
        recipe = decode_yaml(text)
    except TextError as error:
        raise RecipeError(f"{name}: {error}") from error
    if not isinstance(recipe, dict):
        raise RecipeError(f"{name}: found {type(recipe).__name__}; a mapping is expected")
    return recipe


def find_wrong_platforms(name: str, recipe: Recipe) -> list[str]:
    """One line for each manifest that one of the two nuclei would pass over."""
    return [
        f"{name} at /Manifests/{index}/Platform: found {manifest.get('Platform')}; "
        f"expected {PLATFORM}"
        for index, manifest in enumerate(recipe.get("Manifests", []))
        if manifest.get("Platform") != PLATFORM
    ] or ([] if recipe.get("Manifests") else [f"{name} at /Manifests: none"])


def find_long_scripts(name: str, recipe: Recipe) -> list[str]:
    """One line for each lifecycle script of more than a script may have."""
    return [
        f"{name} at {pointer}: {len(script.encode())} bytes; at most {MAX_SCRIPT_BYTES} are allowed"
        for pointer, script in _scripts(recipe)
        if len(script.encode()) > MAX_SCRIPT_BYTES
    ]


def find_unquoted_paths(name: str, recipe: Recipe) -> list[str]:
    """One line for each script in which a folder with a space would become two words."""
    return [
        f"{name} at {pointer}: found {path}; put it in double quotes: a folder may have a space"
        for pointer, script in _scripts(recipe)
        for path in _BARE_PATH.findall(script)
    ]


def find_shell_pointers(recipe: Recipe) -> tuple[str, ...]:
    """Where in the configuration the texts lie that the recipe's scripts are filled in with."""
    found = (pointer for _, script in _scripts(recipe) for pointer in _IN_SCRIPT.findall(script))
    return tuple(dict.fromkeys(found))


def find_unsafe_texts(
    place: str, pointers: Iterable[str], configuration: Mapping[str, Any]
) -> list[str]:
    """One line for each text that a shell would read as more than a text."""
    return [
        f"{place} at {pointer}: found {value!r}, which goes into a script; letters, digits, "
        "'.', '_', '/' and '-' (not first) are allowed"
        for pointer in pointers
        if not isinstance(value := find_value_at(configuration, pointer), str)
        or not SAFE_TEXT.fullmatch(value)
    ]


def find_unknown_steps(name: str, recipe: Recipe) -> list[str]:
    """One line for each step that Nucleus Lite would not find, or that asks for root or does not say."""
    found = []
    for index, manifest in enumerate(recipe.get("Manifests", [])):
        for step, body in (manifest.get("Lifecycle") or {}).items():
            pointer = f"{name} at /Manifests/{index}/Lifecycle/{step}"
            if step not in (*STEPS, *OTHER_LIFECYCLE_KEYS):
                found.append(f"{pointer}: not known; {', '.join(STEPS)} are, in lower case")
            elif step in STEPS and not _is_unprivileged(body):
                found.append(f"{pointer}: expected a Script and RequiresPrivilege: false")
    return found


def _is_unprivileged(body: Any) -> bool:
    return (
        isinstance(body, dict)
        and isinstance(body.get("Script"), str)
        and body.get("RequiresPrivilege") is False
    )


def find_different_access_control(
    name: str, recipe: Recipe, expected: Mapping[str, Any]
) -> list[str]:
    """The recipe's accessControl is not what the catalogue asks for, or is too large for a service."""
    found = recipe_configuration(recipe).get("accessControl", {})
    large = [
        f"{name}: accessControl of {service} takes more than {MAX_SERVICE_BYTES} bytes"
        for service, policies in found.items()
        if len(yaml.safe_dump(policies).encode()) > MAX_SERVICE_BYTES
    ]
    if found == expected:
        return large
    return [*large, f"{name}: accessControl differs from the catalogue; run tools.recipes --write"]


def find_different_defaults(name: str, recipe: Recipe, expected: Mapping[str, Any]) -> list[str]:
    """One line for each default of the recipe that is not the struct's."""
    found = {k: v for k, v in recipe_configuration(recipe).items() if k != "accessControl"}
    wanted = {k: v for k, v in expected.items() if k != "accessControl"}
    return [
        f"{name} at /ComponentConfiguration/DefaultConfiguration/{key}: "
        f"found {found.get(key)!r}; the component's default is {wanted.get(key)!r}"
        for key in sorted({*found, *wanted})
        if found.get(key) != wanted.get(key)
    ]


def recipe_configuration(recipe: Recipe) -> dict[str, Any]:
    """The recipe's DefaultConfiguration, or nothing."""
    configuration = recipe.get("ComponentConfiguration") or {}
    return dict(configuration.get("DefaultConfiguration") or {})


def _scripts(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for index, manifest in enumerate(recipe.get("Manifests", [])):
        for step, body in (manifest.get("Lifecycle") or {}).items():
            script = body.get("Script") if isinstance(body, dict) else body
            if isinstance(script, str):
                yield f"/Manifests/{index}/Lifecycle/{step}", script
