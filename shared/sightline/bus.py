"""The bus between components: publish a message on a stream, subscribe to a stream, close.

What arrives goes into the component's one inbox, in order of arrival; the component's main thread
takes it from there. So no callback of the transport ever blocks, and no handler races another.
"""

import queue
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sightline.clock import SystemClock
from sightline.codec import decode
from sightline.errors import MessageError
from sightline.topics import Stream


class Bus(Protocol):
    """A transport of messages; see `greengrass_bus` and `memory_bus`."""

    def publish(self, stream: Stream, message: msgspec.Struct) -> None:
        """Hand a message over; TransportError if that failed, CloudUnreachableError on cloud streams."""

    def subscribe(self, stream: Stream) -> None:
        """Let the stream's messages come into the inbox."""

    def close(self) -> None:
        """Leave the transport."""


@dataclass(frozen=True)
class Delivery:
    """A message as it came from the bus."""

    stream: Stream
    message: msgspec.Struct
    received_monotonic_ns: int


@dataclass(frozen=True)
class Refused:
    """Something that came on a stream and was no message; it is reported and dropped."""

    stream: Stream
    error: MessageError


@dataclass(frozen=True)
class NucleusGone:
    """The transport's other end went away; the component must leave."""

    reason: str


@dataclass(frozen=True)
class ConfigurationChanged:
    """The nucleus changed the component's configuration."""


class Inbox:
    """The one queue of a component: deliveries, and events of its own threads, in order of arrival."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._clock = SystemClock()

    def post(self, event: object) -> None:
        """Add an event from any thread; never blocks."""
        self._queue.put(event)

    def deliver(self, stream: Stream, payload: bytes) -> None:
        """Decode what came on a stream and add it; what is no message is added as `Refused`."""
        received = self._clock.monotonic_ns()
        try:
            message = decode(stream.message, payload)
        except MessageError as error:
            self.post(Refused(stream, error))
        else:
            self.post(Delivery(stream, message, received))

    def take(self, timeout_s: float) -> object | None:
        """The next event, or None when none came in time."""
        try:
            return self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    def depth(self) -> int:
        """How many events wait."""
        return self._queue.qsize()
