"""Every component has its tests."""

from collections.abc import Iterable

from tools.suite_rules.source_files import COMPONENT_PACKAGES


def find_components_without_tests(
    paths: Iterable[str], components: Iterable[str] = COMPONENT_PACKAGES
) -> list[str]:
    """One line for each component that has no test of its own under tests/unit."""
    known = tuple(paths)
    return [
        f"components/{name}: no test in tests/unit/{name}/"
        for name in components
        if not any(path.startswith(f"tests/unit/{name}/test_") for path in known)
    ]
