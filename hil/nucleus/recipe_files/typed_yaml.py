"""Loads YAML files as typed structs; errors name file, JSON pointer, what was found and what is allowed.

A file is checked before it is converted: values that JSON does not have are refused, beside what
`sightline.strict_yaml` refuses.
"""

import math
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sightline.configuration import find_value_at, json_pointer
from sightline.errors import RecipeError, TextError
from sightline.strict_text import read_text
from sightline.strict_yaml import decode_yaml

ANY_KEY = "/..."
MAX_FILE_BYTES = 256 * 1024
MAX_VALUES = 20_000  # with each alias counted as often as it is used
MAX_FOUND_CHARACTERS = 200
JSON_TYPES = (str, int, float, bool, type(None), dict, list)
T = TypeVar("T", bound=msgspec.Struct)


def load_yaml(path: Path, struct_type: type[T]) -> T:
    """Load a struct from a file; RecipeError if it cannot be read or does not match."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise RecipeError(f"{path}: found {size} bytes; at most {MAX_FILE_BYTES} are allowed")
        text = read_text(path)
    except (OSError, TextError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
    content = _read_content(path, text)
    try:
        return msgspec.convert(content, type=struct_type)
    except msgspec.ValidationError as error:
        pointer = _resolve_pointer(content, struct_type, json_pointer(str(error)))
        problem = str(error).split(" - at ")[0]
        found = repr(find_value_at(content, pointer))[:MAX_FOUND_CHARACTERS]
        raise RecipeError(f"{path} at {pointer or '/'}: {problem}; found {found}") from error


def _read_content(path: Path, text: str) -> Any:
    """Parse the text; RecipeError if it is not YAML or has values that JSON does not have."""
    try:
        content = decode_yaml(text, max_values=MAX_VALUES)
    except TextError as error:
        raise RecipeError(f"{path}: {error}") from error
    _check_values(path, content)
    return content


def _check_values(path: Path, content: Any) -> None:
    """RecipeError at the first value that JSON does not have: NaN, infinity, dates, non-string keys."""
    waiting = [("", content)]
    while waiting:
        pointer, value = waiting.pop()
        if type(value) not in JSON_TYPES or (isinstance(value, float) and not math.isfinite(value)):
            raise RecipeError(
                f"{path} at {pointer or '/'}: found {str(value)[:MAX_FOUND_CHARACTERS]}; strings "
                "(quoted where YAML would convert them), finite numbers, true, false, lists and maps are "
                "allowed"
            )
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise RecipeError(
                        f"{path} at {pointer or '/'}: found the key {key!r}; quote it"
                    )
            waiting.extend((f"{pointer}/{key}", inner) for key, inner in value.items())
        elif isinstance(value, list):
            waiting.extend((f"{pointer}/{place}", inner) for place, inner in enumerate(value))


def _resolve_pointer(content: Any, struct_type: type[T], pointer: str) -> str:
    """Replace each `...` in the pointer, which means any key of a map, by the actual key."""
    while ANY_KEY in pointer:
        above, _, below = pointer.partition(ANY_KEY)
        keys = find_value_at(content, above)
        wrong = [key for key in keys or () if _is_invalid_entry(content, struct_type, above, key)]
        pointer = f"{above}/{wrong[0] if wrong else '*'}{below}"
    return pointer


def _is_invalid_entry(content: Any, struct_type: type[T], above: str, key: str) -> bool:
    try:
        msgspec.convert(_keep_only_key(content, above.split("/")[1:], key), type=struct_type)
    except msgspec.ValidationError:
        return True
    return False


def _keep_only_key(content: Any, steps: list[str], key: str) -> Any:
    if not steps:
        return {key: content[key]}
    if isinstance(content, list):
        place = int(steps[0])
        inner = _keep_only_key(content[place], steps[1:], key)
        return [*content[:place], inner, *content[place + 1 :]]
    return {**content, steps[0]: _keep_only_key(content[steps[0]], steps[1:], key)}
