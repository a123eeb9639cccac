"""A whole station whose PLC speaks Modbus: each part has its record, and the gate did what it says."""

import pytest

from tests.pipeline.conftest import StartStation

pytestmark = pytest.mark.station
PARTS = 12


def test_a_run_over_modbus_accounts_for_every_part(start_station: StartStation) -> None:
    station = start_station(PARTS, rate_hz=4, plc="modbus")
    station.wait_until_settled()
    assert station.machine.read_plant_status()["endpoint"].startswith("modbus-tcp://")
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    assert {record["verdict"] for record in records} >= {"ok"}
    station.check_gate(records)
