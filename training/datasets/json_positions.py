"""JSON lists with the position of each entry, so that errors can give line and column."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sightline.errors import TextError
from sightline.strict_text import decode_json

JSON_DECODER = json.JSONDecoder()
JSON_WHITESPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class JsonEntry:
    """One entry of a list, with its line and column, both from 1."""

    value: Any
    line: int
    column: int


def read_lists(text: str) -> dict[str, list[JsonEntry]]:
    """The lists of a JSON object by key; other values are skipped. TextError if it is not an object."""
    if not isinstance(decode_json(text, allow_nan=True), dict):
        raise TextError(f"expected an object, found {text[:20]!r}")
    return locate_lists(text)


def locate_lists(text: str) -> dict[str, list[JsonEntry]]:
    """As `read_lists`, for a text that is known to be an object."""
    start = _expect_letter(text, _skip_whitespace(text, 0), "{")
    lists = dict(_scan_lists(text, start))
    return {key: _locate(text, entries) for key, entries in lists.items()}


def locate_rows(text: str) -> list[JsonEntry]:
    """The entries of a JSON list, for a text that is known to be one."""
    start = _expect_letter(text, _skip_whitespace(text, 0), "[")
    return _locate(text, _scan_entries(text, start)[0])


def _locate(text: str, entries: list[tuple[Any, int]]) -> list[JsonEntry]:
    starts = [0, *(position + 1 for position, letter in enumerate(text) if letter == "\n")]
    rows = []
    for value, position in entries:
        line = bisect_right(starts, position)
        rows.append(JsonEntry(value, line, position - starts[line - 1] + 1))
    return rows


def _scan_lists(text: str, position: int) -> Iterator[tuple[str, list[tuple[Any, int]]]]:
    position = _skip_whitespace(text, position)
    while text[position : position + 1] != "}":
        key, position = JSON_DECODER.raw_decode(text, position)
        position = _skip_whitespace(
            text, _expect_letter(text, _skip_whitespace(text, position), ":")
        )
        if text[position : position + 1] == "[":
            entries, position = _scan_entries(text, position + 1)
            yield str(key), entries
        else:
            _, position = JSON_DECODER.raw_decode(text, position)
        position = _skip_comma(text, position, "}")


def _scan_entries(text: str, position: int) -> tuple[list[tuple[Any, int]], int]:
    entries = []
    position = _skip_whitespace(text, position)
    while text[position : position + 1] != "]":
        value, end = JSON_DECODER.raw_decode(text, position)
        entries.append((value, position))
        position = _skip_comma(text, end, "]")
    return entries, position + 1


def _skip_comma(text: str, position: int, closing: str) -> int:
    position = _skip_whitespace(text, position)
    if text[position : position + 1] == closing:
        return position
    return _skip_whitespace(text, _expect_letter(text, position, ","))


def _expect_letter(text: str, position: int, letter: str) -> int:
    if text[position : position + 1] != letter:
        raise json.JSONDecodeError(f"expected {letter!r}", text, position)
    return position + 1


def _skip_whitespace(text: str, position: int) -> int:
    found = JSON_WHITESPACE.match(text, position)
    return found.end() if found else position
