"""Commands of the commissioning to a capture component, and what comes back."""

import itertools
from collections.abc import Callable
from typing import Any

from sightline.messaging.messages import CameraView, CommandAccepted, CommandKind, CommissioningStep
from sightline.messaging.topics import CAMERA_VIEW, COMMAND_ACCEPTED, COMMISSIONING_STEP
from tests.unit.capture.capture_kit import CaptureUnderTest, wait_until

_numbers = itertools.count(1)


def send_command(
    station: CaptureUnderTest,
    kind: CommandKind,
    lifetime_s: float = 60.0,
    times: int = 1,
    **arguments: Any,
) -> str:
    """A command as the publisher tells it, perhaps more than once; returns its id."""
    number = next(_numbers)
    now_ns = station.clock.utc_ns()
    command = CommandAccepted(
        station_id=station.name,
        command_id=f"c-{number}",
        kind=kind,
        issued_by="engineer",
        sequence=number,
        accepted_utc_ns=now_ns,
        expires_utc_ns=now_ns + round(lifetime_s * 1e9),
        arguments=arguments,
    )
    for _ in range(times):
        station.deliver(COMMAND_ACCEPTED, command)
    return command.command_id


def find_step(station: CaptureUnderTest, command_id: str) -> CommissioningStep:
    """What became of a command, once it is told."""

    def found() -> list[CommissioningStep]:
        told = station.exchange.messages_on(COMMISSIONING_STEP)
        return [m for m in told if isinstance(m, CommissioningStep) and m.command_id == command_id]

    wait_until(f"an answer to {command_id}", lambda: bool(found()))
    return found()[0]


def views(station: CaptureUnderTest) -> list[CameraView]:
    """All views so far."""
    told = station.exchange.messages_on(CAMERA_VIEW)
    return [message for message in told if isinstance(message, CameraView)]


def await_views(
    station: CaptureUnderTest, count: int, of: Callable[[CameraView], bool] = lambda _: True
) -> list[CameraView]:
    """Wait for so many views of a kind."""
    wait_until(f"{count} views", lambda: sum(map(of, views(station))) >= count)
    return [view for view in views(station) if of(view)]
