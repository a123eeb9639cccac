"""One version for the whole suite: pyproject.toml's, in every recipe and whatever names it."""

import json
from collections.abc import Mapping
from typing import Any

from sightline.errors import RecipeError
from tools.stage.suite_version import parse_recipe_version, parse_suite_version
from tools.suite_rules import gdk_rules, recipe_rules

SUITE = "recipe.yaml"
OURS = "com.sightline."


def find_different_versions(files: Mapping[str, str]) -> list[str]:
    """One line for each place of the project that has another version; `files` by path."""
    try:
        version = parse_suite_version(files["pyproject.toml"])
        found = [
            line
            for path, text in files.items()
            for line in _check_file_version(path, text, version)
        ]
    except (RecipeError, KeyError) as error:
        return [f"versions: {error}"]
    return found


def _check_file_version(path: str, text: str, version: str) -> list[str]:
    if path == SUITE or path.startswith("recipes/com."):
        return _check_recipe_version(path, text, version)
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


def _check_recipe_version(path: str, text: str, version: str) -> list[str]:
    needs: Mapping[str, Any] = (
        recipe_rules.parse_recipe(path, text).get("ComponentDependencies") or {}
    )
    return [
        *_compare_version(f"{path} at /ComponentVersion", parse_recipe_version(text), version),
        *(
            line
            for name, need in needs.items()
            if name.startswith(OURS)
            for line in _compare_version(
                f"{path} at /ComponentDependencies/{name}", need["VersionRequirement"], version
            )
        ),
    ]


def _compare_version(place: str, found: str, version: str) -> list[str]:
    return [] if found == version else [f"{place}: found {found!r}; the suite is {version}"]
