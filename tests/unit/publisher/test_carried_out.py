"""What components make of the commands that they carry out: noted, told once, asked for until then."""

import pytest
from msgspec.structs import replace

from publisher.configuration import AllowedCommand
from sightline.messaging.messages import Command, CommandCarriedOut, CommandOutcome, Part
from sightline.messaging.topics import (
    COMMAND,
    COMMAND_ACCEPTED,
    COMMAND_CARRIED_OUT,
    COMMAND_OUTCOME,
)
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import STATION, PublisherUnderTest, wait_until
from tests.unit.publisher.test_command_gateway import CONFIGURATION, THRESHOLD, outcomes, trail

CARRIED_OUT = CommandCarriedOut(
    station_id=STATION,
    command_id="c-3",
    component="com.sightline.Inference",
    result="done",
    decided_utc_ns=1_769_839_201_000_000_000,
    reason="bottle is version 1+1",
    from_part=Part(7, 120),
)
LOAD_MODEL = replace(
    THRESHOLD, kind="load_model", arguments={"model": "surface", "digest": "0123456789ab"}
)


@pytest.fixture
def station(make_desk: MakeDesk) -> PublisherUnderTest:
    commands = CONFIGURATION.commands
    loading = AllowedCommand(kind="load_model", issuers=("quality",))
    allowed = replace(commands, allowed=(*commands.allowed, loading))
    return make_desk(configuration=replace(CONFIGURATION, commands=allowed))


@pytest.mark.parametrize("command", [THRESHOLD, LOAD_MODEL], ids=["set_threshold", "load_model"])
def test_what_a_component_is_to_carry_out_is_told_each_second_until_it_answers(
    station: PublisherUnderTest, command: Command
) -> None:
    station.deliver(COMMAND, command)
    outcomes(station, 1)
    before = len(station.exchange.messages_on(COMMAND_ACCEPTED))
    station.pass_seconds(1)
    station.pass_seconds(1)
    assert len(station.exchange.messages_on(COMMAND_ACCEPTED)) == before + 2
    station.deliver(COMMAND_CARRIED_OUT, CARRIED_OUT)
    station.pass_seconds(5)
    assert len(station.exchange.messages_on(COMMAND_ACCEPTED)) == before + 2


def test_the_answer_of_the_component_is_noted_and_told_once_with_the_part_it_begins_with(
    station: PublisherUnderTest,
) -> None:
    station.deliver(COMMAND, THRESHOLD)
    outcomes(station, 1)
    station.deliver(COMMAND_CARRIED_OUT, CARRIED_OUT, CARRIED_OUT)
    assert outcomes(station, 2) == [("c-3", "accepted"), ("c-3", "done")]
    told = station.exchange.messages_on(COMMAND_OUTCOME)[1]
    assert isinstance(told, CommandOutcome)
    assert (told.reason, told.from_part) == ("bottle is version 1+1", Part(7, 120))
    assert told.decided_utc_ns == CARRIED_OUT.decided_utc_ns
    wait_until(lambda: bool(trail(station)[0][4]))
    assert trail(station)[0][:3] == ("c-3", "done", "bottle is version 1+1")
    station.kill()
    station.exchange.published.clear()
    station.start()
    station.deliver(COMMAND, THRESHOLD)
    assert outcomes(station, 1) == [("c-3", "done")]


def test_an_answer_that_comes_while_the_one_before_is_under_way_is_told_all_the_same(
    station: PublisherUnderTest,
) -> None:
    station.deliver(COMMAND, THRESHOLD)
    outcomes(station, 1)
    wait_until(lambda: bool(trail(station)[0][4]))
    commands = station.recorder._commands
    audit = commands._audit
    audit.note_repeat("c-3")
    under_way = audit.load_oldest()
    assert under_way is not None
    audit.store_carried_out(CARRIED_OUT)
    audit.remove(under_way)
    commands._sender.wake()
    wait_until(lambda: ("c-3", "done") in outcomes(station, 1))


def test_an_answer_to_a_command_that_was_never_allowed_changes_nothing(
    station: PublisherUnderTest,
) -> None:
    station.deliver(COMMAND, replace(THRESHOLD, issued_by="guest"))
    station.deliver(COMMAND_CARRIED_OUT, CARRIED_OUT, replace(CARRIED_OUT, command_id="c-0"))
    assert [row[:2] for row in trail(station)] == [("c-3", "refused")]
