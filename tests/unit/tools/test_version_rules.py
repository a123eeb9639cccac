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
    pinned = RECIPE.replace('Requirement: "0.1.0"', 'Requirement: "0.0.9"')
    said = version_rules.find_different_versions({**good, "recipe.yaml": pinned})
    assert said == [
        "recipe.yaml at /ComponentDependencies/com.sightline.model.Cap: "
        "found '0.0.9'; the suite is 0.1.0"
    ]
    newer = PROJECT.replace("0.1.0", "0.2.0")
    assert len(version_rules.find_different_versions({**good, "pyproject.toml": newer})) == 2
    assert "pyproject.toml" in version_rules.find_different_versions({})[0]
    function = {"createComponentVersion": {"lambdaFunction": {"componentVersion": "0.0.1"}}}
    files = {**good, "recipes/lambda/com.sightline.X.json": json.dumps(function)}
    assert "at componentVersion: found '0.0.1'" in version_rules.find_different_versions(files)[0]
