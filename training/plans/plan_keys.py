"""The keys of a plan on disk: old names are read for one release, unknown keys are refused. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sightline.errors import ConfigurationError

RENAMED_PLAN_KEYS = {
    "crops_each": "crops_per_picture",
    "doubled": "overlay_share",
    "drawn": "max_epoch_pictures",
    "greatest_rate": "max_learning_rate",
    "largest_flaw_px": "max_flaw_px",
    "most_flaws": "max_flaws",
    "painted": "synthetic_share",
}


def rename_plan_keys(struct_type: type, values: Any, path: str = "") -> tuple[Any, tuple[str, ...]]:
    """The values under their current keys, and a text for each old key; nested structs included.

    ConfigurationError if a setting is given under both its names.
    """
    if not isinstance(values, dict):
        return values, ()
    types = {field.name: field.type for field in msgspec.structs.fields(struct_type)}
    current: dict[str, Any] = {}
    renamed: tuple[str, ...] = ()
    for key, value in values.items():
        name = _find_current_name(key, types)
        if name != key:
            if name in values:
                raise ConfigurationError(
                    f"{path}{key} is the old name of {path}{name}, and both are given; remove {path}{key}"
                )
            renamed += (f"{path}{key} is now {path}{name}",)
        nested = types.get(name)
        if isinstance(nested, type) and issubclass(nested, msgspec.Struct):
            value, more = rename_plan_keys(nested, value, f"{path}{name}/")
            renamed += more
        current[name] = value
    return current, renamed


def _find_current_name(key: str, types: Mapping[str, Any]) -> str:
    """The key's name in a struct with these fields; the key itself if it was not renamed there."""
    name = RENAMED_PLAN_KEYS.get(key, key)
    return name if name in types else key


def check_plan_keys(values: Any, plan: Any) -> None:
    """ConfigurationError for the first key in the values that the plan does not have."""
    for key, known in _find_unknown_keys(values, msgspec.to_builtins(plan)):
        raise ConfigurationError(f"unknown key {key}; known are {', '.join(known)}")


def _find_unknown_keys(values: Any, known: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    if isinstance(values, dict) and isinstance(known, dict):
        for key, value in values.items():
            if key in known:
                yield from _find_unknown_keys(value, known[key], f"{path}{key}/")
            else:
                yield f"{path}{key}", sorted(known)
    elif isinstance(values, list) and isinstance(known, list | tuple):
        for index, (value, entry) in enumerate(zip(values, known, strict=False)):
            yield from _find_unknown_keys(value, entry, f"{path}{index}/")
