"""The cloud pauses a station that runs: parts are judged and recorded, and none passes."""

import asyncio

import pytest

from tests.pipeline.conftest import StartStation
from tests.pipeline.running import Json, RunningStation
from tests.unit.nucleus.cloud_client import cloud_at

pytestmark = pytest.mark.station
PARTS = 45


def ask(station: RunningStation, kind: str) -> str:
    """Send the command and wait for its answer."""

    async def scenario() -> str:
        port = int(station.machine.broker.rpartition(":")[2])
        async with cloud_at(port, station.arguments.station) as cloud:
            return (await cloud.ask(f"c-{kind}", kind, "operator")).result

    return asyncio.run(asyncio.wait_for(scenario(), 60))


def passed(records: list[Json]) -> list[bool]:
    """Of the ok parts, which passed."""
    return [record["gate"] == "passed" for record in records if record["verdict"] == "ok"]


def test_a_paused_station_lets_no_part_through_also_when_its_equipment_starts_again(
    start_station: StartStation,
) -> None:
    station = start_station(PARTS, rate_hz=5)
    station.wait_for_parts(8)
    assert ask(station, "pause") == "done"
    station.kill("com.sightline.Equipment")
    station.wait_for_parts(station.counted() + 10)
    assert ask(station, "resume") == "done"
    station.wait_until_settled()
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    modes = [record["mode"] for record in records]
    first, end = modes.index("paused"), modes.index("paused") + modes.count("paused")
    assert set(modes[first:end]) == {"paused"}
    # one part may be on its way while the word goes from the publisher to the equipment
    assert not any(passed(records[first + 1 : end]))
    assert len(passed(records[first + 1 : end])) >= 5
    assert all(passed(records[: first - 1]))
    assert any(passed(records[end:]))
    assert all(passed(records[end + 1 :]))
