"""A recipe that differs from the code, or that a nucleus would refuse, is caught."""

from typing import Any

import pytest
import yaml

from sightline.errors import RecipeError
from sightline.messaging.topics import COMPONENTS
from tests.unit.tools.recipe_kit import RECIPE, capture_configuration
from tools.access_control import build_access_control
from tools.recipes import fill_recipe
from tools.suite_rules import (
    nucleus_lite_rules,
    recipe_rules,
)


def test_a_recipe_that_is_no_yaml_is_named() -> None:
    with pytest.raises(RecipeError, match=r"Capture\.yaml: line 1: not valid YAML"):
        recipe_rules.parse_recipe("Capture.yaml", "ComponentDescription: cameras: four")
    with pytest.raises(RecipeError, match="a mapping is expected"):
        recipe_rules.parse_recipe("Capture.yaml", "- a list")


def test_a_manifest_that_one_nucleus_passes_over_is_caught() -> None:
    recipe = recipe_rules.parse_recipe("Capture.yaml", RECIPE.replace('      runtime: "*"\n', ""))
    assert "/Manifests/0/Platform" in recipe_rules.find_wrong_platforms("Capture.yaml", recipe)[0]
    assert recipe_rules.find_wrong_platforms("Capture.yaml", {}) == [
        "Capture.yaml at /Manifests: none"
    ]
    assert (
        recipe_rules.find_wrong_platforms(
            "Capture.yaml", recipe_rules.parse_recipe("Capture.yaml", RECIPE)
        )
        == []
    )


def test_a_script_that_a_folder_with_a_space_would_break_is_caught() -> None:
    script = "exec sh launch.sh run capture"
    bare = RECIPE.replace(
        script, "exec sh {artifacts:decompressedPath}/capture/launch.sh run capture"
    )
    quoted = RECIPE.replace(
        script, 'exec sh "{artifacts:decompressedPath}/capture/launch.sh" run x'
    )
    (found,) = recipe_rules.find_unquoted_paths("r", recipe_rules.parse_recipe("r", bare))
    assert "{artifacts:decompressedPath}/capture/launch.sh; put it in double quotes" in found
    assert recipe_rules.find_unquoted_paths("r", recipe_rules.parse_recipe("r", quoted)) == []


def test_scripts_and_recipes_that_are_too_large_are_caught() -> None:
    large = RECIPE.replace("run capture", "run capture " + "x" * 10_240)
    assert (
        recipe_rules.find_long_scripts(
            "Capture.yaml", recipe_rules.parse_recipe("Capture.yaml", large)
        )
        != []
    )
    assert (
        recipe_rules.find_long_scripts(
            "Capture.yaml", recipe_rules.parse_recipe("Capture.yaml", RECIPE)
        )
        == []
    )
    recipe = recipe_rules.parse_recipe("Capture.yaml", RECIPE)
    said = list(
        nucleus_lite_rules.find_large_recipes("Capture.yaml", RECIPE + "# " + "x" * 8_000, recipe)
    )
    assert "at most 8000 are allowed" in said[0]
    described = {**recipe, "ComponentDescription": "\n" * 4_500}  # two characters each as JSON
    assert list(nucleus_lite_rules.find_large_recipes("Capture.yaml", RECIPE, described)) != []
    assert list(nucleus_lite_rules.find_large_recipes("Capture.yaml", RECIPE, recipe)) == []


def test_permissions_and_defaults_that_differ_from_the_code_are_caught() -> None:
    expected = capture_configuration()
    empty = recipe_rules.parse_recipe("Capture.yaml", RECIPE)
    assert recipe_rules.find_different_access_control("C", empty, expected["accessControl"]) != []
    assert any(
        "/ringSlots:" in line for line in recipe_rules.find_different_defaults("C", empty, expected)
    )
    whole = recipe_rules.parse_recipe("C", fill_recipe(RECIPE, expected))
    assert recipe_rules.find_different_access_control("C", whole, expected["accessControl"]) == []
    assert recipe_rules.find_different_defaults("C", whole, expected) == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_service_of_a_recipe_stays_small_enough(component: str) -> None:
    for policies in build_access_control(component).values():
        assert len(yaml.safe_dump(policies)) <= recipe_rules.MAX_SERVICE_BYTES


@pytest.mark.parametrize(
    ("step", "body", "words"),
    [
        ("Run", {"Script": "x", "RequiresPrivilege": False}, "not known"),
        ("run", {"script": "x", "RequiresPrivilege": False}, "expected a Script"),
        ("run", {"Script": "x", "RequiresPrivilege": True}, "RequiresPrivilege: false"),
        ("run", {"Script": "x"}, "RequiresPrivilege: false"),
    ],
)
def test_a_step_that_nucleus_lite_would_not_find_or_that_wants_root_is_caught(
    step: str, body: dict[str, Any], words: str
) -> None:
    recipe = {"Manifests": [{"Lifecycle": {step: body}}]}
    assert words in recipe_rules.find_unknown_steps("recipe", recipe)[0]
    good = {"run": {"Script": "x", "RequiresPrivilege": False}, "errorResetTime": 3600}
    assert not recipe_rules.find_unknown_steps("recipe", {"Manifests": [{"Lifecycle": good}]})
