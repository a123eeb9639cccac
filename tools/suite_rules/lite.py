"""What Nucleus Lite does not have, or has no room for; measured limits, see docs/nucleus.md."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sightline.topics import Stream

KNOWN_VARIABLES = frozenset(
    {
        "artifacts:path",
        "artifacts:decompressedPath",
        "work:path",
        "kernel:rootPath",
        "iot:thingName",
    }
)
PASSED_OVER: dict[str, str] = {  # Lite knows no such step; what takes its place there
    "shutdown": "SIGTERM, on which each component settles the part in hand",
    "recover": "the next start, which begins from what is on disk",
}
GREATEST_DEPTH = 12
GREATEST_INTEGER = 2**53 - 1
GREATEST_TOPIC_BYTES = 256
LONGEST_THING_NAME = "t" * 128
GREATEST_CLIENTS = 50
_VARIABLE = re.compile(r"\{([A-Za-z][\w.-]*(?::[^{}\s]+)+)\}")


def missing_features(name: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing in a recipe that Lite would not do, or would not read."""
    if recipe.get("ComponentType", "aws.greengrass.generic") != "aws.greengrass.generic":
        yield f"{name} at /ComponentType: found {recipe['ComponentType']!r}; Lite runs generic only"
    for number, manifest in enumerate(recipe.get("Manifests", [])):
        for step, body in (manifest.get("Lifecycle") or {}).items():
            place = f"{name} at /Manifests/{number}/Lifecycle/{step}"
            if isinstance(body, Mapping):
                yield from _of_step(place, body)
    for pointer, value in _leaves(recipe, ""):
        if isinstance(value, str):
            yield from _strange_variables(f"{name} at {pointer}", value)


def numbers_and_depth(name: str, configuration: Mapping[str, Any]) -> Iterator[str]:
    """One line for each integer that JSON would not keep, each null, and what is nested too deep."""
    for pointer, value in _leaves(configuration, ""):
        place = f"{name} at /ComponentConfiguration/DefaultConfiguration{pointer}"
        if value is None:
            yield f"{place}: found null; a nucleus keeps none"
        if isinstance(value, int) and abs(value) > GREATEST_INTEGER:
            yield f"{place}: found {value}; integers stay below 2^53"
        if pointer.count("/") > GREATEST_DEPTH:
            yield f"{place}: nested deeper than {GREATEST_DEPTH}"


def unfit_streams(catalogue: Iterable[Stream]) -> Iterator[str]:
    """One line for each topic that is too long for Lite, or that holds a wildcard."""
    for row in catalogue:
        topic = row.topic_of(LONGEST_THING_NAME)
        if len(topic.encode()) > GREATEST_TOPIC_BYTES:
            yield f"stream {row.name}: a topic of {len(topic)} bytes; Lite takes {GREATEST_TOPIC_BYTES}"
        if set("+#") & set(topic):
            yield f"stream {row.name}: {row.topic!r} holds a wildcard; Lite's broker drops the nucleus"


def _of_step(place: str, body: Mapping[str, Any]) -> Iterator[str]:
    for key in body:
        if key.lower() == "skipif":
            yield f"{place}/{key}: Lite does not skip; let the script look itself"
        if key not in ("Script", "RequiresPrivilege", "Timeout", "Setenv", "Skipif"):
            yield f"{place}/{key}: not known in this case; Script, RequiresPrivilege, Timeout, Setenv are"


def _strange_variables(place: str, text: str) -> Iterator[str]:
    for variable in _VARIABLE.findall(text):
        if variable not in KNOWN_VARIABLES and not variable.startswith("configuration:/"):
            yield f"{place}: {{{variable}}} is no variable of both nuclei"


def _leaves(tree: Any, above: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{above}/{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _leaves(value, f"{above}/{number}")
    else:
        yield above, tree
