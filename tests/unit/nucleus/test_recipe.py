"""Recipes and deployments: read to typed structs, refused with file, pointer and what is allowed."""

from pathlib import Path

import msgspec
import pytest
import yaml

from hil.nucleus.dialects.dialect import DIALECTS
from hil.nucleus.lambdas.lambda_description import load_lambda_recipes
from hil.nucleus.recipe_files.deployment import Deployment, load_deployment, select_recipes
from hil.nucleus.recipe_files.recipe import (
    fill_variables,
    load_recipe,
    load_recipes,
    to_script_text,
)
from hil.nucleus.recipe_files.version_requirements import meets_requirement
from sightline.errors import RecipeError

REPOSITORY = Path(__file__).resolve().parents[3]
RECIPE = """
RecipeFormatVersion: "2020-01-25"
ComponentName: com.example.A
ComponentVersion: "1.0.0"
ComponentConfiguration:
  DefaultConfiguration: {rate: 0.5, flag: true, text: x, list: [1]}
ComponentDependencies:
  com.example.B: {VersionRequirement: ">=1.0.0 <2.0.0", DependencyType: HARD}
Manifests:
  - Platform: {os: windows}
    Lifecycle: {run: never}
  - Platform: {os: linux, runtime: "*"}
    Lifecycle:
      Setenv: {ALL: "1", OWN: "0"}
      install: first
      run: {Script: second, Timeout: 7, Setenv: {OWN: "2"}}
    Artifacts:
      - {Uri: "s3://BUCKET/A/1.0.0/a.zip", Unarchive: ZIP}
"""


def written(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def recipe_of(name: str, dependencies: str = "{}", version: str = "1.0.0") -> str:
    return (
        f'RecipeFormatVersion: "2020-01-25"\nComponentName: {name}\n'
        f'ComponentVersion: "{version}"\nComponentDependencies: {dependencies}\n'
        "Manifests: [{Lifecycle: {run: x}}]\n"
    )


def deployment_of(*names: str) -> Deployment:
    content = {"components": {name: {"version": "1.0.0"} for name in names}}
    return msgspec.convert(content, type=Deployment)


def test_the_first_manifest_for_linux_is_taken(tmp_path: Path) -> None:
    manifest = load_recipe(written(tmp_path, RECIPE)).matching_manifest()
    run, install = manifest.lifecycle.step("run"), manifest.lifecycle.step("install")
    assert run is not None
    assert install is not None
    assert (install.script, install.setenv) == ("first", {"ALL": "1", "OWN": "0"})
    assert (run.script, run.timeout, run.setenv) == ("second", 7, {"ALL": "1", "OWN": "2"})
    assert manifest.lifecycle.step("shutdown") is None


def test_scalars_keep_their_types_or_are_texts_as_the_nucleus_has_them(tmp_path: Path) -> None:
    path = written(tmp_path, RECIPE)
    typed = load_recipe(path).component_configuration.default_configuration
    texts = load_recipe(path, typed_scalars=False).component_configuration.default_configuration
    assert typed == {"rate": 0.5, "flag": True, "text": "x", "list": [1]}
    assert texts == {"rate": "0.5", "flag": "true", "text": "x", "list": ["1"]}


@pytest.mark.parametrize(
    ("right", "wrong", "pointer", "found"),
    [
        ('ComponentVersion: "1.0.0"', "ComponentVersion: 1.0", "/ComponentVersion", "1.0"),
        ("2020-01-25", "2019-01-01", "/RecipeFormatVersion", "2019-01-01"),
        ("Timeout: 7", "Timeout: soon", "/Manifests/1/Lifecycle/run/Timeout", "soon"),
        ("Unarchive: ZIP", "Unarchive: RAR", "/Manifests/1/Artifacts/0/Unarchive", "RAR"),
        ("{Script: second", "{script: second", "/Manifests/1/Lifecycle/run", "second"),
        (
            "DependencyType: HARD",
            "DependencyType: FIRM",
            "/ComponentDependencies/com.example.B/DependencyType",
            "FIRM",
        ),
    ],
)
def test_a_wrong_recipe_is_refused_with_file_pointer_and_what_was_found(
    tmp_path: Path, right: str, wrong: str, pointer: str, found: str
) -> None:
    assert right in RECIPE
    path = written(tmp_path, RECIPE.replace(right, wrong))
    with pytest.raises(RecipeError) as refused:
        load_recipe(path)
    assert f"{path} at {pointer}: " in str(refused.value)
    assert found in str(refused.value)


def test_text_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a: [1\nb: 2\n")
    with pytest.raises(RecipeError, match=r"recipe\.yaml: line 2: not valid YAML"):
        load_recipe(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        load_deployment(tmp_path / "absent.yaml")


def test_a_wrong_deployment_names_the_component(tmp_path: Path) -> None:
    text = 'components:\n  com.example.A: {version: "1.0.0"}\n  com.example.B: {version: 2}\n'
    with pytest.raises(RecipeError, match=r"at /components/com\.example\.B/version: .*found 2"):
        load_deployment(written(tmp_path, text))


def test_components_come_after_what_they_depend_on(tmp_path: Path) -> None:
    written(tmp_path, recipe_of("A", "{B: {}, C: {DependencyType: SOFT}}"), "A.yaml")
    written(tmp_path, recipe_of("B", "{C: {}}"), "B.yaml")
    written(tmp_path, recipe_of("C"), "C.yaml")
    order = select_recipes(deployment_of("A", "B", "C"), load_recipes(tmp_path))
    assert [recipe.component_name for recipe in order] == ["C", "B", "A"]


@pytest.mark.parametrize(
    ("dependencies", "words"),
    [
        ("{Absent: {}}", "A at /ComponentDependencies/Absent"),
        ('{B: {VersionRequirement: ">=2.0"}}', "/ComponentDependencies/B/VersionRequirement"),
        ("{A: {}}", "A -> A"),
    ],
)
def test_dependencies_that_cannot_be_met_are_refused(
    tmp_path: Path, dependencies: str, words: str
) -> None:
    written(tmp_path, recipe_of("A", dependencies), "A.yaml")
    written(tmp_path, recipe_of("B"), "B.yaml")
    with pytest.raises(RecipeError, match=words):
        select_recipes(deployment_of("A", "B"), load_recipes(tmp_path))


def test_a_soft_dependency_need_not_be_there(tmp_path: Path) -> None:
    written(tmp_path, recipe_of("A", "{Absent: {DependencyType: SOFT}}"), "A.yaml")
    assert len(select_recipes(deployment_of("A"), load_recipes(tmp_path))) == 1


def test_a_version_that_no_recipe_has_is_refused_with_those_there_are(tmp_path: Path) -> None:
    written(tmp_path, recipe_of("A", version="1.2.0"), "A.yaml")
    with pytest.raises(RecipeError, match=r"/components/A/version: found '1\.0\.0'.*1\.2\.0"):
        select_recipes(deployment_of("A"), load_recipes(tmp_path))


def test_variables_are_filled_in_and_other_braces_stay() -> None:
    known = {"work:path": "/w", "configuration:/a/b": to_script_text([1, "x"])}
    script = "cd {work:path} && echo ${HOME} {configuration:/a/b} {unknown:x} {a}"
    assert fill_variables(script, known.get) == 'cd /w && echo ${HOME} [1, "x"] {unknown:x} {a}'


@pytest.mark.parametrize(
    ("version", "requirement", "expected"),
    [
        ("1.2.3", "1.2.3", True),
        ("1.2.4", "=1.2.3", False),
        ("1.9.0", ">=1.0.0 <2.0.0", True),
        ("2.0.0", ">=1.0.0 <2.0.0", False),
        ("1.10.0", "^1.9.0", True),
        ("0.2.0", "^0.1.0", False),
        ("1.2.9", "~1.2.0", True),
        ("1.3.0", "~1.2.0", False),
        ("3.0.0", "1.0.0 || >=3.0.0", True),
        ("3.0.0", "*", True),
    ],
)
def test_version_requirements(version: str, requirement: str, expected: bool) -> None:
    assert meets_requirement(version, requirement) is expected


def test_a_requirement_that_is_none_is_refused() -> None:
    with pytest.raises(RecipeError, match="latest"):
        meets_requirement("1.0.0", "latest")


def test_the_suites_own_recipes_and_deployments_are_right() -> None:
    recipes = load_recipes(REPOSITORY / "recipes")
    paths = sorted((REPOSITORY / "recipes" / "deployments").glob("laptop*.yaml"))
    assert (
        paths
    )  # those of one machine; the fleet's have sites and stations and are read by tools.fleet
    for path in paths:
        deployment = load_deployment(path)
        lambdas = load_lambda_recipes(
            REPOSITORY / "recipes" / "lambda", deployment.components, DIALECTS["classic"]
        )
        assert select_recipes(deployment, {**recipes, **lambdas})
    assert all(yaml.safe_load(path.read_text()) for path in (REPOSITORY / "recipes").glob("*.yaml"))
