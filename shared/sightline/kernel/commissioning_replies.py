"""Replies to the commands of the commissioning: `CommissioningStep` messages to the cloud.

Whoever commissions a station stands before it: replies are remembered while the component runs, not on
disk, and a command that came before a restart may be carried out again.
"""

import queue
import threading
from collections import deque
from dataclasses import dataclass, field

from sightline.clock import Clock
from sightline.kernel.command_execution import Reply
from sightline.kernel.commands import MAX_STORED_REPLIES
from sightline.kernel.health import ComponentHealth
from sightline.kernel.message_publisher import MessagePublisher
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.messages import (
    CameraCalibration,
    CommandAccepted,
    CommandResult,
    CommissioningStep,
    GateTrial,
    Part,
    StationMessage,
)
from sightline.messaging.topics import COMMISSIONING_STEP, MessageStream
from sightline.text import truncate

MAX_TEXT_CHARACTERS = 2000
CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class StepDetails:
    """What a step came to beside its text; the `change` of its `Reply`."""

    version: str = ""
    calibrations: tuple[CameraCalibration, ...] = ()
    trials: tuple[GateTrial, ...] = ()
    positions: dict[str, str] = field(default_factory=dict)


class CommissioningReplies:
    """The last replies of a component, in memory; may be used from any thread. See `CommandReplies`."""

    stream = COMMISSIONING_STEP

    def __init__(self, component: str, health: ComponentHealth, clock: Clock) -> None:
        self._component = component
        self._health = health
        self._clock = clock
        self._lock = threading.Lock()
        self._steps: deque[CommissioningStep] = deque(maxlen=MAX_STORED_REPLIES)

    def find_reply(self, command_id: str) -> CommissioningStep | None:
        """The reply that a command got, or None if it is new."""
        with self._lock:
            return next((step for step in self._steps if step.command_id == command_id), None)

    def store_reply(
        self, command: CommandAccepted, result: CommandResult, reply: Reply, from_part: Part | None
    ) -> CommissioningStep:
        """Remember the reply; its change, if there is one, is the step's `StepDetails`."""
        details = StepDetails() if reply.change is None else reply.change
        step = CommissioningStep(
            station_id=command.station_id,
            command_id=command.command_id,
            kind=command.kind,
            component=self._component,
            result="done" if result == "done" else "failed",
            at_utc_ns=self._clock.utc_ns(),
            text=truncate(reply.text, MAX_TEXT_CHARACTERS),
            version=details.version,
            calibrations=details.calibrations,
            trials=details.trials,
            positions=details.positions,
        )
        with self._lock:
            self._steps.append(step)
        self._health.count(f"steps_{step.result}")
        return step


class BackgroundPublisher:
    """Publishes from a thread of its own, in order: whoever publishes here does not wait for the cloud."""

    def __init__(self, publisher: MessagePublisher, health: ComponentHealth) -> None:
        self._publisher = publisher
        self._messages: queue.SimpleQueue[tuple[MessageStream, StationMessage] | None] = (
            queue.SimpleQueue()
        )
        self._thread = SupervisedThread("background-publisher", self._run, health)
        self._thread.start()

    def publish(self, stream: MessageStream, message: StationMessage) -> bool:
        """Have the message published; True: whether it is taken comes later, as a fault if not."""
        self._messages.put((stream, message))
        return True

    def close(self) -> None:
        """Publish what waits, for a short time at most, and end the thread."""
        self._messages.put(None)
        self._thread.stop()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while (waiting := self._messages.get()) is not None:
            self._publisher.publish(*waiting)
