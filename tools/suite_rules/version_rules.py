"""One version for the whole suite: pyproject.toml's, in every recipe and whatever names it.

A model or product has its recipe's own version, and whatever names the component has that one.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.errors import RecipeError
from tools.stage.suite_version import has_own_version, parse_recipe_version, parse_suite_version
from tools.suite_rules import gdk_rules, recipe_rules

SUITE = "recipe.yaml"
OURS = "com.sightline."
_NUMBER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def find_different_versions(files: Mapping[str, str]) -> list[str]:
    """One line for each place of the project that has another version; `files` by path."""
    try:
        version = parse_suite_version(files["pyproject.toml"])
        versions = {
            Path(path).stem: parse_recipe_version(text)
            if has_own_version(Path(path).stem)
            else version
            for path, text in files.items()
            if path.startswith("recipes/com.")
        }
        found = [
            line
            for path, text in files.items()
            for line in _check_file_version(path, text, version, versions)
        ]
    except (RecipeError, KeyError) as error:
        return [f"versions: {error}"]
    return found


def _check_file_version(
    path: str, text: str, version: str, versions: Mapping[str, str]
) -> list[str]:
    if path == SUITE or path.startswith("recipes/com."):
        return _check_recipe_version(path, text, version, versions)
    if path.startswith("recipes/deployments/"):
        return _check_pinned_versions(path, text, versions)
    if path.startswith("recipes/lambda/"):
        function = json.loads(text)["createComponentVersion"]["lambdaFunction"]
        return _compare_version(
            f"{path} at componentVersion", function["componentVersion"], version
        )
    if path == "gdk-config.json":
        configuration = json.loads(text)
        given = [str(c.get("version")) for c in configuration.get("component", {}).values()]
        different = [line for one in given for line in _compare_version(path, one, version)]
        return [*gdk_rules.find_refused_gdk_settings(path, configuration), *different]
    return []


def _check_pinned_versions(path: str, text: str, versions: Mapping[str, str]) -> list[str]:
    """One machine's deployment has the recipes' versions; a fleet may pin older ones."""
    deployment = recipe_rules.parse_recipe(path, text)
    if deployment.get("sites"):
        return []
    return [
        f"{path} at /components/{name}/version: found {pinned['version']!r}; its recipe has {versions[name]}"
        for name, pinned in (deployment.get("components") or {}).items()
        if name in versions and pinned and pinned.get("version") != versions[name]
    ]


def _check_recipe_version(
    path: str, text: str, version: str, versions: Mapping[str, str]
) -> list[str]:
    component = Path(path).stem
    needs: Mapping[str, Any] = (
        recipe_rules.parse_recipe(path, text).get("ComponentDependencies") or {}
    )
    return [
        *_check_own_version(f"{path} at /ComponentVersion", component, text, version),
        *(
            line
            for name, need in needs.items()
            if name.startswith(OURS)
            for line in _compare_version(
                f"{path} at /ComponentDependencies/{name}",
                need["VersionRequirement"],
                versions.get(name, version),
                "its recipe has" if has_own_version(name) else "the suite is",
            )
        ),
    ]


def _check_own_version(place: str, component: str, recipe: str, version: str) -> list[str]:
    found = parse_recipe_version(recipe)
    if not has_own_version(component):
        return _compare_version(place, found, version)
    if _NUMBER.fullmatch(found):
        return []
    return [f"{place}: found {found!r}; expected MAJOR.MINOR.PATCH"]


def _compare_version(
    place: str, found: str, version: str, whose: str = "the suite is"
) -> list[str]:
    return [] if found == version else [f"{place}: found {found!r}; {whose} {version}"]
