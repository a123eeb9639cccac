"""A JSON document with the place of each row of its lists, so that a bad label can be named by line."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DECODER = json.JSONDecoder()
WHITESPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Row:
    """One entry of a list, with the line and column where it begins, both from 1."""

    value: Any
    line: int
    column: int


def read_lists(text: str) -> dict[str, list[Row]]:
    """The lists of a JSON object by their keys; other values are passed over. ValueError if it is none."""
    if not isinstance(json.loads(text), dict):
        raise ValueError(f"expected an object, found {text[:20]!r}")
    starts = [0, *(place + 1 for place, letter in enumerate(text) if letter == "\n")]

    def row(value: Any, place: int) -> Row:
        line = bisect_right(starts, place)
        return Row(value, line, place - starts[line - 1] + 1)

    return {
        key: [row(value, place) for value, place in entries]
        for key, entries in _lists_of(text, _expect(text, _skip(text, 0), "{"))
    }


def _lists_of(text: str, place: int) -> Iterator[tuple[str, list[tuple[Any, int]]]]:
    place = _skip(text, place)
    while text[place : place + 1] != "}":
        key, place = DECODER.raw_decode(text, place)
        place = _skip(text, _expect(text, _skip(text, place), ":"))
        if text[place : place + 1] == "[":
            entries, place = _entries_of(text, place + 1)
            yield str(key), entries
        else:
            _, place = DECODER.raw_decode(text, place)
        place = _next(text, place, "}")


def _entries_of(text: str, place: int) -> tuple[list[tuple[Any, int]], int]:
    entries = []
    place = _skip(text, place)
    while text[place : place + 1] != "]":
        value, end = DECODER.raw_decode(text, place)
        entries.append((value, place))
        place = _next(text, end, "]")
    return entries, place + 1


def _next(text: str, place: int, closing: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] == closing:
        return place
    return _skip(text, _expect(text, place, ","))


def _expect(text: str, place: int, letter: str) -> int:
    if text[place : place + 1] != letter:
        raise json.JSONDecodeError(f"expected {letter!r}", text, place)
    return place + 1


def _skip(text: str, place: int) -> int:
    found = WHITESPACE.match(text, place)
    return found.end() if found else place
