"""Boxes around polygons and masks of run lengths, as labelling tools write them. Pure."""

import math
from collections.abc import Sequence
from typing import Any

from sightline.errors import PictureError

Box = tuple[float, float, float, float]


def parse_numbers(values: Any) -> list[float]:
    """The list's numbers; empty if it is no list, or holds anything else (text, true, infinite)."""
    if not isinstance(values, list):
        return []
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return []
    try:
        numbers = [float(one) for one in values]
    except OverflowError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def bound_points(points: Sequence[tuple[float, float]]) -> Box:
    """The box around points."""
    across, down = [x for x, _ in points], [y for _, y in points]
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def turn_rectangle(box: Box, degrees: float, pivot: tuple[float, float]) -> Box:
    """The box around a rectangle that is turned clockwise about a point of it, in shares of its sides."""
    if not degrees % 360:
        return box
    x, y, width, height = box
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    left, above = -pivot[0] * width, -pivot[1] * height
    corners = [(left + a * width, above + b * height) for a in (0, 1) for b in (0, 1)]
    return bound_points(
        [(x - left + a * cosine - b * sine, y - above + a * sine + b * cosine) for a, b in corners]
    )


def bound_run_lengths(shape: dict[str, Any]) -> Box:
    """The box around a mask of COCO's run lengths (columns first, 0 first); PictureError."""
    counts, size = shape.get("counts"), parse_numbers(shape.get("size"))
    if isinstance(counts, str):
        counts = _decode_counts(counts)
    runs = [int(one) for one in parse_numbers(counts)]
    if len(size) != 2 or not runs or min(runs) < 0 or sum(runs) != int(size[0]) * int(size[1]):
        raise PictureError(
            ": there is no bbox, and the run lengths of segmentation do not fill its size"
        )
    height = int(size[0])
    position, columns, rows = 0, [], []
    for number, run in enumerate(runs):
        if number % 2 and run:
            first, last = divmod(position, height), divmod(position + run - 1, height)
            columns += [first[0], last[0]]
            rows += [first[1], last[1]] if first[0] == last[0] else [0, height - 1]
        position += run
    if not columns:
        raise PictureError(": there is no bbox, and segmentation marks nothing")
    x, y = min(columns), min(rows)
    return float(x), float(y), float(max(columns) - x + 1), float(max(rows) - y + 1)


def _decode_counts(text: str) -> list[int]:
    """Run lengths from COCO's text form: 5 bits a letter, each the difference to the last but one."""
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts
