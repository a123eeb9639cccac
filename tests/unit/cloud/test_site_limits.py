"""What is made up by the thousand fills neither the memory nor the page, and is said to be too much."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from cloud.site import restore_summary
from cloud.store import station_tables
from cloud.store.sqlite_store import SqliteStore
from cloud.store.stored_messages import MessageBatch
from cloud.wire.batches import ArrivedMessage, build_batch
from cloud.wire.site_limits import SiteLimits
from sightline.messaging.codec import encode
from sightline.messaging.messages import Fault, MachineState, StationHealth
from sightline.messaging.topics import INSPECTION_RECORD, MACHINE_STATE_TO_CLOUD, STATION_HEALTH
from tests.cloud.example_records import THING, health, machine_state, record


def told(limits: SiteLimits, *messages: StationHealth | MachineState) -> MessageBatch:
    streams = {StationHealth: STATION_HEALTH, MachineState: MACHINE_STATE_TO_CLOUD}
    arrivals = [
        ArrivedMessage(streams[type(each)].build_topic(each.station_id), encode(each), 1)
        for each in messages
    ]
    return build_batch(arrivals, limits)


def of_station(number: int) -> StationHealth:
    return replace(health("com.sightline.Capture", 9), station_id=f"station-{number}")


def test_more_stations_than_are_listed_are_not_taken_and_those_that_are_go_on() -> None:
    limits = SiteLimits(max_stations=3)
    first = told(limits, *(of_station(number) for number in range(1, 4)))
    assert (len(first.health), limits.fault) == (3, "")
    more = told(limits, of_station(4), of_station(2), of_station(5))
    assert [stored.thing for stored in more.health] == ["station-2"]
    assert len(more.refusals) == 2
    assert "The limit of 3 stations is reached" in limits.fault
    assert "'station-5'" in limits.fault


def test_a_station_that_is_one_too_many_keeps_its_records() -> None:
    limits = SiteLimits(max_stations=1)
    told(limits, of_station(1))
    part = encode(record(1, "station-2"))
    batch = build_batch(
        [ArrivedMessage(INSPECTION_RECORD.build_topic("station-2"), part, 1)], limits
    )
    assert (batch.records, batch.dead_letters) == ([], [])


def test_more_components_and_machines_of_a_station_than_are_listed_are_not_taken() -> None:
    limits = SiteLimits(max_components=2, max_machines=2)
    batch = told(limits, *(health(name, 9) for name in "abcb"))
    assert [stored.health.component for stored in batch.health] == ["a", "b", "b"]
    assert "2 components of 'station-1'" in limits.fault
    machines = (replace(machine_state(9), equipment_id=name) for name in "xyz")
    assert [one.state.equipment_id for one in told(limits, *machines).states] == ["x", "y"]


def test_what_a_message_that_is_refused_names_takes_no_place() -> None:
    limits = SiteLimits(max_stations=1)
    topic = STATION_HEALTH.build_topic("made-up")
    build_batch(
        [ArrivedMessage(topic, b"{}", 1), ArrivedMessage(topic, encode(of_station(1)), 1)], limits
    )
    assert len(told(limits, of_station(1)).health) == 1


def test_those_that_the_database_knows_keep_their_places(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.sqlite")
    store.commit(told(SiteLimits(), of_station(1), machine_state(9)))
    limits = SiteLimits(max_stations=1, max_machines=1)
    restore_summary(store, limits)
    assert told(limits, of_station(2)).health == []
    assert len(told(limits, of_station(1), machine_state(10)).health) == 1
    store.close()


def test_the_faults_of_one_station_do_not_grow_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_tables, "MAX_FAULTS_A_STATION", 5)
    store = SqliteStore(tmp_path / "records.sqlite")
    store.commit(told(SiteLimits(), replace(of_station(2), faults=(a_fault(1),))))
    for number in range(1, 13):
        report = replace(health("com.sightline.Capture", 9), faults=(a_fault(number),))
        store.commit(told(SiteLimits(), report))
    assert {fault.code for fault in store.load_faults(THING, 0)} == {f"f{n}" for n in range(8, 13)}
    assert len(store.load_faults("station-2", 0)) == 1
    store.close()


def a_fault(number: int) -> Fault:
    return Fault(code=f"f{number}", text="away", level="fault", since_utc_ns=number)
