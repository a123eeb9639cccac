"""Checks of recipes, configurations and requests against Nucleus Lite's limits, with its own messages.

Measured by deploying to Nucleus Lite 2.6.0, or read in its sources; see docs/nucleus.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hil.nucleus.nucleus_errors import ServiceError
from hil.nucleus.recipe_files.recipe import ComponentRecipe
from sightline.errors import RecipeError
from sightline.strict_yaml import decode_yaml

MAX_SUBOBJECTS = 254
MAX_VALUE_BYTES = 1024
MAX_RECIPE_BYTES = 8196
TOO_MANY_SUBOBJECTS = "Visited object's subobjects exceeds maximum."
RUN_STEPS = ("run", "startup")
Json = Mapping[str, Any]


def count_subobjects(value: Any) -> int:
    """The lengths of all lists and twice the lengths of all maps, as Lite counts them."""
    count, waiting = 0, [value]
    while waiting:  # no recursion: what comes may be nested deeply
        one = waiting.pop()
        if isinstance(one, Mapping):
            count += 2 * len(one)
            waiting.extend(one.values())
        elif isinstance(one, (list, tuple)):
            count += len(one)
            waiting.extend(one)
    return count


def find_recipe_violations(name: str, text: str) -> Iterator[str]:
    """Why Lite would not deploy this recipe, one line per reason."""
    size = len(text.encode())
    if size > MAX_RECIPE_BYTES:
        yield f"{name}: the recipe has {size} bytes; Nucleus Lite reads at most {MAX_RECIPE_BYTES}"
    content = decode_yaml(text, "texts")
    count = count_subobjects(content)
    if count > MAX_SUBOBJECTS:
        yield (
            f"{name}: {TOO_MANY_SUBOBJECTS} Found {count}, the lengths of lists and twice those of "
            f"maps; at most {MAX_SUBOBJECTS} are allowed"
        )
    yield from _find_manifest_violations(name, content.get("Manifests") or [])


def find_configuration_violations(name: str, values: Json) -> Iterator[str]:
    """Why Lite could not store or return the configuration, one line per reason."""
    for pointer, value in _list_stored_values(values, ""):
        size = len(msgspec.json.encode(value))
        if size > MAX_VALUE_BYTES:
            key = f"services/{name}/configuration{pointer}"
            yield (
                f"{name} at {pointer}: Json encode failed for key {key}. Found {size} bytes; a list "
                f"or scalar of at most {MAX_VALUE_BYTES} bytes of JSON is allowed, a map may be longer"
            )
    count = count_subobjects(values)
    if count > MAX_SUBOBJECTS:
        yield (
            f"{name}: its whole configuration: {TOO_MANY_SUBOBJECTS} Found {count}; at most "
            f"{MAX_SUBOBJECTS} are allowed"
        )


def check_request(body: bytes) -> None:
    """ServiceError for a request too large for Lite to decode; invalid JSON is checked elsewhere."""
    if len(body) <= MAX_SUBOBJECTS:  # each sub-object takes a byte at least
        return
    try:
        count = count_subobjects(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if count > MAX_SUBOBJECTS:
        raise ServiceError(TOO_MANY_SUBOBJECTS)


def check_response(value: Json) -> None:
    """ServiceError for an answer too large for Lite to send."""
    if count_subobjects(value) > MAX_SUBOBJECTS:
        raise ServiceError(TOO_MANY_SUBOBJECTS)


def check_recipes(folders: Iterable[Path], recipes: Iterable[ComponentRecipe]) -> None:
    """RecipeError with what Lite would refuse in the recipes; the first folder with a recipe counts."""
    wanted = {(recipe.component_name, recipe.component_version) for recipe in recipes}
    found: list[str] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.yaml"))):
        text = path.read_text()
        content = decode_yaml(text, "texts")
        key = (content.get("ComponentName", ""), content.get("ComponentVersion", ""))
        if key in wanted:
            wanted.discard(key)
            found.extend(find_recipe_violations(key[0], text))
    _raise_if_any(found)


def check_configurations(configurations: Mapping[str, Json]) -> None:
    """RecipeError with everything in the configurations that Lite would refuse."""
    lines: list[str] = []
    for name, values in configurations.items():
        lines.extend(find_configuration_violations(name, values))
    _raise_if_any(lines)


def _raise_if_any(lines: list[str]) -> None:
    if lines:
        raise RecipeError("This deployment would fail on Nucleus Lite:\n  " + "\n  ".join(lines))


def _find_manifest_violations(name: str, manifests: list[Json]) -> Iterator[str]:
    chosen = next((manifest for manifest in manifests if _applies_to_lite(manifest)), None)
    if chosen is None or not isinstance(chosen.get("Lifecycle"), Mapping):
        yield (
            f"{name}: No lifecycle was found for linux. A manifest with Platform {{os: linux, "
            'runtime: "*"} and a Lifecycle is needed'
        )
        return
    if not isinstance(chosen.get("Artifacts"), list):
        yield f"{name}: Missing required 'Artifacts' key in Manifest. An empty list is allowed"
    if not any(step in chosen["Lifecycle"] for step in RUN_STEPS):
        yield (
            f"{name}: Failed waiting for {name}. Without a run step no state of it ends Lite's "
            "waiting, and the deployment fails after 300 s; a run step that ends with 0 is needed"
        )


def _applies_to_lite(manifest: Json) -> bool:
    platform = manifest.get("Platform") or {}
    runs_here = platform.get("os", "*") in ("*", "all", "linux")
    return runs_here and platform.get("runtime") in ("*", "aws_nucleus_lite")


def _list_stored_values(value: Any, above: str) -> Iterator[tuple[str, Any]]:
    """The values that are stored under one key each: everything but maps."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _list_stored_values(inner, f"{above}/{key}")
    else:
        yield above, value
