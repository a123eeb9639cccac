"""Other files under the same component version are taken or refused, never passed over."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from sightline.storage.product_store import ProductStoreReader
from tests.unit.nucleus.deployment_kit import QUICK
from tests.unit.nucleus.running_nucleus import REPOSITORY, RunningNucleus, run_module, wait_until

CAN = "com.sightline.product.Can"
DEMO = "com.sightline.product.Bottle"


class CanComponent:
    """A product's component in a source tree of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipes, self.source = folder / "recipes", folder / "source"
        self.recipes.mkdir()
        recipe = (REPOSITORY / "recipes" / f"{DEMO}.yaml").read_text()
        made = recipe.replace("Bottle", "Can").replace("bottle", "can")
        made = made.replace("stationFolder: /var/lib/sightline", f"stationFolder: {folder}/station")
        (self.recipes / f"{CAN}.yaml").write_text(made)
        (self.source / "components" / "products" / "can").mkdir(parents=True)
        (self.source / "shared").symlink_to(REPOSITORY / "shared")
        self.version = str(yaml.safe_load(recipe)["ComponentVersion"])

    def write(self, version: str, score: float) -> None:
        """Its file, as a person edits it."""
        content = {
            "name": "can",
            "version": version,
            "models": ["surface"],
            "presence": "always",
            "defects": {"dent": {"reject": score}},
        }
        file = self.source / "components" / "products" / "can" / "product.json"
        file.write_text(json.dumps(content))

    def in_use(self) -> tuple[str, float] | None:
        """The version that the station judges by, and its threshold."""
        store = ProductStoreReader(self.folder / "station" / "products")
        store.refresh()
        can = store.current.get("can")
        return None if can is None else (can.version, can.defects["dent"].reject)

    @contextmanager
    def running(self) -> Iterator[RunningNucleus]:
        """A nucleus that has the component, on the disk of the one before."""
        root = self.folder / "nucleus"
        given = ("--root", str(root), "--source", str(self.source), "--broker", "127.0.0.1:9")
        files = ("--recipes", str(self.recipes), "--deployment", str(self.deployment))
        with run_module("hil.nucleus", *given, *files, *QUICK) as process:
            yield RunningNucleus(root, process)

    @property
    def deployment(self) -> Path:
        """A deployment of this component alone."""
        file = self.folder / "deployment.yaml"
        file.write_text(yaml.safe_dump({"components": {CAN: {"version": self.version}}}))
        return file


@pytest.fixture
def can(tmp_path: Path) -> CanComponent:
    """The can in its version 1, which a nucleus has installed."""
    component = CanComponent(tmp_path)
    component.write("1", 0.5)
    with component.running() as nucleus:
        nucleus.wait_for_state(CAN, "FINISHED")
    assert component.in_use() == ("1", 0.5)
    return component


def test_a_changed_product_is_installed_at_the_next_start_though_the_component_has_its_version(
    can: CanComponent,
) -> None:
    can.write("2", 0.7)
    with can.running() as nucleus:
        nucleus.wait_for_state(CAN, "FINISHED")
    assert can.in_use() == ("2", 0.7)


def test_a_product_that_changed_under_its_own_version_is_refused_and_the_last_one_stays(
    can: CanComponent,
) -> None:
    can.write("1", 0.7)
    with can.running() as nucleus:
        entry = nucleus.wait_for_state(CAN, "BROKEN")
        said = (
            "version 1 of can is in the store with other content; a changed product needs another"
        )
        assert said in nucleus.log(CAN)
    assert "install step" in entry["reason"]
    assert can.in_use() == ("1", 0.5)


def test_a_local_deployment_takes_changed_files_of_a_component_in_the_same_version(
    can: CanComponent,
) -> None:
    with can.running() as nucleus:
        nucleus.wait_for_state(CAN, "FINISHED")
        can.write("2", 0.7)
        update = ("--root", str(nucleus.root), "--deployment", str(can.deployment))
        with run_module("hil.nucleus.deploy", *update, "--recipes", str(can.recipes)) as command:
            assert command.wait(60) == 0
        assert can.in_use() == ("2", 0.7)


def test_what_did_not_change_is_not_installed_again(can: CanComponent) -> None:
    with can.running() as nucleus:
        installed = nucleus.log(CAN).count("can 1")
        nucleus.wait_for_state(CAN, "FINISHED")
        wait_until(lambda: nucleus.component(CAN))
        assert nucleus.log(CAN).count("can 1") == installed == 1
