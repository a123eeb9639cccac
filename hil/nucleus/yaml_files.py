"""YAML files as typed structs, refused with file, JSON pointer, what was found and what is allowed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from sightline.configuration import json_pointer, value_at
from sightline.errors import RecipeError

ANY_KEY = "/..."
T = TypeVar("T", bound=msgspec.Struct)


def load_yaml(path: Path, struct_type: type[T]) -> T:
    """The struct in a file; RecipeError if the file cannot be read or is not of that shape."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: is no YAML: {' '.join(_lines(error))}") from error
    try:
        return msgspec.convert(content, type=struct_type)
    except msgspec.ValidationError as error:
        pointer = _exact_pointer(content, struct_type, json_pointer(str(error)))
        problem = str(error).split(" - at ")[0]
        found = value_at(content, pointer)
        raise RecipeError(f"{path} at {pointer or '/'}: {problem}; found {found!r}") from error


def _exact_pointer(content: Any, struct_type: type[T], pointer: str) -> str:
    """The pointer with the key in place of each `...`, which stands for any key of a map."""
    while ANY_KEY in pointer:
        above, _, below = pointer.partition(ANY_KEY)
        keys = value_at(content, above)
        wrong = [key for key in keys or () if _is_wrong(content, struct_type, above, key)]
        pointer = f"{above}/{wrong[0] if wrong else '*'}{below}"
    return pointer


def _is_wrong(content: Any, struct_type: type[T], above: str, key: str) -> bool:
    try:
        msgspec.convert(_with_only(content, above.split("/")[1:], key), type=struct_type)
    except msgspec.ValidationError:
        return True
    return False


def _with_only(content: Any, steps: list[str], key: str) -> Any:
    if not steps:
        return {key: content[key]}
    if isinstance(content, list):
        place = int(steps[0])
        inner = _with_only(content[place], steps[1:], key)
        return [*content[:place], inner, *content[place + 1 :]]
    return {**content, steps[0]: _with_only(content[steps[0]], steps[1:], key)}


def _lines(error: yaml.YAMLError) -> Iterable[str]:
    return (line.strip() for line in str(error).splitlines())
