"""Commands whose replies are commissioning steps: once, without waiting for the cloud, beside others."""

import threading
from pathlib import Path

import msgspec
import pytest

from sightline.clock import SystemClock
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError, TransportError
from sightline.kernel.command_execution import NO_REPLY, Reply
from sightline.kernel.commands import MAX_STORED_REPLIES, build_command_reply
from sightline.kernel.commissioning_replies import (
    MAX_TEXT_CHARACTERS,
    BackgroundPublisher,
    CommissioningReplies,
    StepDetails,
)
from sightline.kernel.component import Component, ComponentContext, command
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Delivery, Inbox
from sightline.messaging.messages import (
    CommandAccepted,
    CommandArgument,
    CommandCarriedOut,
    CommandKind,
    CommandResult,
    CommissioningStep,
    Part,
)
from sightline.messaging.topics import (
    CAPTURE,
    COMMAND_ACCEPTED,
    COMMAND_CARRIED_OUT,
    MessageStream,
)
from sightline.text import truncate

STATION = "station-1"
LOT_COMMANDS: tuple[CommandKind, ...] = ("lot_start",)
STEP_COMMANDS: tuple[CommandKind, ...] = ("map_cameras", "live_view")
MINUTE_NS = 60_000_000_000


class Settings(ConfigurationStruct, frozen=True, kw_only=True):
    """None."""


class LotArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """One value."""

    lot: str


class SlowCloud:
    """Takes messages when it is open, and only then."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.error: Exception | None = None
        self.published: list[msgspec.Struct] = []

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        if stream.route == "cloud":
            assert self.open.wait(20)
        if self.error is not None:
            raise self.error
        self.published.append(message)

    def subscribe(self, stream: MessageStream) -> None: ...

    def close(self) -> None: ...


class LotReplies:
    """Replies of another stream; a full disk refuses."""

    stream = COMMAND_CARRIED_OUT

    def __init__(self) -> None:
        self.stored: dict[str, CommandCarriedOut] = {}
        self.disk_is_full = False

    def find_reply(self, command_id: str) -> CommandCarriedOut | None:
        return self.stored.get(command_id)

    def store_reply(
        self, command: CommandAccepted, result: CommandResult, reply: Reply, from_part: Part | None
    ) -> CommandCarriedOut:
        if self.disk_is_full:
            return build_command_reply(command, 1, "cannot be stored", result="refused")
        message = build_command_reply(command, 1, reply.text, result=result, from_part=from_part)
        self.stored[command.command_id] = message
        return message


class Commissioned(Component[Settings]):
    """Three commands of the commissioning and one that is none."""

    def __init__(self, context: ComponentContext[Settings]) -> None:
        super().__init__(context)
        self.lot, self.views, self.mapped = "", 0, 0
        self.lot_replies = LotReplies()
        self.steps_publisher = BackgroundPublisher(context.publisher, context.health)
        self.accept_commands(self.lot_replies, lambda: Part(1, 7), kinds=LOT_COMMANDS)
        self.steps = self.accept_commands(
            CommissioningReplies(CAPTURE, context.health, context.clock),
            kinds=STEP_COMMANDS,
            publisher=self.steps_publisher,
        )

    @command("lot_start", LotArguments)
    def start_lot(self, arguments: LotArguments, next_part: Part | None) -> Reply:
        return Reply("begins", apply=lambda: setattr(self, "lot", arguments.lot))

    @command("map_cameras")
    def map_cameras(
        self, arguments: dict[str, CommandArgument], next_part: Part | None
    ) -> Reply | None:
        self.mapped += 1
        if "later" in arguments:
            return None
        if not arguments:
            raise CommandError("no position is named")
        positions = {name: str(value) for name, value in arguments.items()}
        return Reply("mapped " * 1000, StepDetails(positions=positions))

    @command("live_view")
    def live_view(self, arguments: dict[str, CommandArgument], next_part: Part | None) -> Reply:
        assert self.current_command.kind == "live_view"
        self.views += 1
        return NO_REPLY


class Bench:
    """The component, and commands for it."""

    def __init__(self, folder: Path) -> None:
        self.cloud, clock = SlowCloud(), SystemClock()
        self.health = ComponentHealth(CAPTURE, "0", STATION, clock)
        self.component = Commissioned(
            ComponentContext(Settings(), self.cloud, Inbox(), clock, self.health, STATION, folder)
        )

    def send(
        self, command_id: str, kind: CommandKind, lasts_ns: int = MINUTE_NS, **arguments: str
    ) -> None:
        now_ns = SystemClock().utc_ns()
        accepted = CommandAccepted(
            station_id=STATION,
            command_id=command_id,
            kind=kind,
            issued_by="engineer",
            sequence=1,
            accepted_utc_ns=now_ns,
            expires_utc_ns=now_ns + lasts_ns,
            arguments={**arguments, "remark": "why"},
        )
        self.component.handle(Delivery(COMMAND_ACCEPTED, accepted, 0))

    def replies(self) -> list[tuple[str, str]]:
        """Id and result of each reply, when all are out."""
        self.component.steps_publisher.close()
        return [
            (message.command_id, message.result)
            for message in self.cloud.published
            if isinstance(message, CommissioningStep | CommandCarriedOut)
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_main_thread_does_not_wait_for_the_cloud(bench: Bench) -> None:
    bench.cloud.open.clear()
    bench.send("c-1", "map_cameras", cam1="cam2")
    bench.send("c-2", "map_cameras")
    bench.send("c-3", "map_cameras", lasts_ns=-1, cam1="cam2")
    assert bench.cloud.published == []
    bench.cloud.open.set()
    assert bench.replies() == [("c-1", "done"), ("c-2", "failed"), ("c-3", "failed")]
    step = bench.cloud.published[0]
    assert isinstance(step, CommissioningStep)
    assert step.positions == {"cam1": "cam2"}
    assert step.text == truncate("mapped " * 1000, MAX_TEXT_CHARACTERS)
    assert bench.component.mapped == 2
    assert bench.health.build_report().counters["steps_failed"] == 2


def test_a_repeat_gets_the_same_reply_and_a_command_without_reply_gets_none(bench: Bench) -> None:
    bench.send("c-1", "map_cameras", cam1="cam2")
    bench.send("c-1", "map_cameras", cam1="cam2")
    bench.send("c-2", "live_view")
    bench.send("c-2", "live_view")
    assert bench.replies() == [("c-1", "done"), ("c-1", "done")]
    assert bench.cloud.published[0] == bench.cloud.published[1]
    assert (bench.component.mapped, bench.component.views) == (1, 2)
    assert not bench.component.steps.is_unfinished("c-2")


def test_a_reply_that_follows_later_carries_what_the_step_came_to(bench: Bench) -> None:
    bench.send("c-1", "map_cameras", later="yes")
    bench.send("c-1", "map_cameras", later="yes")
    assert bench.component.steps.is_unfinished("c-1")
    bench.component.steps.finish("c-1", "done", "mapped", StepDetails(version="v-1"))
    bench.component.steps.finish("c-1", "refused", "too late")
    assert bench.replies() == [("c-1", "done")]
    step = bench.cloud.published[0]
    assert isinstance(step, CommissioningStep)
    assert (step.text, step.version, bench.component.mapped) == ("mapped", "v-1", 1)


def test_only_the_last_replies_are_remembered(bench: Bench) -> None:
    for number in range(MAX_STORED_REPLIES + 1):
        bench.send(f"c-{number}", "map_cameras", cam1="cam2")
    bench.send("c-1", "map_cameras", cam1="cam2")
    assert bench.component.mapped == MAX_STORED_REPLIES + 1
    bench.send("c-0", "map_cameras", cam1="cam2")
    assert bench.component.mapped == MAX_STORED_REPLIES + 2


def test_other_commands_have_their_replies_elsewhere_and_what_is_not_stored_is_not_in_force(
    bench: Bench,
) -> None:
    bench.component.lot_replies.disk_is_full = True
    bench.send("c-1", "lot_start", lot="L-1")
    assert bench.component.lot == ""
    bench.component.lot_replies.disk_is_full = False
    bench.send("c-1", "lot_start", lot="L-1")
    bench.send("c-2", "lot_start", colour="red")
    bench.send("c-3", "pause")
    assert bench.replies() == [("c-1", "refused"), ("c-1", "done"), ("c-2", "refused")]
    assert bench.component.lot == "L-1"


def test_a_step_that_the_cloud_does_not_take_is_a_fault(bench: Bench) -> None:
    bench.cloud.error = TransportError("no route")
    bench.send("c-1", "map_cameras", cam1="cam2")
    assert bench.replies() == []
    faults = {fault.code: fault.text for fault in bench.health.build_report().faults}
    assert "CommissioningStep" in faults["cloud-messages-not-published"]
