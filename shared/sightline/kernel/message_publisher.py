"""The one way to publish, with one policy for what cannot be handed over."""

import logging
import threading
from typing import Protocol

import msgspec

from sightline.errors import MessageError, TransportError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import StationMessage
from sightline.messaging.topics import MessageStream

log = logging.getLogger(__name__)
NOT_PUBLISHED = "messages-not-published"
CLOUD_NOT_PUBLISHED = "cloud-messages-not-published"


class PublishingBus(Protocol):
    """What is needed of a bus."""

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Hand a message over; TransportError if it is not taken."""


class MessagePublisher:
    """Publishes for a component; may be used from any thread.

    What the nucleus does not take is counted, logged once and a warning until a message of the same route
    is taken; `fault` is its code where a sender has one of its own. Nothing is kept here: whoever must not
    lose a message keeps it and publishes it again.
    """

    def __init__(self, bus: PublishingBus, health: ComponentHealth, fault: str = "") -> None:
        self._bus = bus
        self._health = health
        self._fault = fault
        self._lock = threading.Lock()  # held until health shows the same as `_failing`
        self._failing: set[str] = set()  # fault codes

    def publish(self, stream: MessageStream, message: StationMessage) -> bool:
        """Hand a message over; False if it was not taken. NucleusGoneError: nothing can be any more."""
        fault = self._fault or (NOT_PUBLISHED if stream.route == "local" else CLOUD_NOT_PUBLISHED)
        try:
            self._bus.publish(stream, message)
        except (
            TransportError,
            MessageError,
            UnicodeError,
        ) as error:  # a PLC's text may be anything
            self._health.count("messages_not_published")
            self._report(fault, stream, error)
            return False
        if fault in self._failing:
            with self._lock:
                self._failing.discard(fault)
                self._health.clear_fault(fault)
        return True

    def _report(self, fault: str, stream: MessageStream, error: Exception) -> None:
        text = f"Cannot publish {stream.name}: {error}"
        with self._lock:
            self._failing.add(fault)
            is_new = self._health.raise_fault(fault, text, "warning")
        if is_new:
            log.error("not published", extra={"stream": stream.name, "error": str(error)})
