"""A JSON document with the place of each row of its lists, so that a bad label can be named by line."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

JSON_DECODER = json.JSONDecoder()
JSON_WHITESPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class JsonEntry:
    """One entry of a list, with the line and column where it begins, both from 1."""

    value: Any
    line: int
    column: int


def read_lists(text: str) -> dict[str, list[JsonEntry]]:
    """The lists of a JSON object by their keys; other values are passed over. ValueError if it is none."""
    if not isinstance(json.loads(text), dict):
        raise ValueError(f"expected an object, found {text[:20]!r}")
    starts = [0, *(place + 1 for place, letter in enumerate(text) if letter == "\n")]

    def row(value: Any, place: int) -> JsonEntry:
        line = bisect_right(starts, place)
        return JsonEntry(value, line, place - starts[line - 1] + 1)

    return {
        key: [row(value, place) for value, place in entries]
        for key, entries in _scan_lists(text, _expect_letter(text, _skip_whitespace(text, 0), "{"))
    }


def _scan_lists(text: str, place: int) -> Iterator[tuple[str, list[tuple[Any, int]]]]:
    place = _skip_whitespace(text, place)
    while text[place : place + 1] != "}":
        key, place = JSON_DECODER.raw_decode(text, place)
        place = _skip_whitespace(text, _expect_letter(text, _skip_whitespace(text, place), ":"))
        if text[place : place + 1] == "[":
            entries, place = _scan_entries(text, place + 1)
            yield str(key), entries
        else:
            _, place = JSON_DECODER.raw_decode(text, place)
        place = _skip_comma(text, place, "}")


def _scan_entries(text: str, place: int) -> tuple[list[tuple[Any, int]], int]:
    entries = []
    place = _skip_whitespace(text, place)
    while text[place : place + 1] != "]":
        value, end = JSON_DECODER.raw_decode(text, place)
        entries.append((value, place))
        place = _skip_comma(text, end, "]")
    return entries, place + 1


def _skip_comma(text: str, place: int, closing: str) -> int:
    place = _skip_whitespace(text, place)
    if text[place : place + 1] == closing:
        return place
    return _skip_whitespace(text, _expect_letter(text, place, ","))


def _expect_letter(text: str, place: int, letter: str) -> int:
    if text[place : place + 1] != letter:
        raise json.JSONDecodeError(f"expected {letter!r}", text, place)
    return place + 1


def _skip_whitespace(text: str, place: int) -> int:
    found = JSON_WHITESPACE.match(text, place)
    return found.end() if found else place
