"""Configuration: kept on disk, merged from recipe and deployment, changed by the component."""

import asyncio
import json
from pathlib import Path

import pytest

from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.nucleus_errors import InvalidArgumentsError, ResourceNotFoundError, ServiceError

NAME = "com.example.A"
DEFAULT = {"rate": 2, "camera": {"gain": 1, "name": "x"}, "accessControl": {"service": {"1": {}}}}


def deployed(folder: Path, merge: dict[str, object] | None = None) -> ConfigurationStore:
    store = ConfigurationStore(folder)
    store.apply_deployment(NAME, DEFAULT, merge or {}, at_s=100.0)
    return store


def update(
    store: ConfigurationStore, component: str, path: tuple[str, ...], value: object, at_s: float
) -> list[tuple[str, ...]]:
    """One change, until it is on disk."""
    return asyncio.run(store.update(component, path, value, at_s))


def test_what_a_component_changed_survives_a_restart_of_the_nucleus(tmp_path: Path) -> None:
    update(deployed(tmp_path), NAME, ("camera",), {"gain": 7}, at_s=200.0)
    assert deployed(tmp_path).value(NAME, ("camera",)) == {"gain": 7, "name": "x"}


def test_the_time_of_a_change_survives_a_restart_of_the_nucleus(tmp_path: Path) -> None:
    update(deployed(tmp_path), NAME, ("rate",), 5, at_s=200.0)
    assert update(deployed(tmp_path), NAME, ("rate",), 6, at_s=199.0) == []


def test_a_deployment_merges_over_the_defaults(tmp_path: Path) -> None:
    store = deployed(tmp_path, {"camera": {"gain": 3}})
    assert store.value(NAME, ("camera",)) == {"gain": 3, "name": "x"}


def test_a_new_deployment_takes_the_place_of_what_the_component_changed(tmp_path: Path) -> None:
    update(deployed(tmp_path), NAME, ("rate",), 5, at_s=200.0)
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, DEFAULT, {"rate": 9}, at_s=300.0)
    assert store.value(NAME, ("rate",)) == 9
    assert update(store, NAME, ("rate",), 10, at_s=301.0) == [("rate",)]


def test_a_reset_goes_back_to_the_default_before_the_merge(tmp_path: Path) -> None:
    update(deployed(tmp_path), NAME, (), {"rate": 5, "camera": {"gain": 7}}, at_s=200.0)
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, DEFAULT, {"rate": 9}, at_s=300.0, reset=["/camera/gain"])
    assert store.value(NAME, ("camera", "gain")) == 1
    assert store.value(NAME, ("rate",)) == 9


def test_a_key_that_a_new_recipe_adds_gets_its_default(tmp_path: Path) -> None:
    deployed(tmp_path)
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, {**DEFAULT, "added": 1}, {}, at_s=300.0)
    assert store.value(NAME, ("added",)) == 1


def test_policies_come_from_recipe_and_deployment_alone(tmp_path: Path) -> None:
    deployed(tmp_path)
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, {"accessControl": {}}, {}, at_s=300.0)
    assert store.access_control(NAME) == {}


@pytest.mark.parametrize(
    ("path", "value"), [((), {"accessControl": {}}), (("accessControl",), {"service": {}})]
)
def test_a_component_cannot_change_its_own_policies(
    tmp_path: Path, path: tuple[str, ...], value: object
) -> None:
    store = deployed(tmp_path)
    with pytest.raises(InvalidArgumentsError):
        update(store, NAME, path, value, at_s=200.0)
    assert store.access_control(NAME) == DEFAULT["accessControl"]


def test_an_older_change_is_passed_over(tmp_path: Path) -> None:
    store = deployed(tmp_path)
    assert update(store, NAME, ("rate",), 5, at_s=200.0) == [("rate",)]
    assert update(store, NAME, ("rate",), 6, at_s=150.0) == []
    assert store.value(NAME, ("rate",)) == 5


def test_each_leaf_that_changed_is_told_to_who_watches_at_or_above_it(tmp_path: Path) -> None:
    store = deployed(tmp_path)
    at_root: list[tuple[str, ...]] = []
    at_camera: list[tuple[str, ...]] = []
    store.watch(NAME, (), lambda _, leaf: at_root.append(leaf))
    end = store.watch(NAME, ("camera",), lambda _, leaf: at_camera.append(leaf))
    update(store, NAME, (), {"rate": 2, "camera": {"gain": 4}, "new": True}, at_s=200.0)
    end()
    update(store, NAME, ("camera", "name"), "y", at_s=201.0)
    assert at_root == [("camera", "gain"), ("new",), ("camera", "name")]
    assert at_camera == [("camera", "gain")]


def test_a_value_of_another_type_is_a_change(tmp_path: Path) -> None:
    store = deployed(tmp_path)
    assert update(store, NAME, ("camera", "gain"), True, at_s=200.0) == [("camera", "gain")]


def test_a_map_does_not_take_the_place_of_a_scalar_and_nothing_is_changed(tmp_path: Path) -> None:
    store = deployed(tmp_path)
    with pytest.raises(ServiceError):
        update(store, NAME, (), {"camera": {"gain": 9}, "rate": {"a": "map"}}, at_s=200.0)
    assert store.value(NAME, ("camera", "gain")) == 1


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    store = deployed(tmp_path)
    for component, path in ((NAME, ("missing",)), (NAME, ("rate", "below")), ("other", ())):
        with pytest.raises(ResourceNotFoundError):
            store.value(component, path)


def test_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    deployed(tmp_path)
    (tmp_path / f"{NAME}.json").write_bytes(b'{"values": ')
    assert deployed(tmp_path).value(NAME, ("rate",)) == 2


def test_the_file_is_always_whole(tmp_path: Path) -> None:
    store = deployed(tmp_path)
    for number in range(5):
        update(store, NAME, ("rate",), number, at_s=200.0 + number)
        json.loads((tmp_path / f"{NAME}.json").read_text())
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.json"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("",), {}),
        (("zz",), {}),
        (("zz", "deep"), {"a": [1]}),
        (("camera", "zoom"), 3),
        (("rate",), "fast"),
        (("rate",), [1, 2]),
        (("camera", "name"), 5),
    ],
)
def test_what_a_component_put_where_nothing_such_belongs_goes_with_the_next_deployment(
    tmp_path: Path, path: tuple[str, ...], value: object, caplog: pytest.LogCaptureFixture
) -> None:
    update(deployed(tmp_path), NAME, path, value, at_s=200.0)
    again = deployed(tmp_path)  # the same deployment: it stays, and the way out is told
    assert again.value(NAME, path[:1]) is not None
    assert f'reset ["/{path[0]}' in caplog.text
    assert str(tmp_path / f"{NAME}.json") in caplog.text
    caplog.clear()
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, DEFAULT, {"camera": {"gain": 9}}, at_s=300.0)
    expected = {**DEFAULT, "camera": {"gain": 9, "name": "x"}}
    assert store.value(NAME, ()) == expected
    caplog.clear()
    ConfigurationStore(tmp_path).apply_deployment(
        NAME, DEFAULT, {"camera": {"gain": 9}}, at_s=400.0
    )
    assert caplog.text == ""


def test_what_a_component_put_into_an_open_map_or_of_the_same_kind_stays(tmp_path: Path) -> None:
    default = {**DEFAULT, "products": {}, "text": "0.5"}
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, default, {}, at_s=100.0)
    update(store, NAME, ("products",), {"1": "bottle"}, at_s=200.0)
    update(store, NAME, ("rate",), 7.5, at_s=200.0)
    update(store, NAME, ("text",), 0.7, at_s=200.0)
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, default, {"camera": {"gain": 9}}, at_s=300.0)
    assert store.value(NAME, ("products",)) == {"1": "bottle"}
    assert store.value(NAME, ("rate",)) == 7.5
    assert store.value(NAME, ("text",)) == 0.7


def test_the_way_out_that_is_told_is_one(tmp_path: Path) -> None:
    update(deployed(tmp_path), NAME, ("camera", "gain"), 1000, at_s=200.0)
    store = ConfigurationStore(tmp_path)
    store.apply_deployment(NAME, DEFAULT, {}, at_s=300.0, reset=["/camera/gain"])
    assert store.value(NAME, ("camera", "gain")) == 1
