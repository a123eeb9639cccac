"""A whole station whose PLC sees where parts go: the records say it, and a part astray is shown."""

import pytest

from tests.pipeline.conftest import StartStation
from tests.pipeline.running_station import RunningStation

pytestmark = pytest.mark.station


@pytest.mark.parametrize("plc", ["opcua", "modbus"])
def test_a_good_part_that_is_blown_out_is_in_its_record_and_on_the_page(
    start_station: StartStation, plc: str
) -> None:
    station = start_station(400, rate_hz=4, plc=plc)
    station.wait_for("confirmed parts", lambda: len(numbers(station, "confirmed")) >= 4)
    station.machine.send_plant_command("fault", kind="ok_blown_out", by=1)
    station.wait_for("a part astray", lambda: bool(numbers(station, "unexpected")))
    (astray,) = numbers(station, "unexpected")
    station.wait_for("the fault", lambda: "reject-unexpected" in faults(station))
    assert f"part {astray}." in faults(station)["reject-unexpected"]
    station.stop_line()
    records = station.records()
    station.check_gate(records)
    assert next(r["gate"] for r in records if r["partNumber"] == astray) == "passed"
    assert len(numbers(station, "confirmed")) == len(records) - 1


def numbers(station: RunningStation, confirmation: str) -> list[int]:
    """The parts whose records say so."""
    return [
        int(record["partNumber"])
        for record in station.records()
        if record["gateConfirmation"] == confirmation
    ]


def faults(station: RunningStation) -> dict[str, str]:
    """What the page shows of the equipment component, code to text."""
    health = station.machine.fetch_cloud_summary()["health"]["com.sightline.Equipment"]
    return {fault["code"]: fault["text"] for fault in health["faults"]}
