"""What a station has of its own lies over what Greengrass says, and nothing doubtful comes into force."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from msgspec import Meta

from sightline.clock import SystemClock
from sightline.configuration import ConfigurationStruct
from sightline.kernel.component_loop import StopRequest
from sightline.kernel.configuration_keeper import OLD_KEYS_FAULT, LastGoodConfiguration
from sightline.kernel.health import ComponentHealth, HealthReporter
from sightline.kernel.runtime import wait_for_configuration
from sightline.kernel.station_settings import SETTINGS_FAULT, SettingsNotThereError
from sightline.messaging.bus import Inbox
from sightline.messaging.topics import CAPTURE
from sightline.storage.settings_store import SettingsFile, encode_settings, station_file
from tests.unit.shared.kernel_kit import HandMovedClock, RefusingBus

REFUSED = "configuration-refused"
THING = "line-7"


class Link(ConfigurationStruct, frozen=True, kw_only=True):
    endpoint: str = ""
    max_retry_s: Annotated[float, Meta(gt=0)] = 30.0


class Values(ConfigurationStruct, frozen=True, kw_only=True):
    OLD_KEYS: ClassVar[Mapping[str, str]] = {"/link/longestRetryS": "maxRetryS"}

    station_folder: str = ""
    rate_hz: Annotated[float, Meta(gt=0)] = 5.0
    link: Link = Link()


class Station:
    """A component's work folder and the station's folder, and what Greengrass says."""

    def __init__(self, folder: Path) -> None:
        self.work, self.folder = folder / "work", folder / "station"
        self.work.mkdir()
        self.file = station_file(self.folder)
        self.greengrass: dict[str, Any] = {"stationFolder": str(self.folder)}
        self.start()

    def start(self) -> None:
        """As a new process."""
        self.health = ComponentHealth(CAPTURE, "1", THING, SystemClock())
        self.keeper = LastGoodConfiguration(Values, self.work, self.health)

    def put(self, own: dict[str, Any], thing: str = THING, version: str = "") -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        settings = SettingsFile(thing=thing, version=version, components={CAPTURE: own})
        draft = self.file.with_suffix(".new")
        draft.write_bytes(encode_settings(settings))
        draft.replace(self.file)

    def load(self) -> Values:
        return self.keeper.load_first(self.greengrass)

    def take(self, **greengrass: Any) -> Values | None:
        self.greengrass |= greengrass
        return self.keeper.accept_if_valid(self.greengrass)

    @property
    def faults(self) -> dict[str, str]:
        return {fault.code: fault.text for fault in self.health.build_report().faults}


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


def test_settings_lie_over_greengrass_map_by_map(station: Station) -> None:
    station.put({"link": {"endpoint": "opc.tcp://own"}})
    station.greengrass |= {"rateHz": "7", "link": {"endpoint": "shared", "maxRetryS": 3}}
    loaded = station.load()
    assert loaded.rate_hz == 7
    assert loaded.link == Link(endpoint="opc.tcp://own", max_retry_s=3)
    assert station.faults == {}


def test_without_a_file_greengrass_alone_says_what_holds(station: Station) -> None:
    station.greengrass["rateHz"] = 7
    assert station.load().rate_hz == 7
    assert station.faults == {}


def test_a_new_file_is_noticed_and_taken(station: Station) -> None:
    station.load()
    assert not station.keeper.settings_changed()
    station.put({"rateHz": 8})
    assert station.keeper.settings_changed()
    taken = station.take()
    assert taken is not None
    assert taken.rate_hz == 8
    assert not station.keeper.settings_changed()


def test_a_refused_value_is_told_to_be_the_stations_own_and_the_last_good_stays(
    station: Station,
) -> None:
    station.put({"rateHz": 8})
    station.load()
    station.put({"rateHz": -1})
    assert station.take() is None
    assert "/rateHz" in station.faults[REFUSED]
    assert f"from the station's own settings: {station.file}" in station.faults[REFUSED]
    station.start()
    assert station.load().rate_hz == 8


def test_a_refused_value_of_greengrass_is_not_laid_at_the_settings_door(station: Station) -> None:
    station.put({"link": {"endpoint": "own"}})
    station.load()
    assert station.take(link={"maxRetryS": -1}) is None
    assert "/link/maxRetryS" in station.faults[REFUSED]
    assert "own settings" not in station.faults[REFUSED]
    assert station.take(link={}, unknown=3) is None
    assert "own settings" not in station.faults[REFUSED]


def test_an_unknown_key_of_the_settings_is_told_to_be_theirs(station: Station) -> None:
    station.put({"link": {"endpont": "own"}})
    station.greengrass["link"] = {"maxRetryS": 3}
    (station.work / "configuration.last-good.json").write_text("{}")
    station.load()
    assert "endpont" in station.faults[REFUSED]
    assert "own settings" in station.faults[REFUSED]


def test_an_old_key_is_found_in_settings_too_and_is_in_force(station: Station) -> None:
    station.put({"link": {"longestRetryS": 9}})
    station.greengrass["link"] = {"maxRetryS": 3}
    assert station.load().link.max_retry_s == 9
    assert "/link/longestRetryS = 9" in station.faults[OLD_KEYS_FAULT]


def test_a_new_key_in_settings_wins_over_an_old_one_of_greengrass(station: Station) -> None:
    station.put({"link": {"maxRetryS": 9}})
    station.greengrass["link"] = {"longestRetryS": 3}
    assert station.load().link.max_retry_s == 9


def test_a_refused_old_key_is_shown_as_it_is_written(station: Station) -> None:
    station.load()
    station.put({"link": {"longestRetryS": -9}})
    assert station.take() is None
    assert "as /link/longestRetryS" in station.faults[REFUSED]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read as settings"),
        (b'{"thing": "line-7", "comp', "cannot be read as settings"),
        (
            encode_settings(SettingsFile(thing="line-8")),
            "of the station 'line-8'; this is 'line-7'",
        ),
    ],
)
def test_a_damaged_or_foreign_file_is_a_fault_and_the_last_good_settings_stay(
    content: bytes, words: str, station: Station
) -> None:
    station.put({"rateHz": 8})
    station.load()
    station.file.write_bytes(content)
    for restarts in (False, True):
        if restarts:
            station.start()
        taken = station.load() if restarts else station.take()
        assert taken is not None
        assert taken.rate_hz == 8
        assert words in station.faults[SETTINGS_FAULT]
        assert "Deploy the station's settings component again" in station.faults[SETTINGS_FAULT]
    taken = station.take(link={"maxRetryS": 2})
    assert taken is not None
    assert (taken.rate_hz, taken.link.max_retry_s) == (8, 2)
    station.put({"rateHz": 9})
    taken = station.take()
    assert taken is not None
    assert taken.rate_hz == 9
    assert station.faults == {}


def test_a_file_that_is_gone_is_a_fault_and_says_how_to_do_without(station: Station) -> None:
    station.put({"rateHz": 8})
    station.load()
    station.file.unlink()
    station.start()
    assert station.load().rate_hz == 8
    assert "is gone" in station.faults[SETTINGS_FAULT]
    (station.work / "settings.last-good.json").unlink()
    station.start()
    assert station.load().rate_hz == 5
    assert station.faults == {}


def test_a_first_start_with_a_damaged_file_begins_when_it_is_whole(station: Station) -> None:
    station.put({})
    station.file.write_bytes(b"{")
    with pytest.raises(SettingsNotThereError, match="settings component again"):
        station.load()
    station.put({"rateHz": 8})
    assert station.load().rate_hz == 8


def test_settings_of_another_version_than_the_deployment_names_are_waited_for(
    station: Station,
) -> None:
    station.put({"rateHz": 8}, version="0.1.7")
    station.greengrass["settingsVersion"] = "0.1.7"
    station.load()
    assert station.take(settingsVersion="0.1.8", link={"maxRetryS": 2}) is None
    assert "version 0.1.8 is expected" in station.faults[SETTINGS_FAULT]
    station.put({"rateHz": 9}, version="0.1.8")
    assert station.keeper.settings_changed()
    taken = station.take()
    assert taken is not None
    assert (taken.rate_hz, taken.link.max_retry_s) == (9, 2)
    assert station.faults == {}


def test_a_first_start_waits_for_the_settings_that_the_deployment_names(station: Station) -> None:
    station.greengrass["settingsVersion"] = "0.1.7"
    with pytest.raises(SettingsNotThereError, match=r"is not there; version 0\.1\.7 is expected"):
        station.load()


def test_a_station_has_no_folder_of_its_own(station: Station) -> None:
    station.load()
    station.put({"stationFolder": "/elsewhere"})
    assert station.take() is None
    assert "at /stationFolder" in station.faults[REFUSED]


def test_a_configuration_asked_about_is_judged_with_the_settings_that_go_with_it(
    station: Station,
) -> None:
    station.put({"rateHz": 8}, version="0.1.7")
    station.load()
    assert station.keeper.check(station.greengrass) == ""
    assert "/link/maxRetryS" in station.keeper.check(
        station.greengrass | {"link": {"maxRetryS": -1}}
    )
    station.put({"rateHz": -1}, version="0.1.7")
    assert station.keeper.check(station.greengrass | {"settingsVersion": "0.1.8"}) == ""


def test_a_component_that_waits_says_so_and_starts_by_itself(tmp_path: Path) -> None:
    clock, inbox, bus = HandMovedClock(), Inbox(), RefusingBus()
    health = ComponentHealth(CAPTURE, "1", THING, clock)
    answers: list[Exception | None] = [SettingsNotThereError("not there"), None]

    def load() -> Values:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return Values()

    loaded = wait_for_configuration(
        load, inbox, lambda: HealthReporter(bus, health, inbox), health, poll_s=0.01
    )
    assert loaded == Values()
    told = [json.loads(json.dumps([f.text for f in m.faults])) for _, m in bus.published]  # type: ignore[attr-defined]
    assert told == [["not there"]]


def test_a_component_that_waits_can_be_stopped() -> None:
    clock, inbox = HandMovedClock(), Inbox()
    health = ComponentHealth(CAPTURE, "1", THING, clock)

    def load() -> Values:
        raise SettingsNotThereError("not there")

    inbox.post(StopRequest())
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            wait_for_configuration(
                load, inbox, lambda: HealthReporter(RefusingBus(), health, inbox), health
            )
        except Exception as error:  # noqa: BLE001 the private exception of an early stop
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert type(failed[0]).__name__ == "_StoppedEarlyError"
