"""A damaged file of the nucleus is set aside and reported, and everything runs on its defaults."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.local_deployments.deployment_store import (
    DeploymentStore,
    load_deployment_in_force,
    load_stored_recipes,
)
from hil.nucleus.recipe_files.deployment import Deployment
from hil.run.station_state import prepare_run_folder, read_next_part_number
from sightline.errors import RecipeError
from tests.unit.nucleus.deployment_kit import QUICK, deploy
from tests.unit.nucleus.running_nucleus import RecipeBuilder, nucleus, wait_until
from tests.unit.nucleus.test_configuration_store import update

A, B = "com.example.A", "com.example.B"
FOREVER = "while :; do sleep 0.05; done"
DEFAULT = {"rate": 2, "camera": {"gain": 1}, "accessControl": {"service": {"1": {}}}}


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)
    (path / "inside" / "file").write_text("x")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbled": lambda path: path.write_bytes(bytes(b ^ 0x55 for b in path.read_bytes())),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no UTF-8": lambda path: path.write_bytes(b'{"values": {"rate": "\xff\xfe"}}'),
    "another JSON": lambda path: path.write_bytes(b'[1, {"values": 2}]'),
    "nested deeply": lambda path: path.write_bytes(b'{"values": {"a": ' + b"[" * 50_000),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "a folder": folder_in_its_place,
}


def store_of(folder: Path) -> ConfigurationStore:
    return ConfigurationStore(folder / "configuration")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_configuration_is_set_aside_for_the_defaults_and_the_deployment(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_of(tmp_path)
    store.apply_deployment(A, DEFAULT, {"rate": 3}, at_s=100.0)
    path = tmp_path / "configuration" / f"{A}.json"
    DAMAGES[damage](path)
    again = store_of(tmp_path)
    again.apply_deployment(A, DEFAULT, {"rate": 3}, at_s=200.0)
    assert again.value(A, ()) == {**DEFAULT, "rate": 3}
    assert update(again, A, ("rate",), 4, at_s=300.0) == [("rate",)]
    assert store_of(tmp_path).preview_deployment(A, DEFAULT, {"rate": 3})["rate"] == 4
    kept = list((tmp_path / "configuration").glob("*.damaged-*"))
    assert len(kept) == 1
    assert kept[0].name in caplog.text
    assert A in caplog.text


PIECES = st.sampled_from(
    [
        b'{"values":',
        b'{"changed_at_s":{"',
        b'"deployed":',
        b"[[",
        b"{}",
        b"null",
        b"1e9",
        b'"a"',
        b"}",
    ]
)


@settings(deadline=None)
@given(content=st.binary(max_size=300) | st.lists(PIECES, max_size=12).map(b"".join))
def test_whatever_a_configuration_file_holds_the_recipe_s_policies_are_in_force(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("store")
    (folder / f"{A}.json").write_bytes(content)
    store = ConfigurationStore(folder)
    store.apply_deployment(A, DEFAULT, {"rate": 3}, at_s=100.0)
    assert store.access_control(A) == DEFAULT["accessControl"]
    assert "camera" in store.value(A, ())
    ConfigurationStore(folder).apply_deployment(A, DEFAULT, {"rate": 5}, at_s=200.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(values=st.dictionaries(st.text(max_size=6), JSON), times=st.dictionaries(st.text(), JSON))
def test_whatever_valid_json_it_holds_a_deployment_is_made(
    tmp_path_factory: pytest.TempPathFactory, values: object, times: object
) -> None:
    folder = tmp_path_factory.mktemp("store")
    content = {"values": values, "deployed": values, "changed_at_s": times}
    (folder / f"{A}.json").write_bytes(msgspec.json.encode(content))
    store = ConfigurationStore(folder)
    store.apply_deployment(A, DEFAULT, {"camera": {"gain": 7}}, at_s=100.0)
    assert store.value(A, ("camera", "gain")) == 7
    assert store.access_control(A) == DEFAULT["accessControl"]


@settings(deadline=None)
@given(content=st.binary(max_size=300))
def test_a_deployment_in_force_that_cannot_be_read_is_none(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("root")
    (folder / "deployed.json").write_bytes(content)
    assert load_deployment_in_force(folder) is None
    assert not (folder / "deployed.json").exists()


@settings(deadline=None)
@given(content=st.binary(max_size=300) | JSON.map(msgspec.json.encode))
def test_a_run_begins_whatever_the_files_of_the_last_one_hold(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("station")
    (folder / "nucleus").mkdir()
    for name in ("plant.json", "nucleus/recipes.sha256", "nucleus/status.json", "broker.address"):
        (folder / name).write_bytes(content)
    prepare_run_folder(folder, ())
    assert read_next_part_number(folder) >= 1 or isinstance(json.loads(content), dict)


def test_a_run_begins_where_folders_stand_in_place_of_its_files(tmp_path: Path) -> None:
    for name in ("nucleus/recipes.sha256", "nucleus/status.json", "broker.address"):
        (tmp_path / name / "inside").mkdir(parents=True)
    prepare_run_folder(tmp_path, ())
    assert (tmp_path / "nucleus" / "recipes.sha256").is_file()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_kept_recipe_that_is_damaged_is_set_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / f"{A}-1.0.0.yaml"
    path.write_text(json.dumps(RecipeBuilder(A, run=FOREVER).recipe()))
    assert len(load_stored_recipes(tmp_path, True)) == 1
    DAMAGES[damage](path)
    assert load_stored_recipes(tmp_path, True) == {}
    assert not path.exists()


def test_records_that_cannot_be_written_stop_no_deployment(tmp_path: Path) -> None:
    (tmp_path / "deployments.json" / "inside").mkdir(parents=True)
    (tmp_path / ".deployments.json").mkdir()
    records = DeploymentStore(tmp_path)
    record = records.add_record()
    records.update_progress(record, "SUCCESSFUL")
    assert records.list_records() == [record]


def test_a_configuration_kept_for_a_way_back_that_is_damaged_changes_nothing(
    tmp_path: Path,
) -> None:
    records = DeploymentStore(tmp_path)
    (tmp_path / "configuration").mkdir()
    (tmp_path / "configuration" / "x.json").write_text("{}")
    (tmp_path / "configuration-before").write_text("no folder")
    records.end_rollback_copy(restore=True)
    assert (tmp_path / "configuration" / "x.json").read_text() == "{}"
    records.begin_rollback_copy()
    records.store_deployment(Deployment({}), {}, "digest")
    records.end_rollback_copy(restore=True)


FILES = (
    f"configuration/{A}.json",
    "configuration/aws.greengrass.Nucleus.json",
    "configuration/aws.greengrass.Cli.json",
    "deployed.json",
    "deployments.json",
    "status.json",
    f"recipes/{B}-1.0.0.yaml",
    f"installed/{A}",
    f"logs/{A}.log",
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_nucleus_whose_files_are_all_damaged_starts_and_runs_what_is_deployed(
    tmp_path: Path, damage: str
) -> None:
    one, other = RecipeBuilder(A, run=FOREVER, install="true"), RecipeBuilder(B, run=FOREVER)
    one.configuration = {"limit": 1}
    with nucleus(tmp_path, [one], more=QUICK) as running:
        running.wait_for_state(A, "RUNNING")
        assert deploy(tmp_path, [one, other], {A: {"limit": 9}})[0] == 0
        running.stop()
    root = tmp_path / "nucleus"
    for name in FILES:
        DAMAGES[damage](root / name)
    with nucleus(tmp_path, [one], {A: {"limit": 3}}, more=QUICK) as running:
        running.wait_for_state(A, "RUNNING")
        stored = root / "configuration" / f"{A}.json"
        wait_until(lambda: json.loads(stored.read_text())["values"]["limit"] == 3)
        assert deploy(tmp_path, [one, other], {A: {"limit": 9}})[0] == 0
        assert running.stop() == 0
        assert running.process.stderr is not None
        words = running.process.stderr.read().decode()
    assert "Traceback" not in words
    for name in (f"configuration/{A}.json", "deployed.json"):
        assert list((root / name).parent.glob(f"{Path(name).name}.damaged-*")), name
        assert Path(name).name in words


OBSTACLES = (
    "work",
    "logs",
    "installed",
    "configuration",
    "recipes",
    "artifacts-unarchived",
    "cli_ipc_info",
    "ipc.socket",
    "configuration-before",
    f"work/{A}",
    f"artifacts-unarchived/{A}",
)


def test_files_in_place_of_the_nucleus_s_folders_are_set_aside(tmp_path: Path) -> None:
    root = tmp_path / "nucleus"
    for name in OBSTACLES:
        if name.count("/") == 0:
            root.mkdir(exist_ok=True)
            (root / name).write_text("no folder")
    with nucleus(tmp_path, [RecipeBuilder(A, run=FOREVER, install="true")], more=QUICK) as running:
        running.wait_for_state(A, "RUNNING")
        assert deploy(tmp_path, [RecipeBuilder(A, run=FOREVER, install="true")])[0] == 0
        running.stop()
    for name in OBSTACLES:
        if name.count("/") == 1:
            folder = root / name
            folder.rename(folder.with_name("away"))
            folder.write_text("no folder")
    with nucleus(tmp_path, [RecipeBuilder(A, run=FOREVER)], more=QUICK) as running:
        running.wait_for_state(A, "RUNNING")
        running.stop()


def test_the_command_says_so_of_an_access_file_that_is_damaged(tmp_path: Path) -> None:
    with nucleus(tmp_path, [RecipeBuilder(A, run=FOREVER)], more=QUICK) as running:
        running.wait_for_state(A, "RUNNING")
        for path in (running.root / "cli_ipc_info").iterdir():
            path.write_bytes(b"\xff{")
        code, words = deploy(tmp_path, [RecipeBuilder(A, run=FOREVER)])
    assert code == 1
    assert "cannot be read" in words
    assert "Traceback" not in words


def test_what_lies_above_the_nucleus_s_own_folder_is_never_moved(tmp_path: Path) -> None:
    above = tmp_path / "a-users-file"
    above.write_text("mine")
    with pytest.raises((OSError, RecipeError)):
        ConfigurationStore(above / "nucleus" / "configuration")
    assert above.read_text() == "mine"
