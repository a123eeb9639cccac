"""An exported model becomes a component, with its product and a deployment that runs them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from capture.configuration import CaptureConfiguration
from hil.nucleus.recipe_files.deployment import (
    build_configurations,
    load_deployment,
    select_recipes,
)
from hil.nucleus.recipe_files.recipe import load_recipes
from inference.configuration import InferenceConfiguration
from sightline.configuration import load_configuration
from sightline.messaging.topics import CAPTURE, INFERENCE
from sightline.storage.products import load_product
from tests.unit.inference.small_models import RED, write_model
from tools.add_model import __main__ as add_model
from tools.add_model.component_recipes import build_model_recipe, build_product_recipe
from tools.add_model.deployment_edit import pin_versions
from tools.suite_rules import version_rules

ROOT = add_model.ROOT
STEEL, STRIP = "com.sightline.model.Steel", "com.sightline.product.Strip"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout: the recipes, and the demo's components."""
    folder = tmp_path / "checkout"
    (folder / "components").mkdir(parents=True)
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    shutil.copytree(ROOT / "components" / "products", folder / "components" / "products")
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An exported model that finds rust."""
    return write_model(tmp_path / "exported", "plan", "rust", RED)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return write_product(tmp_path)


def write_product(folder: Path, **more: Any) -> Path:
    content = {"name": "strip", "version": "1", "models": ["steel"], "presence": "always"}
    file = folder / "my-strip.json"
    file.write_text(json.dumps({**content, "defects": {"rust": {}}, **more}))
    return file


def run(root: Path, *words: str | Path) -> int:
    return add_model.main([str(word) for word in words], root)


def list_files(root: Path) -> dict[str, bytes]:
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


def find_version_problems(root: Path) -> Sequence[str]:
    files = [*root.glob("recipes/com.*.yaml"), *root.glob("recipes/deployments/*.yaml")]
    texts = {file.relative_to(root).as_posix(): file.read_text() for file in files}
    return version_rules.find_different_versions(
        {**texts, "pyproject.toml": (root / "pyproject.toml").read_text()}
    )


def test_the_recipes_are_those_of_the_demo_but_for_name_version_and_description() -> None:
    for component, text in (
        ("com.sightline.model.Surface", build_model_recipe("surface", "?", "0.1.0")),
        ("com.sightline.product.BottleStrict", build_product_recipe("bottle-strict", "?", "0.1.0")),
    ):
        demo = yaml.safe_load((ROOT / "recipes" / f"{component}.yaml").read_text())
        assert yaml.safe_load(text) == {**demo, "ComponentDescription": "?"}


def test_without_write_all_of_it_is_shown_and_nothing_is_written(
    root: Path, model: Path, product: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list_files(root)
    assert run(root, model, "--name", "steel", "--product", product) == 0
    shown = capsys.readouterr().out
    assert list_files(root) == before
    assert "new     components/models/steel\n" in shown
    assert f"ComponentName: {STRIP}" in shown
    assert "Dry run: nothing was written" in shown


def test_what_is_written_is_a_deployment_that_runs_the_product_by_the_model(
    root: Path, model: Path, product: Path
) -> None:
    assert run(root, model, "--name", "steel", "--product", product, "--write") == 0
    assert (root / "components" / "models" / "steel" / "golden.npz").is_file()
    assert load_product(root / "components" / "products" / "strip" / "product.json").name == "strip"
    deployment = load_deployment(root / "recipes" / "deployments" / "strip.yaml")
    recipes = select_recipes(deployment, load_recipes(root / "recipes"))
    assert {STEEL, STRIP} <= {recipe.component_name for recipe in recipes}
    made = build_configurations(deployment, recipes, {})
    capture = load_configuration(CaptureConfiguration, made[CAPTURE])
    inference = load_configuration(InferenceConfiguration, made[INFERENCE])
    assert (capture.product, capture.cameras, inference.cameras) == ("strip", ("cam1",), ("cam1",))
    assert [one.name for one in inference.models] == ["steel"]
    assert find_version_problems(root) == []


def test_the_same_again_changes_nothing(root: Path, model: Path, product: Path) -> None:
    words = (model, "--name", "steel", "--product", product, "--write")
    assert run(root, *words) == 0
    before = list_files(root)
    assert run(root, *words) == 0
    assert list_files(root) == before


def test_a_new_export_raises_the_versions_wherever_they_stand_and_comments_stay(
    root: Path, model: Path, product: Path, tmp_path: Path
) -> None:
    assert run(root, model, "--name", "steel", "--product", product, "--write") == 0
    own = root / "recipes" / "deployments" / "strip.yaml"
    own.write_text(own.read_text().replace("components:\n", "components:  # mine\n"))
    other = write_model(tmp_path / "next", "plan", "rust", RED, sharpness=0.05)
    assert run(root, other, "--name", "steel", "--product", "strip", "--write") == 0
    assert "components:  # mine\n" in own.read_text()
    pinned = yaml.safe_load(own.read_text())["components"]
    assert (pinned[STEEL]["version"], pinned[STRIP]["version"]) == ("1.0.1", "1.0.0")
    assert find_version_problems(root) == []


def test_a_product_that_is_only_named_is_drafted_from_the_models_labels(
    root: Path, model: Path
) -> None:
    (model / "card.json").write_text(json.dumps({"thresholds": {"box": 0.6}}))
    assert run(root, model, "--name", "steel", "--product", "coil", "--write") == 0
    made = load_product(root / "components" / "products" / "coil" / "product.json")
    assert (made.presence, made.models, list(made.defects)) == ("always", ("steel",), ["rust"])
    assert (made.defects["rust"].reject, made.defects["rust"].review) == (0.6, 0.42)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"defects": {"rsut": {}}}, "no model of it finds rsut; its models find rust"),
        ({"models": ["steel", "lid"]}, "found 'lid'; here are steel"),
        ({"models": ["surface"]}, "found 'surface'; here are steel"),
        ({"presence": "label"}, "no part could be ok"),
        ({"name": "a strip"}, "at /name"),
    ],
)
def test_a_product_that_does_not_fit_the_model_is_refused_and_nothing_is_written(
    root: Path,
    model: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = list_files(root)
    file = write_product(tmp_path, **changes)
    assert run(root, model, "--name", "steel", "--product", file, "--write") == 1
    assert words in capsys.readouterr().err
    assert list_files(root) == before


def test_a_changed_product_under_the_same_version_is_refused(
    root: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (model, "--name", "steel", "--product")
    assert run(root, *words, write_product(tmp_path), "--write") == 0
    changed = write_product(tmp_path, defects={"rust": {"reject": 0.9}})
    assert run(root, *words, changed, "--write") == 1
    assert "a changed product needs another version" in capsys.readouterr().err
    assert run(root, *words, write_product(tmp_path, version="2"), "--write") == 0
    own = yaml.safe_load((root / "recipes" / "deployments" / "strip.yaml").read_text())
    assert own["components"][STRIP]["version"] == "1.0.1"


def test_a_model_that_fails_its_golden_frames_is_not_added(
    root: Path, model: Path, product: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "golden.npz").unlink()
    assert run(root, model, "--name", "steel", "--product", product, "--write") == 1
    assert "no golden.npz" in capsys.readouterr().err
    assert not (root / "components" / "models").exists()


@pytest.mark.parametrize("name", ["-x", "a b", "", "x" * 33, "ä"])
def test_a_name_that_no_component_can_have_is_refused(
    root: Path, model: Path, product: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root, model, f"--name={name}", "--product", product) == 1 or name == ""
    assert name == "" or "letters, digits" in capsys.readouterr().err


def test_two_names_of_one_component_are_told_apart(
    root: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_product(tmp_path, models=["hot-steel"])
    assert run(root, model, "--name", "hot-steel", "--product", first, "--write") == 0
    second = write_product(tmp_path, version="2", models=["hot_steel"])
    assert run(root, model, "--name", "hot_steel", "--product", second, "--write") == 1
    assert "brings components/models/hot-steel already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "entry",
    [
        '  A: {version: "1.0.0"}  # flow',
        "  A:  # block\n    version: 1.0.0  # kept",
        '  A:\n    # first\n    configurationUpdate:\n      merge: {a: 1}\n    version: "1.0.0"',
    ],
)
def test_a_version_is_edited_in_place_however_it_is_written(entry: str) -> None:
    text = f"components:\n  B: {{version: 9.9.9}}\n{entry}\n  C:\n    version: 1.0.0\n"
    edited = pin_versions("line.yaml", text, {"A": "1.2.0", "Z": "3.0.0"})
    found = yaml.safe_load(edited)["components"]
    assert {name: one["version"] for name, one in found.items()} == {
        "A": "1.2.0",
        "B": "9.9.9",
        "C": "1.0.0",
    }
    assert edited.count("#") == text.count("#")
