"""What the real Nucleus Lite refused is refused by `make check`, before it reaches a station."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.messaging.topics import (
    CAPTURE,
    CATALOGUE,
    INSPECTION_RECORD,
    PUBLISHER,
)
from tools.check_suite import SUITE_RECIPE
from tools.fleet.merge_tree import merge_trees
from tools.recipes import ROOT, recipe_path
from tools.suite_rules import deployment_rules, fleet_rules, nucleus_lite_rules, recipe_rules

Json = dict[str, Any]
STEP = {"Script": "x", "RequiresPrivilege": False}
RECIPES = [*sorted((ROOT / "recipes").glob("com.*.yaml")), ROOT / SUITE_RECIPE]
DEFAULTS = {
    path.stem: recipe_rules.recipe_configuration(
        recipe_rules.parse_recipe(path.name, path.read_text())
    )
    for path in RECIPES
}


def findings(recipe: Json) -> list[str]:
    """What the rules about a whole recipe say."""
    return [
        *nucleus_lite_rules.find_large_recipes("recipe", json.dumps(recipe), recipe),
        *nucleus_lite_rules.find_too_many_sub_objects("recipe", recipe),
        *nucleus_lite_rules.find_long_values("recipe", recipe_rules.recipe_configuration(recipe)),
        *nucleus_lite_rules.find_incomplete_manifests("recipe", recipe),
        *nucleus_lite_rules.find_binding_dependencies("recipe", recipe),
        *nucleus_lite_rules.find_unknown_keys("recipe", recipe),
        *nucleus_lite_rules.find_missing_features("recipe", recipe),
        *recipe_rules.find_wrong_platforms("recipe", recipe),
        *recipe_rules.find_unknown_steps("recipe", recipe),
    ]


def capture_recipe() -> Json:
    found: Json = yaml.safe_load(recipe_path(CAPTURE).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_of_the_suite_is_one_that_lite_takes(path: Path) -> None:
    assert findings(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def with_configuration(**values: Any) -> Json:
    recipe = capture_recipe()
    recipe["ComponentConfiguration"]["DefaultConfiguration"] |= values
    return recipe


def with_manifest(**changes: Any) -> Json:
    recipe = capture_recipe()
    recipe["Manifests"][0] |= changes
    return recipe


def without(key: str) -> Json:
    recipe = capture_recipe()
    del recipe["Manifests"][0][key]
    return recipe


def with_dependency(**entry: str) -> Json:
    needs = {"aws.greengrass.TokenExchangeService": {"VersionRequirement": ">=2.0.3", **entry}}
    return {**capture_recipe(), "ComponentDependencies": needs}


def renamed(old: str, new: str, inside: Json | None = None) -> Json:
    recipe = capture_recipe()
    place = recipe["Manifests"][0] if inside is None else inside
    place[new] = place.pop(old)
    return recipe if inside is None else inside


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (with_configuration(products={str(n): "bottle" for n in range(60)}), "sub-objects"),
        (with_configuration(folders=[["x"] * 10] * 20), "sub-objects"),
        (with_configuration(names=["x" * 50] * 20), "/names: a list of"),
        (with_configuration(text="x" * 1_001), "/text: a text of 1003 bytes"),
        ({**capture_recipe(), "ComponentDescription": "x" * 6_000}, "at most 8000 are allowed"),
        (with_manifest(Lifecycle={"install": STEP}), "no run"),
        (with_manifest(Lifecycle={"shutdown": STEP}), "no run"),
        (with_manifest(Lifecycle={}), "finds no manifest for linux"),
        (without("Lifecycle"), "finds no manifest for linux"),
        (without("Artifacts"), "/Artifacts: a list is expected"),
        (without("Platform"), "/Platform"),
        (with_manifest(Platform={"os": "linux"}), "/Platform"),
        (with_manifest(Platform={"os": "linux", "runtime": "aws_nucleus"}), "/Platform"),
        ({**capture_recipe(), "Lifecycle": {"run": STEP}}, "Lite reads that of a manifest"),
        (with_dependency(DependencyType="HARD"), "SOFT is expected"),
        (with_dependency(), "SOFT is expected"),  # HARD is what is meant where nothing stands
        (with_dependency(dependencyType="SOFT"), "dependencyType: not known"),
        (renamed("Lifecycle", "lifecycle"), "lifecycle: not known"),
        (with_manifest(Lifecycle={"Run": STEP}), "Run: not known"),
        (with_manifest(Lifecycle={"run": {"script": "x"}}), "not known in this case"),
        (with_manifest(Artifacts=[{"URI": "s3://b/k"}]), "URI: not known"),
        ({**capture_recipe(), "componentname": "x"}, "componentname: not known"),
        ({**capture_recipe(), "ComponentType": "aws.greengrass.lambda"}, "generic only"),
    ],
    ids=str,
)
def test_a_recipe_that_lite_would_refuse_or_pass_over_is_caught(recipe: Json, said: str) -> None:
    assert any(said in line for line in findings(recipe))


def test_sub_objects_are_counted_as_lite_counts_them() -> None:
    assert nucleus_lite_rules.count_sub_objects("x") == 0
    assert nucleus_lite_rules.count_sub_objects([1, 2, 3]) == 3
    assert nucleus_lite_rules.count_sub_objects({"a": 1, "b": [1, {"c": 2}]}) == 2 * 2 + 2 + 2
    exact = [0] * nucleus_lite_rules.MAX_SUB_OBJECTS
    assert list(nucleus_lite_rules.find_too_many_sub_objects("x", exact)) == []
    assert list(nucleus_lite_rules.find_too_many_sub_objects("x", [*exact, 0])) != []


def test_a_map_may_be_longer_than_a_list_because_each_of_its_values_is_kept_alone() -> None:
    values = {str(number): "x" * 90 for number in range(20)}
    assert list(nucleus_lite_rules.find_long_values("x", {"table": values})) == []
    assert list(nucleus_lite_rules.find_long_values("x", {"table": list(values.values())})) != []


LAPTOP = (ROOT / "recipes/deployments/laptop.yaml").read_text(encoding="utf-8")


def merge_of(deployment: Json, component: str) -> Json:
    entry: Json = deployment["components"][component]
    merge: Json = entry.setdefault("configurationUpdate", {}).setdefault("merge", {})
    return merge


def unfit(component: str, **values: Any) -> list[str]:
    deployment = copy.deepcopy(yaml.safe_load(LAPTOP))
    merge_of(deployment, component).update(values)
    in_scripts = {"com.sightline.model.Cap": ("/stationFolder",), CAPTURE: ("/stationFolder",)}
    return fleet_rules.find_unfit_configurations(
        "d", yaml.safe_dump(deployment), DEFAULTS, in_scripts
    )


@pytest.mark.parametrize(
    ("component", "values", "said"),
    [
        (PUBLISHER, {"siteId": "factory"}, ""),
        (CAPTURE, {"source": {"kind": "v4l2"}}, "without com.sightline.driver.Cameras"),
        (CAPTURE, {"trigger": {"kind": "gpio"}}, "without com.sightline.driver.Cameras"),
        (CAPTURE, {"stationFolder": "x$(id)"}, "goes into a script"),
        ("com.sightline.model.Cap", {"stationFolder": "a b"}, "goes into a script"),
        (
            "com.sightline.Equipment",
            {"tags": [{"tag": f"t{n}", "nodeId": "ns=1;s=" + "x" * 60} for n in range(12)]},
            "/tags: a list of",
        ),
        (
            "com.sightline.Equipment",
            {"products": {str(number): "bottle" for number in range(60)}},
            "at /components/com.sightline.Equipment: 2",
        ),
        (
            "com.sightline.Inference",
            {"zones": {str(number): [0, 0, 1, 1] for number in range(10)}},
            "at /components: ",
        ),
    ],
)
def test_a_deployment_that_lite_has_no_room_for_is_caught(
    component: str, values: Json, said: str
) -> None:
    found = unfit(component, **values)
    assert any(said in line for line in found) if said else found == []


def test_what_lite_cannot_run_anyway_need_not_fit() -> None:
    many = {str(number): number for number in range(200)}
    merges = {"aws.greengrass.LegacySubscriptionRouter": {"subscriptions": many}}
    assert deployment_rules.find_lite_overloads("x", merge_trees(merges, {}), merges) == []


def lifecycle(**steps: Any) -> dict[str, Any]:
    return {"Manifests": [{"Lifecycle": steps}]}


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (lifecycle(run={"Script": "x {artifacts:decompressedPath} {configuration:/a/b}"}), ""),
        (lifecycle(run={"Script": "x", "Skipif": "onpath java"}), "Lite does not skip"),
        (lifecycle(run={"Script": "x", "script": "y"}), "not known in this case"),
        (lifecycle(run={"Script": "{com.other:configuration:/a}"}), "no variable of both nuclei"),
        (lifecycle(run={"Script": "{artifacts:decompressedpath}"}), "no variable of both nuclei"),
        ({"ComponentType": "aws.greengrass.lambda"}, "Lite runs generic only"),
    ],
)
def test_what_nucleus_lite_does_not_have_is_caught(recipe: dict[str, Any], said: str) -> None:
    found = list(nucleus_lite_rules.find_missing_features("recipe", recipe))
    assert (said in found[0]) if said else found == []


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"a": {"b": 2**53 - 1}}, ""),
        ({"a": {"b": 2**53}}, "/a/b: found 9007199254740992"),
        ({"a": [1, None]}, "/a/1: found null"),
        (json.loads('{"a":' * 13 + "1" + "}" * 13), "nested deeper than 12"),
    ],
)
def test_what_does_not_survive_a_nucleus_is_caught(
    configuration: dict[str, Any], said: str
) -> None:
    found = list(nucleus_lite_rules.find_unfit_numbers_and_depth("recipe", configuration))
    assert (said in found[0]) if said else found == []


def test_topics_that_lite_would_stumble_over_are_caught() -> None:
    long = dataclasses.replace(INSPECTION_RECORD, topic="sightline/{thing}/" + "x" * 120)
    wild = dataclasses.replace(INSPECTION_RECORD, topic="sightline/{thing}/+")
    assert list(nucleus_lite_rules.find_unfit_streams(CATALOGUE)) == []
    assert "Lite takes 256" in next(nucleus_lite_rules.find_unfit_streams([long]))
    assert "wildcard" in next(nucleus_lite_rules.find_unfit_streams([wild]))
