"""A changeover between two parts of a running line: each record by the right product, none missed."""

import asyncio

import pytest

from sightline.messages import Argument, CommandOutcome
from tests.pipeline.conftest import StartStation
from tests.pipeline.running import Json, RunningStation
from tests.unit.nucleus.cloud_client import cloud_at

pytestmark = pytest.mark.station
MOST_PARTS = 400
CAPTURE = "com.sightline.Capture"


def ask(station: RunningStation, kind: str, **arguments: Argument) -> CommandOutcome:
    """Send a command and wait until it is carried out or refused."""

    async def scenario() -> CommandOutcome:
        port = int(station.machine.broker.rpartition(":")[2])
        async with cloud_at(port, station.arguments.station) as cloud:
            return await cloud.ask(
                f"c-{kind}-{len(station.records())}", kind, "operator", arguments, until_done=True
            )

    return asyncio.run(asyncio.wait_for(scenario(), 60))


def made_as(records: list[Json], product: str) -> list[int]:
    """The numbers of the parts that are of a product."""
    return [record["partNumber"] for record in records if record["product"] == product]


def test_a_changeover_takes_effect_between_two_parts_and_outlasts_a_kill(
    start_station: StartStation,
) -> None:
    station = start_station(MOST_PARTS, rate_hz=3)
    station.wait_for("bottles", lambda: len(made_as(station.records(), "bottle")) >= 3)
    changed = ask(station, "change_product", product="bottle-strict", lot="L-7")
    assert (changed.result, changed.reason) == (
        "done",
        "product bottle-strict, version 1, lot L-7",
    )
    assert changed.from_part is not None
    first = changed.from_part.part_number
    station.wait_for("strict", lambda: len(made_as(station.records(), "bottle-strict")) >= 2)
    station.kill(CAPTURE)
    refused = ask(station, "change_product", product="can")
    assert (refused.result, refused.reason) == (
        "refused",
        "the station knows no product can; it knows bottle, bottle-strict",
    )
    killed_at = station.counted()
    station.wait_for(
        "judged after the kill",
        lambda: station.records()[-1]["partNumber"] >= killed_at + 3,
    )
    records = station.records()
    numbers = [record["partNumber"] for record in records]
    assert numbers == list(range(1, len(records) + 1))
    assert made_as(records, "bottle") == numbers[: first - 1]
    assert made_as(records, "bottle-strict") == numbers[first - 1 :]
    assert {record["lot"] for record in records[first - 1 :]} == {"L-7"}
    assert {record["policyVersion"] for record in records} == {"1"}
    killed = [r["partNumber"] for r in records if r["verdict"] == "missed"]
    assert all(first < number <= killed_at for number in killed)
