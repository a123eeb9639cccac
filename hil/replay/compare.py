"""A replay's messages against their references, field by field. No I/O."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hil.replay.segment import Noted
from hil.replay.tolerances import COMPARED_STREAMS, tolerance_of

NOTHING = "(nothing)"
Json = dict[str, Any]
_PLACE = re.compile(r"\[\d+\]")
_BOX_LISTS = frozenset({"detections", "cam1", "cam2", "cam3", "cam4"})


@dataclass(frozen=True)
class Difference:
    """One field that is too far from its reference, or is on one side only."""

    stream: str
    part_number: int
    path: str
    reference: Any
    found: Any
    tolerance: str

    def __str__(self) -> str:
        return (
            f"part {self.part_number} {self.stream}.{self.path}: found {self.found!r}, "
            f"the reference is {self.reference!r} (tolerance: {self.tolerance})"
        )


def part_number_of(noted: Noted) -> int:
    """The part that a message is of; messages of no part have 0."""
    message = noted.message
    if "part" in message:
        return int(message["part"]["part_number"])
    return int(message.get("part_number") or message.get("partNumber") or 0)


def by_part(messages: Iterable[Noted]) -> dict[tuple[str, int], Noted]:
    """The compared messages by stream and part; of repeats the first, as it was told live."""
    found: dict[tuple[str, int], Noted] = {}
    for noted in messages:
        if noted.stream in COMPARED_STREAMS:
            found.setdefault((noted.stream, part_number_of(noted)), noted)
    return found


def compare(reference: Sequence[Noted], found: Sequence[Noted]) -> list[Difference]:
    """All differences, in order of stream and part."""
    wanted, given = by_part(reference), by_part(found)
    differences: list[Difference] = []
    for key in sorted(wanted.keys() | given.keys(), key=lambda k: (k[1], k[0])):
        stream, number = key
        if key not in given or key not in wanted:
            sides = ("a message", NOTHING) if key in wanted else (NOTHING, "a message")
            differences.append(Difference(stream, number, "", *sides, "exact"))
            continue
        differences += _of_message(stream, number, wanted[key], given[key])
    return differences


def _of_message(stream: str, number: int, wanted: Noted, given: Noted) -> Iterator[Difference]:
    pairs = [
        *_pairs("", _aligned(wanted.message, given.message), given.message),
        *_pairs("pixels", sorted(wanted.frames.items()), sorted(given.frames.items())),
    ]
    for path, reference, found in pairs:
        tolerance = tolerance_of(stream, _PLACE.sub("[]", path))
        if not tolerance.allows(reference, found):
            yield Difference(stream, number, path, reference, found, tolerance.name)


def _pairs(path: str, reference: Any, found: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each field of both sides with its path; where one side has nothing, NOTHING stands there.

    Fields that the reference does not have are left out: messages grow, and old segments stay of use.
    """
    if isinstance(reference, dict) and isinstance(found, dict):
        for key in reference:
            below = f"{path}.{key}" if path else str(key)
            yield from _pairs(below, reference[key], found.get(key, NOTHING))
    elif isinstance(reference, list | tuple) and isinstance(found, list | tuple):
        for place in range(max(len(reference), len(found))):
            one = reference[place] if place < len(reference) else NOTHING
            other = found[place] if place < len(found) else NOTHING
            yield from _pairs(f"{path}[{place}]", one, other)
    else:
        yield path, reference, found


def _aligned(reference: Json, found: Json) -> Json:
    """The reference with its boxes in the order of those found: near scores may change places."""
    return {
        key: _boxes_in_order_of(found.get(key), value)
        if key in _BOX_LISTS and isinstance(value, list)
        else value
        for key, value in reference.items()
    }


def _boxes_in_order_of(found: Any, boxes: list[Json]) -> list[Any]:
    if not isinstance(found, list):
        return boxes
    left: list[Json] = list(boxes)
    ordered: list[Any] = []
    for box in found:
        same = [other for other in left if _kind(other) == _kind(box)]
        nearest = min(same, key=lambda other: _distance(other, box), default=None)
        if nearest is None:
            ordered.append(NOTHING)
        else:
            left.remove(nearest)
            ordered.append(nearest)
    return [*ordered, *left]


def _kind(box: Json) -> tuple[Any, ...]:
    return box.get("camera"), box["label"], box.get("model")


def _distance(one: Json, other: Json) -> float:
    return sum(abs(float(one[side]) - float(other[side])) for side in ("x", "y", "width", "height"))
