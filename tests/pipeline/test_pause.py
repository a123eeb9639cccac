"""The cloud pauses a station that runs: parts are judged and recorded, and none passes."""

import asyncio

import pytest

from cloud.wire.broker_login import read_login
from tests.pipeline.conftest import StartStation
from tests.pipeline.running_station import Json, RunningStation
from tests.unit.nucleus.cloud_client import cloud_at

pytestmark = pytest.mark.station
MOST_PARTS = 400


def ask(station: RunningStation, kind: str) -> str:
    """Send the command and wait for its answer."""

    async def scenario() -> str:
        port = int(station.machine.broker_address.rpartition(":")[2])
        login = read_login(str(station.machine.broker_login_file))
        async with cloud_at(port, station.arguments.station, login) as cloud:
            return (await cloud.ask(f"c-{kind}", kind, "operator")).result

    return asyncio.run(asyncio.wait_for(scenario(), 60))


def judged_ok(station: RunningStation, mode: str, after: int = 0) -> list[Json]:
    """The records of ok parts that were judged in a mode, from a number on."""
    return [
        record
        for record in station.records()
        if (record["verdict"], record["mode"]) == ("ok", mode) and record["partNumber"] > after
    ]


def passed(records: list[Json]) -> int:
    """How many of the parts passed the gate."""
    return sum(record["gate"] == "passed" for record in records)


def test_a_paused_station_lets_no_part_through_also_when_its_equipment_starts_again(
    start_station: StartStation,
) -> None:
    station = start_station(MOST_PARTS, rate_hz=4)
    station.wait_for("parts pass", lambda: passed(judged_ok(station, "production")) >= 3)
    assert ask(station, "pause") == "done"
    paused_at = station.counted()
    station.kill("com.sightline.Equipment")
    killed_at = station.counted()
    station.wait_for("ok, paused", lambda: len(judged_ok(station, "paused", killed_at)) >= 4)
    paused = judged_ok(station, "paused", paused_at)
    assert passed(paused) == 0
    assert ask(station, "resume") == "done"
    resumed_at = station.counted()
    station.wait_for(
        "parts pass again", lambda: passed(judged_ok(station, "production", resumed_at)) >= 3
    )
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, len(records) + 1))
    modes = [record["mode"] for record in records]
    first, end = modes.index("paused"), modes.index("paused") + modes.count("paused")
    assert set(modes[first:end]) == {"paused"}
