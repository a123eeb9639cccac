"""Every component that is released installs from its own zip by its own recipe, and starts.

As on a station: no network, an unprivileged user, an empty root folder, no environment of this project.
Staging fetches wheels, so this is no part of `make test`: `make release-test`.
"""

import concurrent.futures
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sightline.storage.model_folder import compute_digest
from tests.release.station_root import (
    Json,
    ScriptResult,
    StationRoot,
    machine,
    python_of_station,
    read_recipe,
)
from tests.unit.nucleus.running_nucleus import RecipeBuilder, nucleus, wait_until
from tools.stage.__main__ import main
from tools.stage.archive import OUTPUT
from tools.stage.stageable_components import ROOT, list_components
from tools.suite_rules.requirement_rules import OPTIONAL_IMPORTS

NAMES = [part.name for part in list_components()]
LASTING = [name for name in NAMES if name.count(".") == 2]
MODELS = {"com.sightline.model.Cap": "cap", "com.sightline.model.Surface": "surface"}
PRODUCTS = {
    "com.sightline.product.Bottle": "bottle",
    "com.sightline.product.BottleStrict": "bottle-strict",
}
RUNS = "component runs"
ALSO_SAYS = {"com.sightline.Inference": ('"model serves", "model": "cap"', '"model": "surface"')}


@dataclass(frozen=True)
class InstalledRelease:
    """All components in one root folder, and how the install step of each has ended."""

    station: StationRoot
    recipes: dict[str, Json]
    outcomes: dict[str, ScriptResult]


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`build/`, with the wheels of this machine alone."""
    target = tmp_path_factory.mktemp("build")
    words = ["--all", "--wheels", machine(), "--python", python_of_station()]
    cache = ROOT / ".cache" / "wheels"
    assert main([*words, "--target", str(target), "--cache", str(cache)]) == 0
    return target


@pytest.fixture(scope="session")
def installed(staged: Path) -> Iterator[InstalledRelease]:
    """Each install step carried out once, two at a time."""
    station = StationRoot.make()
    recipes = {
        name: read_recipe(staged / name / OUTPUT / "recipes" / "recipe.yaml") for name in NAMES
    }
    for name in NAMES:
        (artifact,) = (staged / name / OUTPUT / "artifacts" / name).rglob("*.zip")
        station.unpack(name, artifact)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        steps = {name: pool.submit(station.step, name, recipes[name], "install") for name in NAMES}
        outcomes = {name: future.result() for name, future in steps.items()}
    yield InstalledRelease(station, recipes, outcomes)
    station.remove()


@pytest.mark.parametrize("name", NAMES)
def test_a_component_installs_from_its_own_zip_without_a_network_or_rights(
    name: str, installed: InstalledRelease
) -> None:
    outcome = installed.outcomes[name]
    assert outcome.code == 0, outcome.said


@pytest.mark.parametrize("name", NAMES)
def test_its_scripts_have_no_variable_left(name: str, installed: InstalledRelease) -> None:
    for step in installed.recipes[name]["Manifests"][0]["Lifecycle"]:
        if step != "errorResetTime":
            script = installed.station.script(name, installed.recipes[name], step)
            assert not re.search(r"[{}]", script), script


@pytest.mark.parametrize("name", LASTING)
def test_a_component_starts_and_says_that_no_nucleus_has_started_it(
    name: str, installed: InstalledRelease
) -> None:
    done = installed.station.step(name, installed.recipes[name], "run")
    assert "not started by a nucleus" in done.said, done.said
    assert "Traceback" not in done.said, done.said
    assert done.code not in (0, 1), done


IMPORTING = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            print("missing", error.name.split(".")[0])
"""


@pytest.mark.parametrize("name", LASTING)
def test_a_component_runs_under_a_nucleus_with_what_its_artifact_brought(
    name: str, installed: InstalledRelease, tmp_path: Path
) -> None:
    """Under the development nucleus; inference serves the models that their components have put there."""
    recipe, station = installed.recipes[name], installed.station
    component = RecipeBuilder(name, f"unset SIGHTLINE_PYTHON; cd '{station.work(name)}' && ")
    component.lifecycle["run"] += station.script(name, recipe, "run")
    component.configuration = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    if "stationFolder" in component.configuration:
        component.configuration["stationFolder"] = str(station.folder)
    expected = (RUNS, *ALSO_SAYS.get(name, ()))
    with nucleus(tmp_path, [component]) as running:
        try:
            wait_until(lambda: all(words in running.log(name) for words in expected))
        except AssertionError:
            pytest.fail(running.log(name))
        assert running.component(name)["state"] == "RUNNING"
        assert running.component(name)["restarts"] == 0
    assert "Traceback" not in running.log(name)


@pytest.mark.parametrize("name", LASTING)
def test_every_module_of_a_component_finds_what_it_imports(
    name: str, installed: InstalledRelease
) -> None:
    package = name.rsplit(".", 1)[-1].lower()
    work = installed.station.work(name)
    artifact = installed.station.unpacked(name) / package
    words = [str(work / "environment" / "bin" / "python"), "-c", IMPORTING, package]
    done = installed.station.run(words, work, PYTHONPATH=str(artifact))
    assert done.code == 0, done.said
    missing = set(re.findall(r"^missing (\S+)$", done.said, re.MULTILINE))
    assert missing <= set(OPTIONAL_IMPORTS.get(package, {})), done.said


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LASTING])
def test_a_component_that_only_installs_runs_to_its_end(
    name: str, installed: InstalledRelease
) -> None:
    done = installed.station.step(name, installed.recipes[name], "run")
    assert (done.code, done.said) == (0, "")


@pytest.mark.parametrize(("name", "model"), MODELS.items())
def test_a_model_is_in_the_stations_store_afterwards(
    name: str, model: str, installed: InstalledRelease
) -> None:
    store = installed.station.folder / "models"
    digest = (store / "names" / model).read_text(encoding="utf-8").strip()
    folder = store / digest
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "golden.npz", "card.json"}
    assert compute_digest(folder / "model.onnx") == digest
    assert (store / "names" / f"{model}-fp32").is_file()


@pytest.mark.parametrize(("name", "product"), PRODUCTS.items())
def test_a_product_is_in_the_stations_store_afterwards(
    name: str, product: str, installed: InstalledRelease
) -> None:
    products = installed.station.folder / "products"
    assert [path for path in products.rglob("*") if product in path.name], list(products.rglob("*"))


def test_capture_finds_the_drivers_of_the_cameras(installed: InstalledRelease) -> None:
    station = installed.station
    work = station.work("com.sightline.Capture")
    drivers = station.folder / "drivers" / "cameras"
    code = "import gpiod.line, linuxpy.video.device; print(gpiod.__file__)"
    python = str(work / "environment" / "bin" / "python")
    without = station.run([python, "-c", code], work)
    assert "ModuleNotFoundError" in without.said  # they are in no default artifact
    done = station.run([python, "-c", code], work, PYTHONPATH=str(drivers))
    assert done.code == 0, done.said
    assert done.said.startswith(str(drivers))


@pytest.mark.parametrize("name", NAMES)
def test_installing_again_changes_nothing(name: str, installed: InstalledRelease) -> None:
    station = installed.station
    marks = {
        path: path.stat().st_mtime_ns
        for path in station.work(name).glob("environment/requirements.txt")
    }
    done = station.step(name, installed.recipes[name], "install")
    assert done.code == 0, done.said
    assert {path: path.stat().st_mtime_ns for path in marks} == marks
