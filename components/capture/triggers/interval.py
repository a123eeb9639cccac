"""A trigger that beats by itself, on an absolute schedule."""

import threading
from dataclasses import dataclass

from capture.configuration import IntervalTriggerConfiguration
from capture.triggers.trigger import TriggerEvent
from sightline.clock import Clock
from sightline.kernel.health import THREAD_FAULT, ComponentHealth
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.bus import Inbox


@dataclass(frozen=True)
class IntervalElapsed:
    """Event: an interval is over."""

    utc_ns: int
    monotonic_ns: int


class IntervalTrigger:
    """Posts `IntervalElapsed` each interval; intervals that were slept through are left out."""

    def __init__(
        self,
        configuration: IntervalTriggerConfiguration,
        inbox: Inbox,
        clock: Clock,
        health: ComponentHealth,
    ) -> None:
        self._interval_ns = round(configuration.interval_ms * 1e6)
        self._inbox = inbox
        self._clock = clock
        self._health = health
        self._ended = threading.Event()
        self._thread = SupervisedThread("interval-trigger", self._run, health)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def find_trigger(self, event: object, received_monotonic_ns: int) -> TriggerEvent | None:
        """The trigger in one of its own events."""
        if not isinstance(event, IntervalElapsed):
            return None
        return TriggerEvent(counter=None, utc_ns=event.utc_ns, monotonic_ns=event.monotonic_ns)

    def close(self) -> None:
        """Stop beating."""
        self._ended.set()
        self._thread.stop()
        self._health.clear_fault(THREAD_FAULT + self._thread.name)

    def _run(self) -> None:
        due_ns = self._clock.monotonic_ns() + self._interval_ns
        while not self._ended.wait(max(0, due_ns - self._clock.monotonic_ns()) / 1e9):
            now_ns = self._clock.monotonic_ns()
            self._inbox.post(IntervalElapsed(self._clock.utc_ns(), now_ns))
            due_ns += self._interval_ns * max(1, -((due_ns - now_ns) // self._interval_ns))
