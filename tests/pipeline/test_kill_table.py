"""`kill -9` of each component once during a run: the table of the design, row by row."""

import pytest

from tests.pipeline.conftest import StartStation
from tests.pipeline.running import Json, RunningStation

pytestmark = pytest.mark.station
PARTS = 30


def _run_with_kill(start_station: StartStation, component: str) -> RunningStation:
    station = start_station(PARTS, rate_hz=4)
    station.wait_for_parts(8)
    station.kill(component)
    station.wait_until_settled()
    return station


def _check_accounts(station: RunningStation) -> list[Json]:
    """Each part has exactly one record, and the gate passed only what was found ok."""
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    assert {record["epoch"] for record in records} == {records[0]["epoch"]}
    gate = station.gate_actions()
    for record in records:
        if gate[record["partNumber"]] == "passed":
            assert record["verdict"] == "ok", record
        if record["gate"] != "unconfirmed":
            assert record["gate"] == gate[record["partNumber"]], record
    return records


def test_capture_killed_the_parts_it_did_not_see_are_missed_and_rejected(
    start_station: StartStation,
) -> None:
    records = _check_accounts(_run_with_kill(start_station, "com.sightline.Capture"))
    missed = [record for record in records if record["verdict"] == "missed"]
    assert missed
    assert all(record["gate"] == "rejected" for record in missed)
    assert records[-1]["verdict"] != "missed"


def test_inference_killed_its_uncommitted_parts_are_missed_and_its_verdicts_stand(
    start_station: StartStation,
) -> None:
    records = _check_accounts(_run_with_kill(start_station, "com.sightline.Inference"))
    missed = [record for record in records if record["verdict"] == "missed"]
    assert missed
    assert all(record["gate"] == "rejected" for record in missed)
    assert records[-1]["verdict"] != "missed"


def test_equipment_killed_the_plc_rejects_and_its_outcomes_are_read_at_the_restart(
    start_station: StartStation,
) -> None:
    station = _run_with_kill(start_station, "com.sightline.Equipment")
    records = _check_accounts(station)
    assert all(record["gate"] != "unconfirmed" for record in records[-5:])
    assert "rejected" in {station.gate_actions()[number] for number in range(8, 16)}


def test_telemetry_killed_every_part_is_still_judged(start_station: StartStation) -> None:
    records = _check_accounts(_run_with_kill(start_station, "com.sightline.Telemetry"))
    assert all(record["verdict"] != "missed" for record in records)
    assert records[-1]["machine"] is not None


def test_publisher_killed_every_part_has_one_record_with_its_verdict_and_what_the_gate_did(
    start_station: StartStation,
) -> None:
    records = _check_accounts(_run_with_kill(start_station, "com.sightline.Publisher"))
    assert all(record["verdict"] != "missed" for record in records)
    assert all(record["gate"] != "unconfirmed" for record in records)
