"""A broker and a PLC that are away for a while: the station goes on, and nothing is lost."""

import pytest

from tests.pipeline.conftest import StartStation

pytestmark = pytest.mark.station
AWAY_S = 60


@pytest.mark.timeout(240)
def test_a_broker_away_for_a_minute_delays_the_records_and_loses_none(
    start_station: StartStation,
) -> None:
    parts = 2 * AWAY_S + 20
    station = start_station(parts, rate_hz=2)
    station.wait_for_parts(5)
    port = int(station.machine.broker.rsplit(":", 1)[1])
    counted_before = station.counted()
    station.machine.stop_process("broker")
    station.wait_for_parts(counted_before + 2 * AWAY_S)
    assert len(station.records()) <= counted_before + 2
    station.machine.start_broker(port)
    station.wait_until_settled()
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, parts + 1))
    assert all(record["verdict"] != "missed" for record in records)
    assert not any(component["restarts"] for component in station.components().values())


@pytest.mark.timeout(240)
def test_a_plc_out_of_reach_for_a_minute_rejects_meanwhile_and_every_part_is_accounted_for(
    start_station: StartStation,
) -> None:
    parts = 2 * AWAY_S + 30
    station = start_station(parts, rate_hz=2)
    station.wait_for_parts(5)
    station.machine.tell_plant("fault", kind="server_away", seconds=AWAY_S)
    station.wait_until_settled()
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, parts + 1))
    gate = station.gate_actions()
    missed = [record["partNumber"] for record in records if record["verdict"] == "missed"]
    assert len(missed) >= AWAY_S
    assert all(gate[number] == "rejected" for number in missed if number in gate)
    assert records[-1]["verdict"] != "missed"
    assert not any(component["restarts"] for component in station.components().values())
