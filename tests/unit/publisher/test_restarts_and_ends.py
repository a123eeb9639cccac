"""A component restarted by command; and commands whose end is over: they are never carried out later."""

import threading

import pytest
from msgspec.structs import replace

from publisher.configuration import AllowedCommand
from sightline.errors import CommandError, TransportError
from sightline.messaging.bus import NoNucleus
from sightline.messaging.messages import Command, CommandCarriedOut, CommandOutcome
from sightline.messaging.topics import (
    CAPTURE,
    COMMAND,
    COMMAND_ACCEPTED,
    COMMAND_CARRIED_OUT,
    COMMAND_OUTCOME,
    PUBLISHER,
)
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import STATION, PublisherUnderTest, wait_until
from tests.unit.publisher.test_command_authorisation import PAUSE
from tests.unit.publisher.test_command_gateway import CONFIGURATION, THRESHOLD, outcomes

RESTART = replace(
    PAUSE, command_id="c-7", kind="restart_component", arguments={"component": CAPTURE}
)
LIVE_VIEW = replace(PAUSE, command_id="c-8", kind="live_view", arguments={})
ALLOWING = replace(
    CONFIGURATION,
    commands=replace(
        CONFIGURATION.commands,
        allowed=(
            *CONFIGURATION.commands.allowed,
            AllowedCommand(kind="restart_component", issuers=("shift-leader",)),
            AllowedCommand(kind="live_view", issuers=("shift-leader",)),
        ),
    ),
)
MINUTE_S = 60


class Restarting(NoNucleus):
    """A nucleus that restarts components, or says why not; while `holds` is clear it does not answer."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.restarted: list[str] = []
        self.holds = threading.Event()
        self.holds.set()
        self._failure = failure

    def restart_component(self, name: str) -> None:
        self.restarted.append(name)
        self.holds.wait(20.0)
        if self._failure is not None:
            raise self._failure


def reasons(desk: PublisherUnderTest, command_id: str, count: int) -> list[tuple[str, str]]:
    """The results told of a command so far, and their reasons, as soon as there are so many."""

    def told() -> list[tuple[str, str]]:
        desk.run_due()
        found = desk.exchange.messages_on(COMMAND_OUTCOME)
        outcomes = [o for o in found if isinstance(o, CommandOutcome)]
        return [(o.result, o.reason) for o in outcomes if o.command_id == command_id]

    wait_until(lambda: len(told()) >= count)
    return told()


def result_at_last(desk: PublisherUnderTest, command: Command) -> tuple[str, str]:
    """What became of a command, when it is known."""

    def told() -> list[tuple[str, str]]:
        return [entry for entry in reasons(desk, command.command_id, 0) if entry[0] != "accepted"]

    wait_until(lambda: bool(told()))
    return told()[-1]


def test_a_component_is_restarted_by_command_once_and_it_is_told(make_desk: MakeDesk) -> None:
    nucleus = Restarting()
    desk = make_desk(configuration=ALLOWING, nucleus=nucleus)
    desk.deliver(COMMAND, RESTART)
    assert result_at_last(desk, RESTART) == ("done", f"{CAPTURE} starts again")
    desk.deliver(COMMAND, RESTART)
    desk.kill()
    desk.start()
    desk.pass_seconds(2)
    desk.deliver(COMMAND, RESTART)
    assert nucleus.restarted == [CAPTURE]
    assert desk.exchange.messages_on(COMMAND_ACCEPTED) == []


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (CommandError("no component is called so"), "no component is called so"),
        (TransportError("no answer"), "no answer"),
        (RuntimeError("closed"), f"{CAPTURE} was not restarted: RuntimeError: closed"),
    ],
)
def test_a_restart_that_the_nucleus_refuses_is_refused_in_words(
    make_desk: MakeDesk, failure: Exception, reason: str
) -> None:
    desk = make_desk(configuration=ALLOWING, nucleus=Restarting(failure))
    desk.deliver(COMMAND, RESTART)
    assert result_at_last(desk, RESTART) == ("refused", reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issued_by": "guest"}, "not allowed to 'guest'"),
        ({"arguments": {}}, "must be one of"),
        ({"arguments": {"component": "aws.greengrass.Nucleus"}}, "must be one of"),
        ({"arguments": {"component": "Capture"}}, "must be one of"),
        ({"arguments": {"component": CAPTURE, "all": True}}, "takes no argument but"),
        ({"arguments": {"component": CAPTURE, "remark": 7}}, "'remark' must be a text"),
    ],
)
def test_only_the_stations_components_are_restarted_and_only_for_who_may(
    make_desk: MakeDesk, changes: dict[str, object], reason: str
) -> None:
    nucleus = Restarting()
    desk = make_desk(configuration=ALLOWING, nucleus=nucleus)
    desk.deliver(COMMAND, replace(RESTART, **changes))
    result, told = result_at_last(desk, RESTART)
    assert result == "refused"
    assert reason in told
    assert nucleus.restarted == []


def test_parts_and_commands_go_on_while_the_nucleus_does_not_answer(make_desk: MakeDesk) -> None:
    nucleus = Restarting()
    nucleus.holds.clear()
    desk = make_desk(configuration=ALLOWING, nucleus=nucleus)
    desk.deliver(COMMAND, RESTART)
    desk.deliver(COMMAND, PAUSE)
    assert ("c-1", "done") in outcomes(desk, 2)
    nucleus.holds.set()
    assert result_at_last(desk, RESTART)[0] == "done"


def test_the_publisher_says_that_it_restarts_itself_before_it_does(make_desk: MakeDesk) -> None:
    nucleus = Restarting()
    nucleus.holds.clear()
    desk = make_desk(configuration=ALLOWING, nucleus=nucleus)
    itself = replace(RESTART, arguments={"component": PUBLISHER})
    desk.deliver(COMMAND, itself)
    assert result_at_last(desk, itself) == ("done", "the publisher starts again")
    nucleus.holds.set()


def test_a_restart_that_was_asked_for_before_a_kill_is_not_asked_for_again(
    make_desk: MakeDesk,
) -> None:
    nucleus = Restarting()
    nucleus.holds.clear()
    desk = make_desk(configuration=ALLOWING, nucleus=nucleus)
    desk.deliver(COMMAND, RESTART)
    wait_until(lambda: nucleus.restarted == [CAPTURE])
    desk.kill()
    desk.start()
    result, reason = result_at_last(desk, RESTART)
    assert result == "refused"
    assert f"check that {CAPTURE} is running" in reason
    nucleus.holds.set()
    assert nucleus.restarted == [CAPTURE]


def test_a_command_that_was_not_told_before_its_end_is_not_told_after_it(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk(configuration=ALLOWING)
    audit = desk.recorder._commands._audit._writer
    desk.deliver(COMMAND, LIVE_VIEW)
    audit.execute("UPDATE commands SET announced = 0")  # as if killed in between
    desk.exchange.published.clear()
    desk.kill()
    desk.clock.pass_seconds(61)
    desk.start()
    assert result_at_last(desk, LIVE_VIEW)[0] == "expired"
    desk.clock.pass_seconds(-61)  # a clock that is set back brings it not back, either
    desk.pass_seconds(1)
    assert desk.exchange.messages_on(COMMAND_ACCEPTED) == []


def test_what_expired_or_was_refused_stays_so_when_it_comes_again(make_desk: MakeDesk) -> None:
    desk = make_desk(configuration=ALLOWING)
    desk.clock.pass_seconds(MINUTE_S + 1)
    desk.deliver(COMMAND, PAUSE)
    assert reasons(desk, "c-1", 1)[0][0] == "expired"
    desk.clock.pass_seconds(-MINUTE_S)
    desk.deliver(COMMAND, PAUSE)
    assert [result for result, _ in reasons(desk, "c-1", 2)] == ["expired", "expired"]
    assert desk.health.build_report().facts["mode"] == "production"


def test_commands_that_nobody_answers_are_given_up_and_block_none_behind_them(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk(configuration=ALLOWING)
    desk.deliver(COMMAND, *(replace(THRESHOLD, command_id=f"t-{n}") for n in range(20)))
    desk.exchange.published.clear()
    desk.pass_seconds(1)
    assert len(desk.exchange.messages_on(COMMAND_ACCEPTED)) == 16
    desk.pass_seconds(720)
    desk.pass_seconds(1)
    wait_until(lambda: desk.counter("commands_expired") == 20)
    desk.exchange.published.clear()
    desk.pass_seconds(1)
    assert desk.exchange.messages_on(COMMAND_ACCEPTED) == []


def test_a_component_that_was_away_and_had_carried_it_out_in_time_has_the_last_word(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk(configuration=ALLOWING)
    desk.deliver(COMMAND, THRESHOLD)
    desk.pass_seconds(720)
    assert reasons(desk, "c-3", 2)[-1][0] == "expired"
    answer = CommandCarriedOut(
        station_id=STATION,
        command_id="c-3",
        component="com.sightline.Inference",
        result="done",
        decided_utc_ns=PAUSE.issued_utc_ns + 1,
        reason="bottle is version 1+1",
    )
    desk.deliver(COMMAND_CARRIED_OUT, answer, answer)
    assert reasons(desk, "c-3", 3)[-1] == ("done", "bottle is version 1+1")
