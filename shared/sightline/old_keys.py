"""Old names of configuration keys, which are read for one more release.

Greengrass keeps the keys of an earlier version beside the new version's defaults. So where both stand, the
old one is what somebody chose, or what held before: it wins, and is a fault until it is reset.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightline.text import truncate

MAX_VALUE_CHARACTERS = 40
OldKeyPatterns = Mapping[str, str]
_Steps = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class OldKey:
    """An old key that a configuration holds, as JSON pointers.

    `reset`: the pointer that a deployment resets to be rid of it. A nucleus keeps a list as one value, so
    for a key in a list it is the list's.
    """

    old: str
    new: str
    value: Any
    both_given: bool
    reset: str

    def __str__(self) -> str:
        value = truncate(repr(self.value), MAX_VALUE_CHARACTERS)
        if self.both_given:
            return f"{self.old} = {value} is in force, {self.new} is not"
        return f"{self.old} = {value} is now called {self.new}"


def rename_old_keys(
    values: dict[str, Any], old_keys: OldKeyPatterns
) -> tuple[dict[str, Any], list[OldKey]]:
    """The values under their new keys, and the old keys that were found.

    `old_keys` maps a JSON pointer, in which `*` stands for each entry of a map or list, to the new last key.
    """
    patterns = [(tuple(pointer.split("/")[1:]), new) for pointer, new in old_keys.items()]
    found: list[OldKey] = []
    renamed: dict[str, Any] = _rename(values, patterns, "", None, found)
    return renamed, found


def place_below(pointer: str, old_keys: OldKeyPatterns) -> dict[str, str]:
    """The patterns of what lies at a pointer, as seen from above it."""
    return {pointer + old: new for old, new in old_keys.items()}


def describe_old_keys(found: Sequence[OldKey], max_characters: int) -> str:
    """As many of them as fit, those first that stand beside the new key, and how many more there are."""
    ordered = sorted(found, key=lambda key: not key.both_given)
    text = ""
    for number, key in enumerate(ordered):
        more = f"{'; ' if text else ''}{key}"
        if text and len(text) + len(more) > max_characters:
            return f"{text}; and {len(ordered) - number} more"
        text += more
    return text


def find_as_written(pointer: str, found: Iterable[OldKey]) -> str:
    """A pointer into renamed values as a pointer into the values that were given."""
    for key in found:
        if pointer == key.new or pointer.startswith(f"{key.new}/"):
            return key.old + pointer.removeprefix(key.new)
    return pointer


def _rename(
    values: Any, patterns: list[_Steps], pointer: str, reset: str | None, found: list[OldKey]
) -> Any:
    if not patterns:
        return values
    if isinstance(values, list):
        return [
            _rename(
                value,
                _select_below(patterns, str(index)),
                f"{pointer}/{index}",
                reset or pointer,
                found,
            )
            for index, value in enumerate(values)
        ]
    if not isinstance(values, dict):
        return values
    renamed = {
        key: _rename(value, _select_below(patterns, key), f"{pointer}/{_escape(key)}", reset, found)
        for key, value in values.items()
    }
    for steps, new in patterns:
        if len(steps) == 1 and steps[0] in renamed:
            old_pointer = f"{pointer}/{steps[0]}"
            value, both_given = renamed.pop(steps[0]), new in renamed
            renamed[new] = value
            found.append(
                OldKey(old_pointer, f"{pointer}/{new}", value, both_given, reset or old_pointer)
            )
    return renamed


def _select_below(patterns: list[_Steps], step: Any) -> list[_Steps]:
    """What of the patterns lies below a key or an index."""
    return [
        (steps[1:], new) for steps, new in patterns if len(steps) > 1 and steps[0] in ("*", step)
    ]


def _escape(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
