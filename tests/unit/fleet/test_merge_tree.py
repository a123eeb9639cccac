"""What is checked before it is sent is what a nucleus makes of it."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from hil.nucleus.configuration import configuration_tree
from tools.fleet.merge_tree import flatten_leaves, merge_trees

KEYS = some.sampled_from(["line", "plc", "cam/1", "a~b"])
VALUES = some.none() | some.booleans() | some.integers(0, 9) | some.lists(some.integers(0, 9))
TREES = some.dictionaries(
    KEYS, some.recursive(VALUES, lambda inner: some.dictionaries(KEYS, inner), max_leaves=6)
)


@given(TREES, TREES)
def test_a_merge_is_the_nucleuss_merge(defaults: dict[str, Any], change: dict[str, Any]) -> None:
    before = copy.deepcopy(defaults)
    found = merge_trees(defaults, change)
    assert defaults == before
    by_nucleus = copy.deepcopy(defaults)
    configuration_tree.merge_into(by_nucleus, change)
    assert found == by_nucleus


@given(TREES)
def test_leaves_are_all_values_by_their_json_pointer(tree: dict[str, Any]) -> None:
    for pointer, value in flatten_leaves(tree).items():
        found: Any = tree
        for step in pointer.split("/")[1:]:
            found = found[step.replace("~1", "/").replace("~0", "~")]
        assert found == value
        assert not isinstance(value, dict) or value == {}
