"""Another version than the suite's is caught."""

import json

from tools.suite_rules import (
    version_rules,
)

RECIPE = """---
ComponentName: com.sightline.Capture
ComponentVersion: "0.1.0"
ComponentDependencies:
  com.sightline.model.Cap:
    VersionRequirement: "0.1.0"
"""


PROJECT = '[project]\nversion = "0.1.0"\n'


def test_another_version_than_the_suites_is_caught_wherever_it_stands() -> None:
    good = {"pyproject.toml": PROJECT, "recipes/com.sightline.Capture.yaml": RECIPE}
    assert version_rules.find_different_versions(good) == []
    model = 'ComponentName: com.sightline.model.Cap\nComponentVersion: "0.1.0"\n'
    good["recipes/com.sightline.model.Cap.yaml"] = model
    pinned = RECIPE.replace('Requirement: "0.1.0"', 'Requirement: "0.0.9"')
    said = version_rules.find_different_versions({**good, "recipe.yaml": pinned})
    assert said == [
        "recipe.yaml at /ComponentDependencies/com.sightline.model.Cap: "
        "found '0.0.9'; its recipe has 0.1.0"
    ]
    newer = PROJECT.replace("0.1.0", "0.2.0")
    assert len(version_rules.find_different_versions({**good, "pyproject.toml": newer})) == 1
    assert "pyproject.toml" in version_rules.find_different_versions({})[0]
    function = {"createComponentVersion": {"lambdaFunction": {"componentVersion": "0.0.1"}}}
    files = {**good, "recipes/lambda/com.sightline.X.json": json.dumps(function)}
    assert "at componentVersion: found '0.0.1'" in version_rules.find_different_versions(files)[0]


MODEL = 'ComponentName: com.sightline.model.Steel\nComponentVersion: "VERSION"\n'
DEPLOYMENT = 'components:\n  com.sightline.model.Steel: {version: "1.2.3"}\n'


def test_a_model_has_a_version_of_its_own_and_what_names_it_has_that_one() -> None:
    files = {
        "pyproject.toml": PROJECT,
        "recipes/com.sightline.model.Steel.yaml": MODEL.replace("VERSION", "1.2.3"),
        "recipes/deployments/line.yaml": DEPLOYMENT,
    }
    assert version_rules.find_different_versions(files) == []
    files["recipes/com.sightline.model.Steel.yaml"] = MODEL.replace("VERSION", "1.2.4")
    assert version_rules.find_different_versions(files) == [
        "recipes/deployments/line.yaml at /components/com.sightline.model.Steel/version: found '1.2.3'; "
        "its recipe has 1.2.4"
    ]
    files["recipes/deployments/line.yaml"] = DEPLOYMENT + "sites: {a: {}}\n"
    assert version_rules.find_different_versions(files) == []  # a fleet may pin older ones
    files["recipes/com.sightline.model.Steel.yaml"] = MODEL.replace("VERSION", "newest")
    assert "expected MAJOR.MINOR.PATCH" in version_rules.find_different_versions(files)[0]
