"""Compares a replay's messages with their references, field by field. No I/O."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hil.replay.field_tolerances import COMPARED_STREAMS, OTHER_CAMERAS, find_tolerance
from hil.replay.segment import RecordedMessage

NOTHING = "(nothing)"
Json = dict[str, Any]
_PLACE = re.compile(r"\[\d+\]")
_BOX_LISTS = frozenset({"detections", "cam1", "cam2", "cam3", "cam4"})


@dataclass(frozen=True)
class FieldDifference:
    """A field that exceeds its tolerance or exists on one side only."""

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


def find_part_number(noted: RecordedMessage) -> int:
    """The part number of a message; 0 for messages without one."""
    message = noted.message
    if "part" in message:
        return int(message["part"]["part_number"])
    return int(message.get("part_number") or message.get("partNumber") or 0)


def index_by_part(messages: Iterable[RecordedMessage]) -> dict[tuple[str, int], RecordedMessage]:
    """Index the messages by stream and part; the first of repeated ones."""
    found: dict[tuple[str, int], RecordedMessage] = {}
    for noted in messages:
        if noted.stream in COMPARED_STREAMS:
            found.setdefault((noted.stream, find_part_number(noted)), noted)
    return found


def compare_messages(
    reference: Sequence[RecordedMessage], found: Sequence[RecordedMessage]
) -> list[FieldDifference]:
    """Find all differences, ordered by stream and part."""
    wanted, given = index_by_part(reference), index_by_part(found)
    differences: list[FieldDifference] = []
    for key in sorted(wanted.keys() | given.keys(), key=lambda k: (k[1], k[0])):
        stream, number = key
        if key not in given or key not in wanted:
            sides = ("a message", NOTHING) if key in wanted else (NOTHING, "a message")
            differences.append(FieldDifference(stream, number, "", *sides, "exact"))
            continue
        differences += _compare_message(stream, number, wanted[key], given[key])
    return differences


def _compare_message(
    stream: str, number: int, wanted: RecordedMessage, given: RecordedMessage
) -> Iterator[FieldDifference]:
    pairs = [
        *_pair_fields("", _align_boxes(wanted.message, given.message), given.message),
        *_pair_fields("pixels", sorted(wanted.frames.items()), sorted(given.frames.items())),
    ]
    for path, reference, found in pairs:
        tolerance = find_tolerance(stream, _PLACE.sub("[]", path))
        if not tolerance.allows(reference, found):
            yield FieldDifference(stream, number, path, reference, found, tolerance.name)


def _pair_fields(path: str, reference: Any, found: Any) -> Iterator[tuple[str, Any, Any]]:
    """Pair the fields of both sides by path; NOTHING where one side has none.

    Fields that the reference does not have are left out: messages grow, and old segments stay of use.
    """
    if isinstance(reference, dict) and isinstance(found, dict):
        for key in reference:
            below = f"{path}.{key}" if path else str(key)
            yield from _pair_fields(below, reference[key], found.get(key, NOTHING))
    elif isinstance(reference, list | tuple) and isinstance(found, list | tuple):
        for place in range(max(len(reference), len(found))):
            one = reference[place] if place < len(reference) else NOTHING
            other = found[place] if place < len(found) else NOTHING
            yield from _pair_fields(f"{path}[{place}]", one, other)
    else:
        yield path, reference, found


def _align_boxes(reference: Json, found: Json) -> Json:
    """Reorder the reference's boxes as found: boxes with close scores may swap."""
    aligned = {
        key: _order_boxes(found.get(key), value)
        if key in _BOX_LISTS and isinstance(value, list)
        else value
        for key, value in reference.items()
    }
    others = reference.get(OTHER_CAMERAS)
    if others:
        given = found.get(OTHER_CAMERAS) or {}
        aligned[OTHER_CAMERAS] = {
            camera: _order_boxes(given.get(camera), boxes) for camera, boxes in others.items()
        }
    return aligned


def _order_boxes(found: Any, boxes: list[Json]) -> list[Any]:
    if not isinstance(found, list):
        return boxes
    left: list[Json] = list(boxes)
    ordered: list[Any] = []
    for box in found:
        same = [other for other in left if _build_box_key(other) == _build_box_key(box)]
        nearest = min(same, key=lambda other: _box_distance(other, box), default=None)
        if nearest is None:
            ordered.append(NOTHING)
        else:
            left.remove(nearest)
            ordered.append(nearest)
    return [*ordered, *left]


def _build_box_key(box: Json) -> tuple[Any, ...]:
    return box.get("camera"), box["label"], box.get("model")


def _box_distance(one: Json, other: Json) -> float:
    return sum(abs(float(one[side]) - float(other[side])) for side in ("x", "y", "width", "height"))
