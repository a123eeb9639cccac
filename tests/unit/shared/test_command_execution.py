"""A command is carried out once, before it expires, and a repeat of it gets the same reply."""

from collections.abc import Callable
from typing import Any

import pytest

from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError, RetryableError
from sightline.kernel.command_execution import CommandExecution, Reply
from sightline.kernel.commands import build_command_reply
from sightline.kernel.health import ComponentHealth
from sightline.kernel.message_publisher import MessagePublisher
from sightline.messaging.messages import CommandAccepted, CommandCarriedOut, CommandResult, Part
from sightline.messaging.topics import COMMAND_CARRIED_OUT
from tests.unit.shared.kernel_kit import HandMovedClock, RefusingBus

NEXT = Part(3, 8)


class LotArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """Of the command below."""

    lot: str


class StoredReplies:
    """Keeps replies and changes in memory, and can fail as a disk does."""

    stream = COMMAND_CARRIED_OUT

    def __init__(self) -> None:
        self.replies: dict[str, CommandCarriedOut] = {}
        self.changes: list[Any] = []
        self.is_full = False

    def find_reply(self, command_id: str) -> CommandCarriedOut | None:
        return self.replies.get(command_id)

    def store_reply(
        self, command: CommandAccepted, result: CommandResult, reply: Reply, from_part: Part | None
    ) -> CommandCarriedOut:
        if self.is_full:
            raise RetryableError("no space left")
        message = build_command_reply(command, 1, reply.text, result=result, from_part=from_part)
        self.replies[command.command_id] = message
        self.changes.append(reply.change)
        return message


class Desk:
    """A command execution with all that it needs."""

    def __init__(self) -> None:
        self.clock = HandMovedClock()
        self.bus = RefusingBus()
        self.replies = StoredReplies()
        self.carried_out: list[tuple[str, Part | None]] = []
        self.in_force: list[str] = []
        self.handler: Callable[[LotArguments, Part | None], Reply | None] = self.start_lot
        health = ComponentHealth("com.sightline.Capture", "1.0.0", "line-1", self.clock)
        self.execution = CommandExecution(
            MessagePublisher(self.bus, health),
            self.clock,
            self.replies,
            {"lot_start": (LotArguments, lambda arguments, part: self.handler(arguments, part))},
            lambda: NEXT,
        )

    def start_lot(self, arguments: LotArguments, next_part: Part | None) -> Reply:
        self.carried_out.append((arguments.lot, next_part))
        lot = arguments.lot
        return Reply(f"lot {lot}", change=lot, apply=lambda: self.in_force.append(lot))

    def command(
        self, name: str = "c1", kind: Any = "lot_start", **arguments: Any
    ) -> CommandAccepted:
        return CommandAccepted(
            station_id="line-1",
            command_id=name,
            kind=kind,
            arguments=arguments,
            issued_by="operator",
            sequence=1,
            accepted_utc_ns=self.clock.utc_ns(),
            expires_utc_ns=self.clock.utc_ns() + 60 * 1_000_000_000,
        )

    def published(self) -> list[tuple[str, str]]:
        found = [message for _, message in self.bus.published]
        return [(m.result, m.reason) for m in found if isinstance(m, CommandCarriedOut)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_command_is_stored_with_its_change_then_in_force_then_answered(desk: Desk) -> None:
    desk.execution.execute(desk.command(lot="L7"))
    assert desk.carried_out == [("L7", NEXT)]
    assert desk.replies.changes == ["L7"]
    assert desk.in_force == ["L7"]
    assert desk.published() == [("done", "lot L7")]


def test_a_repeat_changes_nothing_and_gets_the_same_reply(desk: Desk) -> None:
    for _ in range(3):
        desk.execution.execute(desk.command(lot="L7"))
    assert desk.in_force == ["L7"]
    assert desk.published() == 3 * [("done", "lot L7")]


def test_a_command_of_another_component_is_left_alone(desk: Desk) -> None:
    desk.execution.execute(desk.command(kind="load_model", lot="L7"))
    assert desk.published() == []


def test_an_expired_command_is_refused_and_says_since_when(desk: Desk) -> None:
    expired = desk.command(lot="L7")
    desk.clock.move(63.2)
    desk.execution.execute(expired)
    assert desk.carried_out == []
    [(result, reason)] = desk.published()
    assert result == "refused"
    assert "3.2 s" in reason


def test_arguments_that_do_not_fit_are_refused_with_their_place(desk: Desk) -> None:
    desk.execution.execute(desk.command(lots="L7"))
    [(result, reason)] = desk.published()
    assert result == "refused"
    assert "lots" in reason
    assert desk.in_force == []


def test_a_handler_may_refuse_and_nothing_is_in_force(desk: Desk) -> None:
    def refuse(arguments: LotArguments, next_part: Part | None) -> Reply:
        raise CommandError("the PLC sets the lot")

    desk.handler = refuse
    desk.execution.execute(desk.command(lot="L7"))
    assert desk.published() == [("refused", "the PLC sets the lot")]
    assert desk.in_force == []


def test_a_disk_that_takes_nothing_leaves_the_command_to_come_again(desk: Desk) -> None:
    desk.replies.is_full = True
    with pytest.raises(RetryableError):
        desk.execution.execute(desk.command(lot="L7"))
    assert desk.in_force == []
    assert desk.published() == []
    desk.replies.is_full = False
    desk.execution.execute(desk.command(lot="L7"))
    assert desk.in_force == ["L7"]
    assert desk.published() == [("done", "lot L7")]


def test_a_reply_that_follows_later_comes_once(desk: Desk) -> None:
    desk.handler = lambda arguments, next_part: None
    for _ in range(2):
        desk.execution.execute(desk.command(lot="L7"))
    assert desk.execution.is_unfinished("c1")
    assert desk.published() == []
    desk.execution.finish("c1", "done", "loaded")
    desk.execution.finish("c1", "refused", "never heard of")
    assert desk.published() == [("done", "loaded")]
    assert not desk.execution.is_unfinished("c1")
