"""Configuration as a tree of maps: merging, defaults, and finding leaves."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"[-+]?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]+)?")
Json = dict[str, Any]
KeyPath = tuple[str, ...]


def list_leaves(path: KeyPath, value: Any) -> list[tuple[KeyPath, Any]]:
    """Each leaf of a value with its key path, keys in order; an empty map is a leaf."""
    if not isinstance(value, dict) or not value:
        return [(path, value)]
    return [leaf for key in sorted(value) for leaf in list_leaves((*path, key), value[key])]


def list_changed_paths(before: Json, after: Json) -> list[KeyPath]:
    """The key paths of leaves that were added, removed or changed, in order."""
    old, new = dict(list_leaves((), before)), dict(list_leaves((), after))
    return [
        path
        for path in sorted({*old, *new})
        if path and (path not in old or path not in new or not is_same_leaf(old[path], new[path]))
    ]


def check_same_kind(values: Json, leaf: KeyPath, value: Any) -> None:
    """ValueError if a map would replace a leaf or a leaf a map."""
    found: Any = values
    for key in leaf:
        if not isinstance(found, dict):
            raise ValueError("a map cannot replace a leaf, nor a leaf a map")
        if key not in found:
            return
        found = found[key]
    if isinstance(found, dict) != isinstance(value, dict):
        raise ValueError("a map cannot replace a leaf, nor a leaf a map")


def is_same_leaf(old: Any, new: Any) -> bool:
    """Whether two leaves are equal and of the same type: 1 is not true."""
    return type(old) is type(new) and bool(old == new)


def remove_at(values: Json, path: Sequence[str]) -> None:
    """Remove the value at a path, if there is one."""
    if not path:
        values.clear()
    elif len(path) == 1:
        values.pop(path[0], None)
    elif isinstance(values.get(path[0]), dict):
        remove_at(values[path[0]], path[1:])


def fill_defaults(values: Json, default: Mapping[str, Any]) -> None:
    """Add missing values, map by map; existing ones stay."""
    for key, value in default.items():
        if key not in values:
            values[key] = copy.deepcopy(value)
        elif isinstance(value, dict) and isinstance(values[key], dict):
            fill_defaults(values[key], value)


def merge_into(values: Json, merge: Mapping[str, Any]) -> None:
    """Merge into `values`: maps key by key, everything else is replaced."""
    for key, value in merge.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            merge_into(values[key], value)
        else:
            values[key] = copy.deepcopy(value)


def mentions_path(merge: Any, path: Sequence[str]) -> bool:
    """Whether a merge sets a path or a map above it."""
    for key in path:
        if not isinstance(merge, dict):
            return True
        if key not in merge:
            return False
        merge = merge[key]
    return True


def find_value(values: Any, path: Sequence[str]) -> Any:
    """The value at a path; None if there is none."""
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values


def undeclared_prefix(declared: Any, path: Sequence[str], value: Any) -> Sequence[str]:
    """The path prefix at which a tree has no value of the same kind as `value`; empty if it has.

    Below an empty map anything may be.
    """
    for length, key in enumerate(path):
        if declared == {} and isinstance(declared, dict):
            return ()
        if not isinstance(declared, dict) or key not in declared:
            return path[: length + 1]
        declared = declared[key]
    both_texts = isinstance(declared, str) and isinstance(value, str)
    return () if both_texts or _classify_value(declared) == _classify_value(value) else path


def _classify_value(value: Any) -> str:
    """Map, list, number, bool, text or null; a text that is a number or bool counts as one."""
    if isinstance(value, str):
        if value in ("true", "false"):
            return "bool"
        return "number" if _NUMBER.fullmatch(value) else "text"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type(value).__name__
