"""`kill -9` of each component once during a run: the table of the design, row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline.conftest import station_starter
from tests.pipeline.running_station import Json, RunningStation, is_unseen

pytestmark = pytest.mark.station
MOST_PARTS = 5000  # the line runs until all five were killed
PARTS_BEFORE, PARTS_AFTER = 4, 6


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, bottles: Path) -> Iterator[RunningStation]:
    """One station in one run: each test kills another of its components."""
    with station_starter(tmp_path_factory.mktemp("kills"), bottles) as start:
        yield start(MOST_PARTS, rate_hz=4)


@dataclass(frozen=True)
class Killed:
    """The parts from shortly before a kill until the station judged parts as before."""

    records: list[Json]
    after: list[Json]
    gate: dict[int, str]


def _killed(station: RunningStation, component: str) -> Killed:
    first = station.counted() + 1
    station.wait_for_parts(first + PARTS_BEFORE)
    station.kill(component)
    back = station.counted()
    station.wait_for("parts are judged and acted on again", lambda: _judged(station, back))
    last = station.counted() + PARTS_AFTER
    station.wait_for_parts(last)
    station.wait_for("their records", lambda: station.records()[-1]["partNumber"] >= last)
    station.wait_for("the gate's word on them", lambda: last in station.gate_actions())
    records = [r for r in station.records() if first <= r["partNumber"] <= last]
    after = [r for r in records if r["partNumber"] > last - PARTS_AFTER]
    killed = Killed(records, after, station.gate_actions())
    _check_accounts(killed, range(first, last + 1))
    return killed


def _judged(station: RunningStation, after: int) -> bool:
    return any(
        record["verdict"] != "missed" and record["gate"] != "unconfirmed"
        for record in station.records()
        if record["partNumber"] > after
    )


def _check_accounts(killed: Killed, numbers: range) -> None:
    """Each part has exactly one record, and the gate passed only what was found ok."""
    records = killed.records
    assert [record["partNumber"] for record in records] == list(numbers)
    assert {record["epoch"] for record in records} == {records[0]["epoch"]}
    for record in records:
        if killed.gate[record["partNumber"]] == "passed":
            assert record["verdict"] == "ok", record
        if record["gate"] != "unconfirmed":
            assert record["gate"] == killed.gate[record["partNumber"]], record


def _check_missed_and_rejected(killed: Killed) -> None:
    missed = [record for record in killed.records if record["verdict"] == "missed"]
    assert any(is_unseen(record) for record in missed)
    assert all(killed.gate[record["partNumber"]] == "rejected" for record in missed)


def test_capture_killed_the_parts_it_did_not_see_are_missed_and_rejected(
    station: RunningStation,
) -> None:
    _check_missed_and_rejected(_killed(station, "com.sightline.Capture"))


def test_inference_killed_its_uncommitted_parts_are_missed_and_its_verdicts_stand(
    station: RunningStation,
) -> None:
    _check_missed_and_rejected(_killed(station, "com.sightline.Inference"))


def test_equipment_killed_the_plc_rejects_and_its_outcomes_are_read_at_the_restart(
    station: RunningStation,
) -> None:
    killed = _killed(station, "com.sightline.Equipment")
    assert all(record["gate"] != "unconfirmed" for record in killed.after)
    held_back = [r for r in killed.records if r["verdict"] in ("ok", "missed")]
    assert "rejected" in {killed.gate[record["partNumber"]] for record in held_back}


def test_telemetry_killed_every_part_is_still_judged(station: RunningStation) -> None:
    killed = _killed(station, "com.sightline.Telemetry")
    assert not any(is_unseen(record) for record in killed.records)
    assert killed.records[-1]["machine"] is not None


def test_publisher_killed_every_part_has_one_record_with_its_verdict_and_what_the_gate_did(
    station: RunningStation,
) -> None:
    killed = _killed(station, "com.sightline.Publisher")
    assert not any(is_unseen(record) for record in killed.records)
    assert all(record["gate"] != "unconfirmed" for record in killed.records)
