"""What Nucleus Lite does not have, or has no room for; measured limits, see docs/nucleus.md."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sightline.messaging.topics import MessageStream

KNOWN_VARIABLES = frozenset(
    {
        "artifacts:path",
        "artifacts:decompressedPath",
        "work:path",
        "kernel:rootPath",
        "iot:thingName",
    }
)
IGNORED_STEPS: dict[str, str] = {  # Lite knows no such step; what takes its place there
    "shutdown": "SIGTERM, on which each component settles the part in hand",
    "recover": "the next start, which begins from what is on disk",
}
MAX_SUB_OBJECTS = 250  # of 255: list lengths and twice the map lengths, over the whole of it
MAX_VALUE_BYTES = 1_000  # of 1,024: a list, or a text, is kept as one value in JSON
MAX_RECIPE_BYTES = 8_000  # of 8,196, as text and as JSON
KNOWN_KEYS: dict[str, frozenset[str]] = {  # what may stand where, in this case of letters
    "recipe": frozenset(
        {
            "RecipeFormatVersion",
            "ComponentName",
            "ComponentVersion",
            "ComponentType",
            "ComponentDescription",
            "ComponentPublisher",
            "ComponentConfiguration",
            "ComponentDependencies",
            "Manifests",
        }
    ),
    "configuration": frozenset({"DefaultConfiguration"}),
    "dependency": frozenset({"VersionRequirement", "DependencyType"}),
    "manifest": frozenset({"Name", "Platform", "Lifecycle", "Artifacts"}),
    "platform": frozenset({"os", "runtime", "architecture"}),
    "artifact": frozenset({"Uri", "Unarchive", "Permission", "Digest", "Algorithm"}),
}
MAX_NESTING_DEPTH = 12
MAX_INTEGER = 2**53 - 1
MAX_TOPIC_BYTES = 256
MAX_LENGTH_THING_NAME = "t" * 128
MAX_CLIENTS = 50
_VARIABLE = re.compile(r"\{([A-Za-z][\w.-]*(?::[^{}\s]+)+)\}")


def find_missing_features(name: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing in a recipe that Lite would not do, or would not read."""
    if recipe.get("ComponentType", "aws.greengrass.generic") != "aws.greengrass.generic":
        yield f"{name} at /ComponentType: found {recipe['ComponentType']!r}; Lite runs generic only"
    for number, manifest in enumerate(recipe.get("Manifests", [])):
        for step, body in (manifest.get("Lifecycle") or {}).items():
            place = f"{name} at /Manifests/{number}/Lifecycle/{step}"
            if isinstance(body, Mapping):
                yield from _check_step(place, body)
    for pointer, value in _list_leaves(recipe, ""):
        if isinstance(value, str):
            yield from _find_unknown_variables(f"{name} at {pointer}", value)


def count_sub_objects(tree: Any) -> int:
    """As Lite counts them: the length of each list and twice the length of each map, all summed up."""
    if isinstance(tree, Mapping):
        return 2 * len(tree) + sum(map(count_sub_objects, tree.values()))
    if isinstance(tree, list | tuple):
        return len(tree) + sum(map(count_sub_objects, tree))
    return 0


def find_too_many_sub_objects(name: str, tree: Any) -> Iterator[str]:
    """A line if Lite would refuse the whole for what it counts in it."""
    found = count_sub_objects(tree)
    if found > MAX_SUB_OBJECTS:
        yield (
            f"{name}: {found} sub-objects (list lengths and twice the map lengths); at most "
            f"{MAX_SUB_OBJECTS} are allowed, or Nucleus Lite refuses it. Leave to the component's "
            "code what are its defaults anyway"
        )


def find_long_values(name: str, configuration: Mapping[str, Any]) -> Iterator[str]:
    """One line for each list or text that Lite cannot keep, because it is one value there."""
    for pointer, value in _list_whole_values(configuration, ""):
        size = len(json.dumps(_convert_scalars_to_text(value)).encode())
        if size > MAX_VALUE_BYTES:
            what = "list" if isinstance(value, list | tuple) else "text"
            yield (
                f"{name} at {pointer}: a {what} of {size} bytes as JSON; at most {MAX_VALUE_BYTES} are "
                "allowed, or Nucleus Lite cannot keep it. A map may be longer: each of its values "
                "counts alone"
            )


def find_large_recipes(name: str, text: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """A recipe that does not fit into Lite's buffer, as text or as JSON."""
    size = max(len(text.encode()), len(json.dumps(recipe).encode()))
    if size > MAX_RECIPE_BYTES:
        yield f"{name}: {size} bytes; at most {MAX_RECIPE_BYTES} are allowed, Nucleus Lite reads 8,196"


def find_incomplete_manifests(name: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """One line for each manifest that Lite finds nothing in, or waits for in vain."""
    if "Lifecycle" in recipe:
        yield f"{name} at /Lifecycle: Lite reads that of a manifest"
    for number, manifest in enumerate(recipe.get("Manifests") or []):
        place = f"{name} at /Manifests/{number}"
        if not isinstance(manifest.get("Artifacts"), list):
            yield f"{place}/Artifacts: a list is expected, or Lite fails the deployment; [] for none"
        steps = manifest.get("Lifecycle") or {}
        if not steps:
            yield f"{place}/Lifecycle: none; Lite finds no manifest for linux"
        elif not {"run", "startup"} & set(steps):
            yield (
                f"{place}/Lifecycle: no run; Lite waits 300 s for a component that only installs, "
                "and fails the deployment. Give it a run whose script is: exit 0"
            )


def find_binding_dependencies(name: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """One line for each dependency with which a component would end for good, when the other does."""
    for other, needs in (recipe.get("ComponentDependencies") or {}).items():
        found = (needs or {}).get("DependencyType", "HARD")
        if found != "SOFT":
            yield (
                f"{name} at /ComponentDependencies/{other}: found {found}; SOFT is expected: under Lite "
                f"a component that depends HARD on {other} ends with it and is not started again"
            )


def find_unknown_keys(name: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """One line for each key that Lite would not find, because it is written otherwise or unknown."""
    yield from _find_unknown_mapping_keys(f"{name} at ", recipe, "recipe")
    configuration = recipe.get("ComponentConfiguration") or {}
    yield from _find_unknown_mapping_keys(
        f"{name} at /ComponentConfiguration/", configuration, "configuration"
    )
    for other, needs in (recipe.get("ComponentDependencies") or {}).items():
        yield from _find_unknown_mapping_keys(
            f"{name} at /ComponentDependencies/{other}/", needs or {}, "dependency"
        )
    for number, manifest in enumerate(recipe.get("Manifests") or []):
        place = f"{name} at /Manifests/{number}/"
        yield from _find_unknown_mapping_keys(place, manifest, "manifest")
        yield from _find_unknown_mapping_keys(
            f"{place}Platform/", manifest.get("Platform") or {}, "platform"
        )
        for index, artifact in enumerate(manifest.get("Artifacts") or []):
            yield from _find_unknown_mapping_keys(
                f"{place}Artifacts/{index}/", artifact, "artifact"
            )


def _find_unknown_mapping_keys(place: str, mapping: Mapping[str, Any], kind: str) -> Iterator[str]:
    for key in mapping:
        if key not in KNOWN_KEYS[kind]:
            yield f"{place}{key}: not known; {', '.join(sorted(KNOWN_KEYS[kind]))} are, in this case"


def _list_whole_values(tree: Any, above: str) -> Iterator[tuple[str, Any]]:
    """What is kept as one value: whatever is no map."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _list_whole_values(value, f"{above}/{key}")
    else:
        yield above, tree


def _convert_scalars_to_text(value: Any) -> Any:
    """A recipe's YAML scalars are texts to Lite, which takes two quotes more."""
    if isinstance(value, Mapping):
        return {str(key): _convert_scalars_to_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_convert_scalars_to_text(item) for item in value]
    return str(value)


def find_unfit_numbers_and_depth(name: str, configuration: Mapping[str, Any]) -> Iterator[str]:
    """One line for each integer that JSON would not keep, each null, and what is nested too deep."""
    for pointer, value in _list_leaves(configuration, ""):
        place = f"{name} at /ComponentConfiguration/DefaultConfiguration{pointer}"
        if value is None:
            yield f"{place}: found null; a nucleus keeps none"
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            yield f"{place}: found {value}; integers stay below 2^53"
        if pointer.count("/") > MAX_NESTING_DEPTH:
            yield f"{place}: nested deeper than {MAX_NESTING_DEPTH}"


def find_unfit_streams(catalogue: Iterable[MessageStream]) -> Iterator[str]:
    """One line for each topic that is too long for Lite, or that holds a wildcard."""
    for row in catalogue:
        topic = row.build_topic(MAX_LENGTH_THING_NAME)
        if len(topic.encode()) > MAX_TOPIC_BYTES:
            yield f"stream {row.name}: a topic of {len(topic)} bytes; Lite takes {MAX_TOPIC_BYTES}"
        if set("+#") & set(topic):
            yield f"stream {row.name}: {row.topic!r} holds a wildcard; Lite's broker drops the nucleus"


def _check_step(place: str, body: Mapping[str, Any]) -> Iterator[str]:
    for key in body:
        if key.lower() == "skipif":
            yield f"{place}/{key}: Lite does not skip; let the script look itself"
        if key not in ("Script", "RequiresPrivilege", "Timeout", "Setenv", "Skipif"):
            yield f"{place}/{key}: not known in this case; Script, RequiresPrivilege, Timeout, Setenv are"


def _find_unknown_variables(place: str, text: str) -> Iterator[str]:
    for variable in _VARIABLE.findall(text):
        if variable not in KNOWN_VARIABLES and not variable.startswith("configuration:/"):
            yield f"{place}: {{{variable}}} is no variable of both nuclei"


def _list_leaves(tree: Any, above: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _list_leaves(value, f"{above}/{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _list_leaves(value, f"{above}/{number}")
    else:
        yield above, tree
