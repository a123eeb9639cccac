"""Recipes are filled from the code, and keep their other lines."""

import pytest
import yaml

from sightline.errors import RecipeError
from tests.unit.tools.recipe_kit import RECIPE, capture_configuration
from tools.recipes import drop_nulls, fill_recipe


def test_filling_a_recipe_keeps_every_other_line_and_can_be_repeated() -> None:
    once = fill_recipe(RECIPE, capture_configuration())
    assert "ComponentName: com.sightline.Capture  # kept\n" in once
    assert once.endswith(RECIPE.split("accessControl: {}\n")[1])
    assert fill_recipe(once, capture_configuration()) == once
    assert yaml.safe_load(once)["ComponentConfiguration"]["DefaultConfiguration"]["ringSlots"] > 0


def test_filling_a_recipe_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(RecipeError, match="ComponentConfiguration"):
        fill_recipe("ComponentName: x\n", {})


def test_defaults_that_are_none_are_left_to_the_struct() -> None:
    assert drop_nulls({"a": None, "b": [{"c": None, "d": 0}]}) == {"b": [{"d": 0}]}
