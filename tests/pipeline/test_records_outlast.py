"""What a nucleus, a broker or the cloud side had taken and not stored is gone with it; no record is."""

import pytest

from tests.pipeline.conftest import BOTH_NUCLEI, StartStation
from tests.pipeline.running_station import Json, RunningStation

pytestmark = [pytest.mark.station, pytest.mark.timeout(300)]
PARTS, RATE_HZ = 40, 2
AWAY_PARTS = 8


def _end(station: RunningStation) -> list[Json]:
    """Exactly one record of each part, in the end."""
    station.wait_for_parts(PARTS)
    station.wait_for("a record of each part", lambda: len(station.records()) >= PARTS, 120.0)
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    return records


def _broker_port(station: RunningStation) -> int:
    return int(station.machine.broker_address.rsplit(":", 1)[1])


@BOTH_NUCLEI
def test_the_power_fails_while_the_broker_is_away_and_no_record_is_lost(
    start_station: StartStation, nucleus: str
) -> None:
    station = start_station(PARTS, rate_hz=RATE_HZ, nucleus=nucleus)
    station.wait_for_parts(5)
    station.machine.stop_process("broker")
    last_before = station.counted()
    station.wait_for_parts(last_before + AWAY_PARTS)
    station.machine.restart_nucleus()
    station.wait_for_parts(station.counted() + 4)
    station.machine.start_broker(_broker_port(station))
    while_away = _end(station)[last_before : last_before + AWAY_PARTS - 2]
    assert all(record["verdict"] != "missed" for record in while_away), while_away


def test_what_a_killed_cloud_side_and_its_broker_had_taken_is_sent_again(
    start_station: StartStation,
) -> None:
    station = start_station(PARTS, rate_hz=RATE_HZ)
    station.wait_for_parts(5)
    station.machine.kill_process("cloud")
    station.wait_for_parts(station.counted() + AWAY_PARTS)
    station.machine.kill_process("broker")
    station.machine.start_broker(_broker_port(station))
    station.machine.start_cloud()
    assert all(record["verdict"] != "missed" for record in _end(station))
