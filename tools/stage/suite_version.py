"""The suite's version: `[project] version` of pyproject.toml, and what is derived from it."""

import re
from collections.abc import Iterable
from pathlib import Path

from sightline.errors import RecipeError
from tools.stage.archive import NEXT_PATCH

_PROJECT = re.compile(r'^\[project\][^\[]*?^version\s*=\s*"([^"]+)"', re.MULTILINE)
_OF_RECIPE = re.compile(r'^(ComponentVersion:\s*)"?([^"\n]+)"?[ \t]*$', re.MULTILINE)
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def parse_suite_version(pyproject: str) -> str:
    """Parse the version in the text of pyproject.toml; RecipeError if there is none."""
    found = _PROJECT.search(pyproject)
    if found is None:
        raise RecipeError("pyproject.toml at /project/version: no version found")
    return check_version(found.group(1))


def check_version(version: str) -> str:
    """Return a version or NEXT_PATCH unchanged; RecipeError if it is neither."""
    if version != NEXT_PATCH and not _VERSION.fullmatch(version):
        raise RecipeError(f"found version {version!r}; expected MAJOR.MINOR.PATCH or NEXT_PATCH")
    return version


def next_minor(version: str) -> str:
    """`0.1.7` to `0.2.0`."""
    major, minor, _ = (int(part) for part in version.split("."))
    return f"{major}.{minor + 1}.0"


def fill_recipe_version(recipe: str, version: str, suite: str, ours: Iterable[str]) -> str:
    """Set a recipe's version, and its requirements of the suite's other components.

    gdk chooses `NEXT_PATCH` when it publishes, one component at a time, so nobody knows the
    others' patch: then the requirement is any patch of the suite's minor version.
    """
    own = suite if version == NEXT_PATCH else version
    wanted = f">={own} <{next_minor(own)}" if version == NEXT_PATCH else own
    text, count = _OF_RECIPE.subn(rf'\g<1>"{own}"', recipe)
    if count != 1:
        raise RecipeError(f"found {count} ComponentVersion lines in a recipe; expected one")
    for name in ours:
        needs = re.compile(rf'^(  {re.escape(name)}:\n    VersionRequirement:\s*)"?[^"\n]+"?', re.M)
        text = needs.sub(rf'\g<1>"{wanted}"', text)
    return text


def parse_recipe_version(recipe: str) -> str:
    """Parse a recipe's ComponentVersion; RecipeError if there is none."""
    found = _OF_RECIPE.search(recipe)
    if found is None:
        raise RecipeError("the recipe has no ComponentVersion line")
    return found.group(2)


def load_suite_version(root: Path) -> str:
    """Load the version from the project's pyproject.toml."""
    return parse_suite_version((root / "pyproject.toml").read_text(encoding="utf-8"))
