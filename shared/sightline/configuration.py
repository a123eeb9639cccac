"""Typed configuration, refused at the door with its JSON pointer; numbers written as text are accepted.

Greengrass hands a component its configuration as JSON; Nucleus Lite hands every YAML scalar over as
text ("0.5"), so text is coerced to the field's type.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from sightline.errors import ConfigurationError
from sightline.old_keys import OldKey, find_as_written, rename_old_keys
from sightline.text import truncate

# `settingsVersion`: which version of the station's own settings goes with the rest; see docs/fleet.md
GREENGRASS_KEYS = frozenset({"accessControl", "settingsVersion"})
MAX_QUOTED_CHARACTERS = 200


class ConfigurationStruct(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Base of all configuration structs: camelCase keys, unknown keys refused, defaults = the recipe's.

    `OLD_KEYS`: JSON pointers of keys that had other names in the last release, to the new last key.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = {}


T = TypeVar("T", bound=ConfigurationStruct)


def load_configuration(struct_type: type[T], values: dict[str, Any]) -> T:
    """The typed configuration; ConfigurationError names the JSON pointer, what was found, what is allowed.

    Old keys are read, too, and win over new ones; `find_old_keys` tells which there are.
    """
    own = remove_greengrass_keys(values)
    try:
        return _convert(struct_type, own)
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"{struct_type.__name__}: found text that is not UTF-8, {error.object[:MAX_QUOTED_CHARACTERS]!a}"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"{struct_type.__name__}: it is nested too deeply") from error


def remove_greengrass_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without what is none of the component's: its permissions, and what the kernel reads."""
    return {key: value for key, value in values.items() if key not in GREENGRASS_KEYS}


def find_old_keys(struct_type: type[ConfigurationStruct], values: dict[str, Any]) -> list[OldKey]:
    """The old keys that a configuration holds."""
    return rename_old_keys(values, struct_type.OLD_KEYS)[1]


def _convert(struct_type: type[T], own: dict[str, Any]) -> T:
    """As `load_configuration`; UnicodeEncodeError or RecursionError for what no file could keep."""
    renamed, old_keys = rename_old_keys(own, struct_type.OLD_KEYS)
    try:
        configuration = msgspec.convert(renamed, type=struct_type, strict=False)
        msgspec.json.encode(configuration)
        return configuration
    except msgspec.ValidationError as error:
        pointer = _restore_keys(json_pointer(str(error)), renamed, struct_type)
        problem = str(error).split(" - at ")[0] + _explain_new_names(pointer, old_keys)
        pointer = find_as_written(pointer, old_keys)
        found = truncate(_quote(find_value_at(own, pointer)), MAX_QUOTED_CHARACTERS)
        raise ConfigurationError(
            f"{struct_type.__name__} at {pointer or '/'}: {problem}; found {found}", pointer
        ) from error


def _quote(value: Any) -> str:
    """A refused value as it is shown and logged: without user and password of an address in it."""
    return re.sub(r"://[^@\s]*@", "://...@", repr(value))


def _explain_new_names(pointer: str, old_keys: Sequence[OldKey]) -> str:
    """What the keys in a refused map are called now, where they were given under their old names."""
    names = [
        f"{key.old.rpartition('/')[2]} is now called {key.new.rpartition('/')[2]}"
        for key in old_keys
        if key.new.rpartition("/")[0] == pointer
    ]
    return f" ({', '.join(names)})" if names else ""


def default_configuration(struct_type: type[ConfigurationStruct]) -> dict[str, Any]:
    """The struct's defaults as the recipe's DefaultConfiguration writes them."""
    built: dict[str, Any] = msgspec.to_builtins(struct_type())
    return built


def named_entries(
    entry_type: type[T], key: str, entries: Mapping[str, ConfigurationStruct]
) -> tuple[T, ...]:
    """The entries of a map, each with its name in the field `key`; in the order of the map."""
    return tuple(
        entry_type(**{key: name}, **msgspec.structs.asdict(entry))
        for name, entry in entries.items()
    )


def json_pointer(validation_message: str) -> str:
    """`... - at `$.cameras[0].rate`` as a JSON pointer: `/cameras/0/rate`."""
    match = re.search(r"at (?:`key` in )?`\$([^`]*)`", validation_message)
    if match is None:
        return ""
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", match.group(1))
    return "".join("/" + (name or index) for name, index in steps)


def _restore_keys(pointer: str, values: dict[str, Any], struct_type: type[T]) -> str:
    """The pointer with the keys that msgspec leaves out (`...`): those whose entry alone is refused."""
    without_keys = pointer
    while "/..." in pointer:
        place = pointer.split("/...")[0]
        entries = find_value_at(values, place)
        if not isinstance(entries, dict):
            return pointer
        for key, entry in entries.items():
            alone = _replace_at(values, place.split("/")[1:], {key: entry})
            try:
                msgspec.convert(alone, type=struct_type, strict=False)
            except msgspec.ValidationError as error:
                if json_pointer(str(error)) == without_keys:
                    pointer, values = pointer.replace("/...", f"/{key}", 1), alone
                    break
        else:
            return pointer
    return pointer


def _replace_at(values: Any, steps: list[str], entry: Any) -> Any:
    """A copy of the values with another one at the end of the steps."""
    if not steps:
        return entry
    step, rest = steps[0], steps[1:]
    if isinstance(values, dict):
        return {**values, step: _replace_at(values[step], rest, entry)}
    place = int(step)
    return [*values[:place], _replace_at(values[place], rest, entry), *values[place + 1 :]]


def find_value_at(values: Any, pointer: str) -> Any:
    """What lies at a JSON pointer, or None."""
    for step in pointer.split("/")[1:]:
        if isinstance(values, dict):
            values = values.get(step)
        elif isinstance(values, list) and step.isdigit() and int(step) < len(values):
            values = values[int(step)]
        else:
            return values
    return values
