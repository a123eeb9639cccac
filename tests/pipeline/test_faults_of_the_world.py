"""A broker and a PLC that are away for a minute: the station goes on, and nothing is lost.

Two stations go through their minute side by side, since a minute is long; the one without its PLC
under Nucleus Lite.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.pipeline.conftest import StartStation, station_starter
from tests.pipeline.running_station import Json, RunningStation

pytestmark = [pytest.mark.station, pytest.mark.timeout(300)]
RATE_HZ = 2
AWAY_S = 60
PARTS = RATE_HZ * AWAY_S + 30


@pytest.fixture(scope="module")
def disturbed(
    tmp_path_factory: pytest.TempPathFactory, bottles: Path
) -> Iterator[dict[str, RunningStation]]:
    """Two stations after a minute without their broker, and without their PLC."""
    with ExitStack() as stack:
        starters: dict[str, StartStation] = {
            name: stack.enter_context(station_starter(tmp_path_factory.mktemp(name), bottles))
            for name in ("broker", "plc")
        }
        stations = {
            "broker": starters["broker"](PARTS, rate_hz=RATE_HZ),
            "plc": starters["plc"](PARTS, rate_hz=RATE_HZ, nucleus="lite"),
        }
        for station in stations.values():
            station.wait_for_parts(5)
        _take_both_away_for_a_minute(stations["broker"], stations["plc"])
        for station in stations.values():
            station.wait_until_settled()
        yield stations


def _take_both_away_for_a_minute(broker: RunningStation, plc: RunningStation) -> None:
    port = int(broker.machine.broker_address.rsplit(":", 1)[1])
    broker.machine.stop_process("broker")
    plc.machine.send_plant_command("fault", kind="server_away", seconds=AWAY_S)
    before, counted = len(broker.records()), broker.counted()
    broker.wait_for_parts(counted + RATE_HZ * AWAY_S)
    assert len(broker.records()) <= before + 2
    broker.machine.start_broker(port)


def _checked_records(station: RunningStation) -> list[Json]:
    """Each part has its record, and no component ended."""
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    assert not any(component["restarts"] for component in station.components().values())
    return records


def test_a_broker_away_for_a_minute_delays_the_records_and_loses_none(
    disturbed: dict[str, RunningStation],
) -> None:
    records = _checked_records(disturbed["broker"])
    assert all(record["verdict"] != "missed" for record in records)


def test_a_plc_out_of_reach_for_a_minute_rejects_meanwhile_and_every_part_is_accounted_for(
    disturbed: dict[str, RunningStation],
) -> None:
    records = _checked_records(disturbed["plc"])
    gate = disturbed["plc"].gate_actions()
    missed = [record["partNumber"] for record in records if record["verdict"] == "missed"]
    assert len(missed) >= AWAY_S
    assert all(gate[number] == "rejected" for number in missed if number in gate)
    assert records[-1]["verdict"] != "missed"
