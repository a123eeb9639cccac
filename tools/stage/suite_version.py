"""The suite's version: `[project] version` of pyproject.toml, and what is derived from it.

Models and products have versions of their own, those of their recipes: they change when their files do.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sightline.errors import RecipeError
from tools.stage.archive import NEXT_PATCH

_PROJECT = re.compile(r'^\[project\][^\[]*?^version\s*=\s*"([^"]+)"', re.MULTILINE)
_OF_RECIPE = re.compile(r'^(ComponentVersion:\s*)"?([^"\n]+)"?[ \t]*$', re.MULTILINE)
OWN_VERSION_PREFIXES = ("com.sightline.model.", "com.sightline.product.")
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


def has_own_version(component: str) -> bool:
    """Whether a component's version is that of its recipe, and not the suite's."""
    return component.startswith(OWN_VERSION_PREFIXES)


def build_requirement(version: str, of_sources: str) -> str:
    """What a component requires of another one that is staged in this version.

    gdk chooses `NEXT_PATCH` when it publishes, one component at a time, so nobody knows the
    others' patch: then it is any patch of the minor version of the sources.
    """
    return f">={of_sources} <{next_minor(of_sources)}" if version == NEXT_PATCH else version


def fill_recipe_version(recipe: str, version: str, needs: Mapping[str, str]) -> str:
    """Set a recipe's version (NEXT_PATCH leaves it), and its requirements of our other components."""
    kept = r"\g<0>" if version == NEXT_PATCH else rf'\g<1>"{version}"'
    text, count = _OF_RECIPE.subn(kept, recipe)
    if count != 1:
        raise RecipeError(f"found {count} ComponentVersion lines in a recipe; expected one")
    for name, wanted in needs.items():
        requirement = re.compile(
            rf'^(  {re.escape(name)}:\n    VersionRequirement:\s*)"?[^"\n]+"?', re.M
        )
        text = requirement.sub(rf'\g<1>"{wanted}"', text)
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
