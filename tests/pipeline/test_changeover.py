"""A running line changes over between two parts, and a challenge that passes closes its gate."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cloud.wire.broker_login import read_login
from hil.run.camera_pictures import load_pool_truth
from sightline.messaging.messages import CommandArgument, CommandOutcome
from tests.pipeline.conftest import station_starter
from tests.pipeline.running_station import Json, RunningStation, is_unseen
from tests.unit.nucleus.cloud_client import cloud_at

pytestmark = pytest.mark.station
MOST_PARTS = 1000
RATE_HZ = 5.0
CAPTURE = "com.sightline.Capture"
ids = count()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, bottles: Path) -> Iterator[RunningStation]:
    """One running line for the tests of this file; each leaves it in production."""
    with station_starter(tmp_path_factory.mktemp("line"), bottles) as start:
        yield start(MOST_PARTS, RATE_HZ)


def ask(line: RunningStation, kind: str, **arguments: CommandArgument) -> CommandOutcome:
    """Send a command and wait until it is carried out or refused."""

    async def scenario() -> CommandOutcome:
        port = int(line.machine.broker_address.rpartition(":")[2])
        login = read_login(str(line.machine.broker_login_file))
        async with cloud_at(port, line.arguments.station, login) as cloud:
            command_id = f"c-{next(ids)}"
            return await cloud.ask(command_id, kind, "operator", arguments, until_done=True)

    return asyncio.run(asyncio.wait_for(scenario(), 60))


def first_part(outcome: CommandOutcome) -> int:
    """The first part for which a command is in force."""
    assert (outcome.result, outcome.from_part is None) == ("done", False), outcome
    assert outcome.from_part is not None
    return outcome.from_part.part_number


def wait_for_part(line: RunningStation, number: int) -> list[Json]:
    """The records, as soon as that part has one."""
    line.wait_for(f"part {number}", lambda: len(line.records()) >= number)
    return line.records()


def passed(records: list[Json]) -> int:
    """How many of the parts passed the gate."""
    return sum(record["gate"] == "passed" for record in records)


def a_challenge_that_passes(line: RunningStation, bottles: Path) -> Json:
    """The record of a good part that was said to have a scratch; the station may doubt some of them."""
    truth = load_pool_truth(bottles)
    for _ in range(5):
        good = next(
            n for n in count(line.counted() + 5) if truth.truth_for(n).expected_verdict == "ok"
        )
        planned = ask(line, "challenge_part", label="scratch", partNumber=good)
        assert planned.reason == f"Part {good} is a challenge part with scratch"
        challenge = wait_for_part(line, good)[good - 1]
        assert challenge["challenge"] == "scratch"
        if challenge["challengeResult"] == "passed":
            assert challenge["verdict"] == "ok"
            return challenge
    raise AssertionError("the station found none of five good parts to be ok")


def after_last_found(records: list[Json]) -> int | None:
    """The number after the last challenge that was found; None: none was."""
    found = [record["partNumber"] for record in records if record["challengeResult"] == "found"]
    return found[-1] + 1 if found else None


def test_a_changeover_takes_effect_between_two_parts_and_outlasts_a_kill(
    line: RunningStation,
) -> None:
    wait_for_part(line, 3)
    changed = ask(line, "change_product", product="bottle-strict", lot="L-7")
    assert changed.reason == "Product bottle-strict, version 1, lot L-7"
    first = first_part(changed)
    wait_for_part(line, first + 1)
    line.kill(CAPTURE)
    refused = ask(line, "change_product", product="can")
    assert (refused.result, refused.reason) == (
        "refused",
        "Product can is not on this station; it has bottle, bottle-strict",
    )
    killed_at = line.counted()
    wait_for_part(line, killed_at + 2)
    line.machine.send_plant_command("make", product=1, lot="L-8")
    line.wait_for("the PLC's lot", lambda: line.records()[-1]["lot"] == "L-8")
    line.machine.send_plant_command("make")
    line.wait_for("the chosen lot again", lambda: line.records()[-1]["lot"] == "L-7")
    records = line.records()
    by_plc = [record["lot"] for record in records].index("L-8") + 1
    assert [record["partNumber"] for record in records] == list(range(1, len(records) + 1))
    made = [(record["product"], record["policyVersion"], record["lot"]) for record in records]
    assert set(made[: first - 1]) == {("bottle", "1", "")}
    assert set(made[first - 1 : by_plc - 1]) == {("bottle-strict", "1", "L-7")}
    assert made[by_plc - 1] == ("bottle", "1", "L-8")
    unseen = [r["partNumber"] for r in records if is_unseen(r)]
    assert all(first < number <= killed_at for number in unseen), (first, killed_at, unseen)


def test_a_challenge_that_passes_closes_the_gate_until_a_person_acknowledges_it(
    line: RunningStation, bottles: Path
) -> None:
    assert ask(line, "change_product", product="bottle").result == "done"
    challenge = a_challenge_that_passes(line, bottles)
    good = challenge["partNumber"]
    assert ask(line, "acknowledge_hold").result == "refused"  # a person names what he has seen
    again = first_part(ask(line, "acknowledge_hold", hold=challenge["hold"]))
    line.wait_for("parts pass again", lambda: passed(line.records()[again - 1 :]) > 0)
    records = line.records()
    assert challenge["gate"] == "rejected"  # it is known to be bad
    assert challenge["heldBack"]["last"]["part_number"] == good
    first = challenge["heldBack"]["first"]
    assert (first and first["part_number"]) == after_last_found(records[: good - 1])
    name = challenge["hold"]
    assert {record["hold"] for record in records[good - 1 : again - 1]} == {name}
    assert passed(records[good - 1 : again - 1]) == 0
    assert {record["hold"] for record in records[again - 1 :]} == {""}
    assert line.machine.fetch_from_cloud("/api/summary")["apart"]["challenge"]["passed"] == 1


def test_a_bypass_lets_every_part_pass_and_maintenance_none(line: RunningStation) -> None:
    for mode, gate in (("maintenance", "rejected"), ("bypass", "passed")):
        assert ask(line, mode).result == "done"
        begun = line.counted() + 2  # those on their way may be treated as before
        records = wait_for_part(line, begun + 3)[begun - 1 : begun + 2]
        assert {(record["mode"], record["gate"]) for record in records} == {(mode, gate)}
    assert ask(line, "resume").result == "done"
