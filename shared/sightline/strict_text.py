"""Text as people's programs save it (UTF-8, UTF-16, with a mark or without), and JSON that means one thing.

JSON with a key twice in an object is refused: other readers take the last one in silence. So are NaN and
Infinity, which are no JSON.
"""

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightline.errors import TextError

BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAX_SHOWN_CHARACTERS = 40
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(r"\s*:")


def read_text(file: Path) -> str:
    """The file's text; TextError with the line if it is none, OSError if it cannot be read."""
    return decode_text(file.read_bytes())


def decode_text(content: bytes) -> str:
    """The text of a file by its byte order mark, or else as UTF-8 (or UTF-16, if every other byte is 0)."""
    encoding = find_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        shown = encoding.removesuffix("-sig").upper()
        line = content.count(b"\n", 0, error.start) + 1
        raise TextError(
            f"the byte 0x{content[error.start]:02x} is no {shown} text; save the file as UTF-8",
            line,
        ) from error


def find_encoding(content: bytes, otherwise: str = "utf-8") -> str:
    """The encoding that a byte order mark or the zeros of UTF-16 show, else the given one."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding
    head = content[:2]
    if len(head) == 2 and 0 in head and head != b"\0\0":
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    return otherwise


def decode_json(text: str, allow_nan: bool = False) -> Any:
    """The value of a JSON text; TextError with line and column if it is none, or has a key twice.

    With `allow_nan`, NaN, Infinity and numbers beyond all bounds are left to the caller to judge.
    """
    numbers: dict[str, Any] = (
        {} if allow_nan else {"parse_constant": _refuse_constant, "parse_float": _parse_finite}
    )
    try:
        return json.loads(text, object_pairs_hook=_build_object, **numbers)
    except _DuplicateKeyError as error:
        line, column = _find_duplicate(text)
        raise TextError(
            f"the key {_shorten(error.key)} is there twice; only one of them can count: delete the other",
            line,
            column,
        ) from error
    except json.JSONDecodeError as error:
        raise TextError(f"not JSON: {error.msg}", error.lineno, error.colno) from error
    except RecursionError as error:
        raise TextError("not read: JSON that is nested too deeply") from error
    except ValueError as error:  # NaN, or a number of thousands of digits
        raise TextError(f"not JSON: {error}") from error


class _DuplicateKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _DuplicateKeyError(next(key for key, count in counts.items() if count > 1))
    return built


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number; write a finite one, or null")


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse_constant(text)
    return number


def _find_duplicate(text: str) -> tuple[int, int]:
    """Line and column of the first key that its object has twice, in a text that is JSON."""
    for key, position, seen in _walk_keys(text):
        if key in seen:
            start = text.rfind("\n", 0, position) + 1
            return text.count("\n", 0, position) + 1, position - start + 1
        seen.add(key)
    return 0, 0


def _walk_keys(text: str) -> Iterator[tuple[str, int, set[str]]]:
    """Each key with its position and the keys of its object that came before."""
    open_objects: list[set[str]] = []
    for token in _JSON_TOKEN.finditer(text):
        first = token[0][0]
        if first in "{[":
            open_objects.append(set())
        elif first in "}]":
            open_objects.pop()
        elif open_objects and _COLON.match(text, token.end()):
            yield json.loads(token[0]), token.start(), open_objects[-1]


def _shorten(key: str) -> str:
    return repr(key if len(key) <= MAX_SHOWN_CHARACTERS else key[:MAX_SHOWN_CHARACTERS] + "...")
