"""Configuration is taken as both nuclei give it, and refused with the place of what is wrong."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from sightline.configuration import (
    ConfigurationStruct,
    default_configuration,
    find_value_at,
    json_pointer,
    load_configuration,
)
from sightline.errors import ConfigurationError


class CameraSettings(ConfigurationStruct, frozen=True, kw_only=True):
    name: str = "cam1"
    frame_rate_hz: Annotated[float, Meta(gt=0, le=120)] = 30.0
    gain: float | None = None


class FolderSource(ConfigurationStruct, frozen=True, kw_only=True, tag_field="kind", tag="folder"):
    folder: str = "pictures"


class DeviceSource(ConfigurationStruct, frozen=True, kw_only=True, tag_field="kind", tag="device"):
    path: str = "/dev/video0"


class StationSettings(ConfigurationStruct, frozen=True, kw_only=True):
    cameras: tuple[CameraSettings, ...] = (CameraSettings(),)
    slots: Annotated[int, Meta(ge=2)] = 8
    enabled: bool = True
    mode: Literal["fast", "exact"] = "fast"
    source: FolderSource | DeviceSource = FolderSource()
    limits: dict[str, float] = msgspec.field(default_factory=dict)


def load(**values: Any) -> StationSettings:
    return load_configuration(StationSettings, values)


def test_nothing_given_means_the_defaults() -> None:
    assert load() == StationSettings()


def test_the_defaults_written_into_a_recipe_load_as_the_defaults() -> None:
    written = default_configuration(StationSettings)
    assert list(written["cameras"]) == [{"name": "cam1", "frameRateHz": 30.0, "gain": None}]
    assert load(**written) == StationSettings()


def test_numbers_and_switches_written_as_text_are_taken() -> None:
    found = load(
        slots="4",
        enabled="false",
        cameras=[{"name": "left", "frameRateHz": "59.94", "gain": "1.5"}],
        limits={"speed": "0.5"},
    )
    assert found.slots == 4
    assert found.enabled is False
    assert found.cameras[0] == CameraSettings(name="left", frame_rate_hz=59.94, gain=1.5)
    assert found.limits == {"speed": 0.5}


@given(st.integers(2, 10**9), st.floats(0.001, 120, allow_nan=False))
def test_a_number_means_the_same_as_its_text(slots: int, rate: float) -> None:
    as_numbers = load(slots=slots, cameras=[{"frameRateHz": rate}])
    as_text = load(slots=str(slots), cameras=[{"frameRateHz": repr(rate)}])
    assert as_numbers == as_text


def test_another_kind_of_a_part_is_chosen_by_its_kind() -> None:
    assert load(source={"kind": "device", "path": "/dev/video2"}).source == DeviceSource(
        path="/dev/video2"
    )


@pytest.mark.parametrize(
    ("values", "pointer", "found"),
    [
        ({"slots": 1}, "/slots", "found 1"),
        ({"slots": "many"}, "/slots", "found 'many'"),
        ({"cameras": [{}, {"frameRateHz": "-3"}]}, "/cameras", "found"),
        ({"mode": "slow"}, "/mode", "found 'slow'"),
        ({"source": {"kind": "tape"}}, "/source", "found"),
        ({"cameras": "cam1"}, "/cameras", "found 'cam1'"),
    ],
)
def test_a_wrong_value_is_named_by_pointer_and_shown(
    values: dict[str, Any], pointer: str, found: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"StationSettings at {pointer}") as caught:
        load(**values)
    assert found in str(caught.value)


def test_what_was_found_is_shown_by_its_beginning_where_it_is_long() -> None:
    with pytest.raises(ConfigurationError, match="StationSettings at /") as caught:
        load(cameras=[{"name": "left"}] * 1000, colour="red")
    assert "found {'cameras': [{'name': 'left'}" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="frameRate"):
        load(cameras=[{"frameRate": 30}])
    with pytest.raises(ConfigurationError, match="colour"):
        load(colour="red")


def test_what_greengrass_adds_for_itself_is_passed_over() -> None:
    assert load(accessControl={"aws.greengrass.ipc.pubsub": {}}) == StationSettings()


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ("Expected `int`, got `str` - at `$.slots`", "/slots"),
        ("Expected `float` - at `$.cameras[3].frameRateHz`", "/cameras/3/frameRateHz"),
        ("Expected `float` - at `$.limits[...]`", "/limits/..."),
        ("Object contains unknown field `x`", ""),
        ("Expected `str` matching - at `key` in `$.source.controls`", "/source/controls"),
    ],
)
def test_a_place_in_a_validation_text_becomes_a_json_pointer(message: str, pointer: str) -> None:
    assert json_pointer(message) == pointer


def test_a_pointer_leads_to_its_value_or_to_none() -> None:
    values = {"cameras": [{"name": "left"}]}
    assert find_value_at(values, "/cameras/0/name") == "left"
    assert find_value_at(values, "/nothing/0") is None
    assert find_value_at(values, "") == values


@pytest.mark.parametrize("nested", [False, True])
def test_what_no_file_could_keep_is_refused_like_any_other_value(nested: bool) -> None:
    value: Any = "\ud800"
    for _ in range(50_000 if nested else 0):
        value = [value]
    with pytest.raises(ConfigurationError):
        load(cameras=value)
    with pytest.raises(ConfigurationError):
        load(cameras=[{"name": value}])
