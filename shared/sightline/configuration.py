"""Typed configuration, refused at the door with its JSON pointer; numbers written as text are accepted.

Greengrass hands a component its configuration as JSON; Nucleus Lite hands every YAML scalar over as
text ("0.5"), so text is coerced to the field's type.
"""

import re
from typing import Any, TypeVar

import msgspec

from sightline.errors import ConfigurationError

GREENGRASS_KEYS = frozenset({"accessControl"})


class Configuration(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Base of all configuration structs: camelCase keys, unknown keys refused, defaults = the recipe's."""


T = TypeVar("T", bound=Configuration)


def load_configuration(struct_type: type[T], values: dict[str, Any]) -> T:
    """The typed configuration; ConfigurationError names the JSON pointer, what was found, what is allowed."""
    own = {key: value for key, value in values.items() if key not in GREENGRASS_KEYS}
    try:
        return msgspec.convert(own, type=struct_type, strict=False)
    except msgspec.ValidationError as error:
        pointer = json_pointer(str(error))
        problem = str(error).split(" - at ")[0]
        found = value_at(own, pointer)
        raise ConfigurationError(
            f"{struct_type.__name__} at {pointer or '/'}: {problem}; found {found!r}"
        ) from error


def default_configuration(struct_type: type[Configuration]) -> dict[str, Any]:
    """The struct's defaults as the recipe's DefaultConfiguration writes them."""
    built: dict[str, Any] = msgspec.to_builtins(struct_type())
    return built


def json_pointer(validation_message: str) -> str:
    """`... - at `$.cameras[0].rate`` as a JSON pointer: `/cameras/0/rate`."""
    match = re.search(r"at (?:`key` in )?`\$([^`]*)`", validation_message)
    if match is None:
        return ""
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", match.group(1))
    return "".join("/" + (name or index) for name, index in steps)


def value_at(values: Any, pointer: str) -> Any:
    """What lies at a JSON pointer, or None."""
    for step in pointer.split("/")[1:]:
        if isinstance(values, dict):
            values = values.get(step)
        elif isinstance(values, list) and step.isdigit() and int(step) < len(values):
            values = values[int(step)]
        else:
            return values
    return values
