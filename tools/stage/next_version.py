"""One version for all components, resolved before anything is staged.

gdk's own NEXT_PATCH gives each component another number, and 1.0.0 in a new account, so that no component
finds the others in the version that it requires.
"""

from collections.abc import Callable, Iterable

from tools.stage.archive import NEXT_PATCH
from tools.stage.suite_version import check_version


def resolve_version(
    asked: str, suite: str, names: Iterable[str], list_versions: Callable[[str], Iterable[str]]
) -> str:
    """The version to stage all components in; the account is asked only for NEXT_PATCH.

    That is one patch more than the greatest of any of them in the sources' minor version, or the sources'
    own version where the account has none that is as new.
    """
    if check_version(asked) != NEXT_PATCH:
        return asked
    major, minor, patch = parse_numbers(suite)
    found = [parse_numbers(version) for name in names for version in list_versions(name)]
    taken = [other + 1 for *line, other in found if line == [major, minor]]
    return f"{major}.{minor}.{max([patch, *taken])}"


def parse_numbers(version: str) -> tuple[int, int, int]:
    """The three numbers of a version; what follows a hyphen does not count."""
    major, minor, patch = (int(part) for part in version.split("+")[0].split("-")[0].split("."))
    return major, minor, patch
