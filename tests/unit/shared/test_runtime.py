"""A wrong configuration never stops a station that had a good one."""

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from sightline.clock import SystemClock
from sightline.configuration import ConfigurationStruct
from sightline.errors import ConfigurationError
from sightline.kernel.configuration_keeper import LastGoodConfiguration
from sightline.kernel.health import ComponentHealth

REFUSED = "configuration-refused"
NOT_KEPT = "configuration-not-kept"


class Settings(ConfigurationStruct, frozen=True, kw_only=True):
    rate_hz: Annotated[float, Meta(gt=0)] = 5.0
    names: tuple[str, ...] = ("cam1",)


@pytest.fixture
def health() -> ComponentHealth:
    return ComponentHealth("com.sightline.Capture", "1", "station-1", SystemClock())


@pytest.fixture
def keeper(tmp_path: Path, health: ComponentHealth) -> LastGoodConfiguration[Settings]:
    return LastGoodConfiguration(Settings, tmp_path, health)


def faults(health: ComponentHealth) -> dict[str, str]:
    return {fault.code: fault.text for fault in health.build_report().faults}


def test_a_good_change_is_taken(
    keeper: LastGoodConfiguration[Settings], health: ComponentHealth
) -> None:
    assert keeper.load_first({}) == Settings()
    assert keeper.accept_if_valid({"rateHz": "2.5"}) == Settings(rate_hz=2.5)
    assert faults(health) == {}


def test_a_wrong_change_is_refused_with_a_fault_and_a_good_one_clears_it(
    keeper: LastGoodConfiguration[Settings], health: ComponentHealth
) -> None:
    keeper.load_first({})
    assert keeper.accept_if_valid({"rateHz": -1}) is None
    assert "/rateHz" in faults(health)[REFUSED]
    assert keeper.accept_if_valid({"rateHz": 1}) == Settings(rate_hz=1)
    assert faults(health) == {}


def test_a_start_with_a_wrong_configuration_takes_the_last_good_one(
    tmp_path: Path, keeper: LastGoodConfiguration[Settings], health: ComponentHealth
) -> None:
    keeper.load_first({"rateHz": 7, "names": ["left", "right"]})
    keeper.accept_if_valid({"rateHz": 0})
    restarted = LastGoodConfiguration(Settings, tmp_path, health)
    assert restarted.load_first({"rateHz": 0}) == Settings(rate_hz=7, names=("left", "right"))
    assert REFUSED in faults(health)


def test_a_first_start_with_a_wrong_configuration_fails(
    keeper: LastGoodConfiguration[Settings],
) -> None:
    with pytest.raises(ConfigurationError, match="there is no earlier good one"):
        keeper.load_first({"rate": 7})


@pytest.fixture
def full_disk(tmp_path: Path) -> Path:
    """What no configuration can be written to: a folder stands where the draft is to be."""
    draft = tmp_path / "configuration.last-good.new"
    draft.mkdir()
    return draft


def test_a_component_starts_on_a_full_disk_and_says_that_its_configuration_is_not_kept(
    full_disk: Path, keeper: LastGoodConfiguration[Settings], health: ComponentHealth
) -> None:
    assert keeper.load_first({"rateHz": 7}) == Settings(rate_hz=7)
    assert "an older one is in force" in faults(health)[NOT_KEPT]
    assert keeper.accept_if_valid({"rateHz": 8}) == Settings(rate_hz=8)
    full_disk.rmdir()
    assert keeper.accept_if_valid({"rateHz": 9}) == Settings(rate_hz=9)
    assert faults(health) == {}


def test_a_start_with_the_configuration_of_before_needs_no_room_on_the_disk(
    tmp_path: Path, keeper: LastGoodConfiguration[Settings], health: ComponentHealth
) -> None:
    keeper.load_first({"rateHz": 7})
    (tmp_path / "configuration.last-good.new").mkdir()
    restarted = LastGoodConfiguration(Settings, tmp_path, health)
    assert restarted.load_first({"rateHz": 7}) == Settings(rate_hz=7)
    assert faults(health) == {}


@pytest.mark.parametrize("damaged", [b"\xff\xfe\x00", b"", b"{", b"[]", b'{"rateHz": 0}'])
def test_a_damaged_last_good_configuration_is_said_in_words_and_replaced_by_the_next_good_one(
    tmp_path: Path, keeper: LastGoodConfiguration[Settings], damaged: bytes
) -> None:
    keeper.load_first({"rateHz": 7})
    (tmp_path / "configuration.last-good.json").write_bytes(damaged)
    with pytest.raises(ConfigurationError):
        keeper.load_first({"rateHz": 0})
    keeper.load_first({"rateHz": 7})
    assert keeper.load_first({"rateHz": 0}) == Settings(rate_hz=7)
