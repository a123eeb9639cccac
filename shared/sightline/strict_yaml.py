"""YAML that means one thing, as people's programs save it; for what runs beside a station, not on it.

A key twice in a map is refused: other readers take the last one in silence. Multiplying aliases and deep
nesting are refused before anything is built, so that a small file cannot use much memory.
"""

from pathlib import Path
from typing import Any, Literal

import yaml

from sightline.errors import TextError
from sightline.strict_text import read_text

Scalars = Literal["typed", "texts"]
MAX_DEPTH = 64
MAX_VALUES = 500_000  # with each alias counted as often as it is used; 1,000 stations have 30,000
MERGE_TAG = "tag:yaml.org,2002:merge"
_LOADERS: dict[Scalars, Any] = {
    "typed": getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # ten times as fast
    "texts": getattr(yaml, "CBaseLoader", yaml.BaseLoader),
}


def read_yaml(file: Path, scalars: Scalars = "typed") -> Any:
    """The value of a YAML file; TextError with the line if it is none, OSError if it is not read."""
    return decode_yaml(read_text(file), scalars)


def decode_yaml(text: str, scalars: Scalars = "typed", max_values: int = MAX_VALUES) -> Any:
    """The value of a YAML text; TextError with the line if it is none, has a key twice or is too large."""
    try:
        _refuse_deep_nesting(text)
        loader = _LOADERS[scalars](text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _SizeCheck(max_values).check(root)
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise TextError(
            f"not valid YAML: {error.problem or error.context}", line, column
        ) from error
    except yaml.YAMLError as error:
        raise TextError(f"not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise TextError(f"nested deeper than {MAX_DEPTH} levels") from error
    except (ValueError, AttributeError, TypeError, OverflowError) as error:  # a date that is none
        raise TextError(f"a value that cannot be read: {error}") from error


def _refuse_deep_nesting(text: str) -> None:
    """By the events alone: the C loader builds its nodes recursively, and ends the process if too deep."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADERS["texts"]):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise TextError(f"nested deeper than {MAX_DEPTH} levels", _find_line(event))


class _SizeCheck:
    """Refuses what expands beyond the limit, contains itself, or has a key twice."""

    def __init__(self, max_values: int) -> None:
        self._max_values = max_values
        self._known: dict[int, tuple[int, int]] = {}

    def check(self, root: yaml.Node) -> None:
        """TextError if the document is refused."""
        size, _ = self._measure(root, 0)
        if size > self._max_values:
            raise TextError(
                f"found {size} values, counting each use of an alias; "
                f"at most {self._max_values} are allowed"
            )

    def _measure(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        """The values that a node expands to, and how deep they are nested."""
        size, height = self._known.get(id(node), (0, 0))
        if depth + height > MAX_DEPTH:
            raise TextError(
                f"nested deeper than {MAX_DEPTH} levels, or an alias contains itself",
                _find_line(node),
            )
        if not size:
            found = [self._measure(part, depth + 1) for part in _list_parts(node)]
            size = 1 + sum(size for size, _ in found)
            height = max((height + 1 for _, height in found), default=0)
            self._known[id(node)] = size, height
        return size, height


def _find_line(marked: yaml.Node | yaml.Event) -> int:
    return marked.start_mark.line + 1 if marked.start_mark else 0


def _list_parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        _refuse_duplicates(node)
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    first_lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE_TAG:
            continue
        line, name = _find_line(key), (key.tag, key.value)
        if name in first_lines:
            raise TextError(
                f"the key {key.value!r} is there twice, first in line {first_lines[name]}; only one of "
                "them can count: delete the other",
                line,
            )
        first_lines[name] = line
