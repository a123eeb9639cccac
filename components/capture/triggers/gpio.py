"""A sensor at a GPIO line as trigger: the kernel debounces and stamps each edge (CLOCK_MONOTONIC).

The kernel stamps a debounced edge when the line has been quiet for the debounce period, so the edge
itself is taken to have come that much earlier.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from capture.configuration import GpioTriggerConfiguration
from capture.triggers.trigger import TriggerEvent
from sightline.backoff import Backoff
from sightline.clock import Clock
from sightline.errors import CameraError
from sightline.kernel.health import THREAD_FAULT, ComponentHealth
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.bus import Inbox

log = logging.getLogger(__name__)

EDGE_WAIT_S = 0.2
GPIO_JOIN_TIMEOUT_S = 5.0  # a driver that hangs for longer keeps its thread, and nobody else
TRIGGER_AWAY = "trigger"


@dataclass(frozen=True)
class GpioEdge:
    """One edge as the kernel stamped it; `sequence` counts those of the line."""

    stamped_monotonic_ns: int
    sequence: int


class EdgeLine(Protocol):
    """A requested line; CameraError when its chip is gone."""

    def wait(self, timeout_s: float) -> Sequence[GpioEdge]:
        """The edges that came; none if none came in time."""

    def close(self) -> None:
        """Give the line back."""


OpenLine = Callable[[GpioTriggerConfiguration], EdgeLine]


@dataclass(frozen=True)
class EdgeSeen:
    """Event: the sensor saw a part."""

    utc_ns: int
    monotonic_ns: int


class GpioTrigger:
    """Posts `EdgeSeen` for each edge; a line that cannot be had is asked for again with back-off."""

    def __init__(
        self,
        configuration: GpioTriggerConfiguration,
        inbox: Inbox,
        clock: Clock,
        health: ComponentHealth,
        open_line: OpenLine | None = None,
    ) -> None:
        self._configuration = configuration
        self._inbox = inbox
        self._clock = clock
        self._health = health
        self._open_line: OpenLine = open_line or GpiodLine
        self._backoff = Backoff()
        self._last_sequence: int | None = None
        self._ended = threading.Event()
        self._thread = SupervisedThread("gpio-trigger", self._run, health)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def find_trigger(self, event: object, received_monotonic_ns: int) -> TriggerEvent | None:
        """The trigger in one of its own events."""
        if not isinstance(event, EdgeSeen):
            return None
        is_to_come = event.monotonic_ns > self._clock.monotonic_ns()
        return TriggerEvent(
            counter=None,
            utc_ns=event.utc_ns,
            monotonic_ns=event.monotonic_ns,
            untimed_reason="its edge has a time in the future" if is_to_come else "",
        )

    def close(self) -> None:
        """Stop listening and give the line back."""
        self._ended.set()
        self._thread.stop()
        if self._thread.ident is not None:
            self._thread.join(GPIO_JOIN_TIMEOUT_S)
        self._health.clear_fault(TRIGGER_AWAY)
        self._health.clear_fault(THREAD_FAULT + self._thread.name)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen()
            except CameraError as error:
                if self._health.raise_fault(TRIGGER_AWAY, str(error)):
                    log.error("trigger is away", extra={"reason": str(error)})
                self._ended.wait(self._backoff.next_delay_s())

    def _listen(self) -> None:
        line = self._open_line(self._configuration)
        try:
            self._backoff.reset()
            self._health.clear_fault(TRIGGER_AWAY)
            self._last_sequence = None
            while not self._ended.is_set():
                for edge in line.wait(EDGE_WAIT_S):
                    self._post_edge(edge)
        finally:
            line.close()

    def _post_edge(self, edge: GpioEdge) -> None:
        if self._last_sequence is not None and edge.sequence > self._last_sequence + 1:
            lost = edge.sequence - self._last_sequence - 1
            self._health.count("triggers_lost", lost)
            log.error("edges lost", extra={"count": lost})
        self._last_sequence = edge.sequence
        monotonic_ns = edge.stamped_monotonic_ns - round(self._configuration.debounce_ms * 1e6)
        ago_ns = self._clock.monotonic_ns() - monotonic_ns
        self._inbox.post(EdgeSeen(self._clock.utc_ns() - ago_ns, monotonic_ns))


class GpiodLine:
    """A line by libgpiod 2, imported only where this trigger is chosen; see `EdgeLine`."""

    def __init__(self, configuration: GpioTriggerConfiguration) -> None:
        try:
            import gpiod
            from gpiod.line import Bias, Clock, Direction, Edge
        except ImportError as error:
            raise CameraError(
                "the trigger gpio needs gpiod, which com.sightline.driver.Cameras brings "
                f"(on a development machine the extra `cameras`): {error}"
            ) from error
        self._name = f"{configuration.chip} line {configuration.line}"
        line = configuration.line
        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.RISING,
            active_low=configuration.active_low,
            bias=Bias[configuration.bias.upper().replace("-", "_")],
            debounce_period=timedelta(milliseconds=configuration.debounce_ms),
            event_clock=Clock.MONOTONIC,
        )
        with self._camera_errors():
            self._request = gpiod.request_lines(
                configuration.chip,
                consumer="sightline",
                config={int(line) if line.isdigit() else line: settings},
            )

    def wait(self, timeout_s: float) -> Sequence[GpioEdge]:
        """The edges that came; none if none came in time."""
        with self._camera_errors():
            if not self._request.wait_edge_events(timeout_s):
                return ()
            return [
                GpioEdge(event.timestamp_ns, event.line_seqno)
                for event in self._request.read_edge_events()
            ]

    def close(self) -> None:
        """Give the line back; one whose chip is gone is given back already."""
        with contextlib.suppress(CameraError), self._camera_errors():
            self._request.release()

    @contextlib.contextmanager
    def _camera_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CameraError(f"{self._name}: {error.strerror or error}") from error
        except ValueError as error:  # a line that the chip does not have, a file that is no chip
            raise CameraError(f"{self._name}: {error}") from error
