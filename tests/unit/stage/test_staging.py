"""What is staged is what gdk and a station want, and the same sources give the same bytes."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.stage import archive
from tools.stage.__main__ import main
from tools.stage.layout import StagingOptions, collect_artifacts, stage_component
from tools.stage.stageable_components import ROOT, find_components, list_components
from tools.suite_rules import gdk_rules

ALL = list_components()


def choice(target: Path, version: str = "0.1.0") -> StagingOptions:
    return StagingOptions("0.1.0", version, (), (), target, target / "cache")


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("build")
    for part in ALL:
        archive.build_artifact(stage_component(part, choice(target)))
    return target


def built(folder: Path) -> bytes:
    (artifact,) = (folder / "greengrass-build" / "artifacts").rglob("*.zip")
    return artifact.read_bytes()


def as_gdk_does(folder: Path) -> None:
    """Empty the output, make its folders, run the custom build: what `gdk component build` does."""
    configuration = json.loads((folder / "gdk-config.json").read_text())
    ((name, component),) = configuration["component"].items()
    output = folder / "greengrass-build"
    shutil.rmtree(output)
    (output / "recipes").mkdir(parents=True)
    (output / "artifacts" / name / component["version"]).mkdir(parents=True)
    command = [sys.executable, "-I", *component["build"]["custom_build_command"][1:]]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_a_staged_folder_is_one_that_gdk_takes(part: Any, staged: Path) -> None:
    folder = staged / part.name
    configuration = json.loads((folder / "gdk-config.json").read_text())
    assert gdk_rules.find_refused_gdk_settings("gdk-config.json", configuration) == []
    assert list(configuration["component"]) == [part.name]
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert (recipe["ComponentName"], recipe["ComponentVersion"]) == (part.name, "0.1.0")
    assert not (folder / "recipe.json").exists()
    assert (folder / "sightline" / "launch.sh").is_file()
    assert (folder / "requirements.txt").is_file()
    (uri,) = [artifact["Uri"] for artifact in recipe["Manifests"][0]["Artifacts"]]
    output = folder / "greengrass-build"
    assert (output / "artifacts" / part.name / "0.1.0" / Path(uri).name).is_file()
    assert (output / "recipes" / "recipe.yaml").read_text() == (folder / "recipe.yaml").read_text()


def test_the_artifact_is_the_same_to_the_byte_whoever_packs_it(
    staged: Path, tmp_path: Path
) -> None:
    (part,) = find_components(["capture"])
    again = stage_component(part, choice(tmp_path))
    for number, path in enumerate(sorted(again.rglob("*"))):
        os.utime(path, (1_500_000_000 + number, 1_500_000_000 + number))
        path.chmod(0o700)
    archive.build_artifact(again)
    assert built(again) == built(staged / part.name)
    as_gdk_does(again)
    assert built(again) == built(staged / part.name)


def test_an_artifact_holds_its_sources_and_the_shared_package_and_no_tools(staged: Path) -> None:
    (artifact,) = (staged / "com.sightline.Inference").rglob("inference.zip")
    with zipfile.ZipFile(artifact) as packed:
        names = packed.namelist()
        tops = {name.split("/")[0] for name in names}
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in packed.infolist()}
    assert tops == {"inference", "sightline", "requirements.txt"}
    assert {"inference/__main__.py", "sightline/messaging/topics.py"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert (modes["sightline/launch.sh"], modes["sightline/messaging/topics.py"]) == (0o755, 0o644)


@pytest.mark.parametrize("package", ["capture", "inference", "equipment", "telemetry", "publisher"])
def test_a_component_is_imported_from_its_unpacked_artifact_alone(
    package: str, staged: Path, tmp_path: Path
) -> None:
    (artifact,) = staged.rglob(f"{package}.zip")
    with zipfile.ZipFile(artifact) as packed:
        packed.extractall(tmp_path)
    code = (
        f"import {package}.configuration as c, sightline.messaging.topics as t, pathlib\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "assert here in pathlib.Path(c.__file__).parents, c.__file__\n"
        "assert here in pathlib.Path(t.__file__).parents, t.__file__\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)


def test_packages_of_a_stricter_licence_are_in_the_component_of_drivers_and_in_no_other(
    staged: Path,
) -> None:
    holders = [
        p.name for p in ALL if "linuxpy" in (staged / p.name / "requirements.txt").read_text()
    ]
    assert holders == ["com.sightline.driver.Cameras"]


def test_the_suite_is_collected_as_a_local_deployment_wants_it(
    staged: Path, tmp_path: Path
) -> None:
    collect_artifacts(sorted(path for path in staged.iterdir() if path.name != "cache"), tmp_path)
    for part in ALL:
        assert (tmp_path / "recipes" / f"{part.name}-0.1.0.yaml").is_file()
        assert list((tmp_path / "artifacts" / part.name / "0.1.0").glob("*.zip"))


def test_an_unknown_component_is_named_with_those_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["captrue", "--target", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "unknown component captrue" in said
    assert "Capture, Equipment" in said
    assert main(["capture", "--version", "1.2", "--target", str(tmp_path)]) == 1
    assert "'1.2'" in capsys.readouterr().err


def test_the_configuration_at_the_top_is_one_that_gdk_takes() -> None:
    configuration = json.loads((ROOT / "gdk-config.json").read_text())
    assert gdk_rules.find_refused_gdk_settings("gdk-config.json", configuration) == []


@pytest.mark.skipif(shutil.which("gdk") is None, reason="gdk is not installed")
def test_the_real_gdk_builds_a_staged_component(staged: Path, tmp_path: Path) -> None:
    folder = tmp_path / "com.sightline.Capture"
    shutil.copytree(staged / folder.name, folder)
    shutil.rmtree(folder / "greengrass-build")
    subprocess.run(["gdk", "component", "build"], cwd=folder, check=True)
    assert built(folder) == built(staged / folder.name)


@pytest.mark.parametrize(
    ("component", "named", "version", "staged_as"),
    [
        ("capture", False, "0.9.0", "0.9.0"),
        ("model.Cap", False, "0.9.0", "0.1.0"),
        ("product.Bottle", False, "0.9.0", "0.1.0"),
        ("model.Cap", True, "0.9.0", "0.9.0"),
    ],
)
def test_a_model_and_a_product_keep_the_version_of_their_recipe(
    tmp_path: Path, component: str, named: bool, version: str, staged_as: str
) -> None:
    (part,) = find_components([component])
    wanted = replace(choice(tmp_path, version), named=frozenset({part.name} if named else ()))
    folder = stage_component(part, wanted)
    configuration = json.loads((folder / "gdk-config.json").read_text())
    assert configuration["component"][part.name]["version"] == staged_as
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert recipe["ComponentVersion"] == staged_as
