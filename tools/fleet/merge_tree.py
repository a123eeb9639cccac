"""Configuration trees: merging, and leaves by JSON pointer."""

from collections.abc import Iterator, Mapping
from typing import Any

Leaves = dict[str, Any]


def merge_trees(base: Any, change: Any) -> Any:
    """Merge as a nucleus does: maps key by key, everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        return {**base, **{key: merge_trees(base.get(key), value) for key, value in change.items()}}
    return change


def flatten_leaves(tree: Mapping[str, Any]) -> Leaves:
    """Each leaf by its JSON pointer; an empty map is a leaf."""
    return dict(_iterate_leaves(tree, ""))


def _iterate_leaves(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        pointer = f"{above}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Mapping) and value:
            yield from _iterate_leaves(value, pointer)
        else:
            yield pointer, value
