"""Artifacts: the folders that a zip of the component would unpack to, from the source tree."""

from pathlib import Path

from hil.nucleus.component_runtime.artifact_links import link_artifacts
from hil.nucleus.recipe_files.recipe import load_recipe
from tests.unit.nucleus.running_nucleus import REPOSITORY


def recipe_with(folder: Path, zip_name: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(
        'RecipeFormatVersion: "2020-01-25"\nComponentName: A\nComponentVersion: "1.0.0"\n'
        f'Manifests: [{{Artifacts: [{{Uri: "s3://B/A/1.0.0/{zip_name}", Unarchive: ZIP}}]}}]\n'
    )
    return path


def test_a_component_has_its_package_and_the_shared_one_beside_it(tmp_path: Path) -> None:
    link_artifacts(load_recipe(recipe_with(tmp_path, "capture.zip")), REPOSITORY, tmp_path / "out")
    assert (tmp_path / "out" / "capture" / "capture" / "__main__.py").is_file()
    assert (tmp_path / "out" / "capture" / "sightline" / "launch.sh").is_file()


def test_a_model_has_its_folder_of_files_under_its_own_name(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "components" / "models" / "surface").mkdir(parents=True)
    (source / "components" / "models" / "surface" / "model.onnx").write_bytes(b"x")
    (source / "shared" / "sightline").mkdir(parents=True)
    link_artifacts(
        load_recipe(recipe_with(tmp_path, "surface_model.zip")), source, tmp_path / "out"
    )
    assert (tmp_path / "out" / "surface_model" / "surface" / "model.onnx").is_file()


def test_what_is_not_in_the_source_is_left_out_and_unpacking_again_brings_it(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    (source / "shared" / "sightline").mkdir(parents=True)
    recipe = load_recipe(recipe_with(tmp_path, "cap_model.zip"))
    link_artifacts(recipe, source, tmp_path / "out")
    assert not (tmp_path / "out" / "cap_model" / "cap").exists()
    (source / "components" / "models" / "cap").mkdir(parents=True)
    link_artifacts(recipe, source, tmp_path / "out")
    assert (tmp_path / "out" / "cap_model" / "cap").is_dir()
    assert (source / "components" / "models" / "cap").is_dir()
