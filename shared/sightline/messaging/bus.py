"""The bus between components: publish a message on a stream, subscribe to a stream, close.

What arrives goes into the component's one inbox, in order of arrival; the component's main thread
takes it from there. So no callback of the transport ever blocks, and no handler races another.
"""

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sightline.clock import SystemClock
from sightline.errors import CommandError, MessageError
from sightline.messaging.codec import decode
from sightline.messaging.topics import MessageStream


class MessageBus(Protocol):
    """A transport of messages; see `greengrass_bus` and `memory_bus`."""

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Hand a message over; TransportError if that failed, CloudUnreachableError on cloud streams."""

    def subscribe(self, stream: MessageStream) -> None:
        """Let the stream's messages come into the inbox."""

    def close(self) -> None:
        """Leave the transport."""


class NucleusControl(Protocol):
    """What a component may ask of its nucleus beside messages."""

    def renew_cloud_subscriptions(self) -> None:
        """Open the subscriptions at IoT Core again: a nucleus may have lost them without a word."""

    def restart_component(self, name: str) -> None:
        """Have the nucleus start a component again, a BROKEN one, too.

        CommandError if the nucleus refuses, TransportError if it does not answer.
        """


class NoNucleus:
    """Where there is no nucleus: in tests and replays."""

    def renew_cloud_subscriptions(self) -> None:
        """Nothing to open again."""

    def restart_component(self, name: str) -> None:
        """CommandError: nobody could."""
        raise CommandError(f"{name} cannot be restarted: there is no nucleus")


@dataclass(frozen=True)
class Delivery:
    """A message as it came from the bus."""

    stream: MessageStream
    message: msgspec.Struct
    received_monotonic_ns: int


@dataclass(frozen=True)
class RefusedMessage:
    """Something that came on a stream and was no message; it is reported and dropped."""

    stream: MessageStream
    error: MessageError


@dataclass(frozen=True)
class NucleusGone:
    """The transport's other end went away; the component must leave."""

    reason: str


@dataclass(frozen=True)
class RestartNeeded:
    """Something of this process ended that only a new process brings back; the component must leave."""

    reason: str


@dataclass(frozen=True)
class ConfigurationChanged:
    """The nucleus changed the component's configuration."""


class Inbox:
    """The one queue of a component: deliveries, and events of its own threads, in order of arrival."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._clock = SystemClock()
        self._listeners: dict[type[msgspec.Struct], Callable[[msgspec.Struct], None]] = {}

    def set_listener(
        self, message_type: type[msgspec.Struct], on_message: Callable[[msgspec.Struct], None]
    ) -> None:
        """Let `hear` have all messages of a type, at once and on the transport's thread, and nobody else."""
        self._listeners[message_type] = on_message

    def post(self, event: object) -> None:
        """Add an event from any thread; never blocks."""
        self._queue.put(event)

    def deliver(self, stream: MessageStream, payload: bytes) -> None:
        """Decode what came on a stream and add it; what is no message is added as `Refused`."""
        received = self._clock.monotonic_ns()
        try:
            message = decode(stream.message, payload)
        except MessageError as error:
            self.post(RefusedMessage(stream, error))
        else:
            hear = self._listeners.get(stream.message)
            if hear is not None:
                hear(message)
            else:
                self.post(Delivery(stream, message, received))

    def next_event(self, timeout_s: float) -> object | None:
        """The next event, or None when none came in time."""
        try:
            return self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    def depth(self) -> int:
        """How many events wait."""
        return self._queue.qsize()
