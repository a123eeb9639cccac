"""A component without tests is caught."""

from tools.suite_rules import (
    test_presence,
)


def test_a_component_without_tests_is_caught() -> None:
    paths = ["tests/unit/capture/test_numbering.py", "tests/unit/gate/__init__.py"]
    assert test_presence.find_components_without_tests(paths, ["capture", "gate"]) == [
        "components/gate: no test in tests/unit/gate/"
    ]
