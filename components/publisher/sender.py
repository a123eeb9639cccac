"""Sends what waits on disk to IoT Core from a thread of its own: first in, first out, at a set rate.

A nucleus that spools answers before IoT Core has the message, and what it spooled is gone when it ends.
So a record stays on disk until the cloud says that it is stored.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from publisher.in_flight import InFlight
from publisher.outbox import OutboxError, Stored
from sightline.backoff import Backoff
from sightline.bus import Bus
from sightline.codec import decode
from sightline.errors import (
    CloudUnreachableError,
    MessageError,
    NucleusGoneError,
    TransportError,
)
from sightline.health import Health
from sightline.messages import InspectionRecord
from sightline.topics import INSPECTION_RECORD, Stream

log = logging.getLogger(__name__)
AWAY = "cloud-unreachable-records"
UNREADABLE = "record-unreadable"
DISK = "outbox-not-readable"
LONGEST_IDLE_S = 1.0


class Queue(Protocol):
    """What waits on disk; each method raises OutboxError."""

    def oldest(self) -> Stored | None:
        """What to send next, or None."""

    def remove(self, stored: Stored) -> None:
        """The cloud has it."""

    def set_aside(self, stored: Stored) -> None:
        """It cannot be sent; let the others pass."""


class RecordQueue(Queue, Protocol):
    """A queue of which more than one may be under way."""

    def oldest(self, after: int = 0) -> Stored | None:
        """The first whose sequence is greater than `after`, or None."""


@dataclass(frozen=True)
class Freight:
    """What a sender sends, and the names under which it is counted and its faults are told."""

    stream: Stream
    sent: str
    unreadable: str
    away_fault: str
    unreadable_fault: str
    disk_fault: str


RECORDS = Freight(INSPECTION_RECORD, "records_sent", "records_unreadable", AWAY, UNREADABLE, DISK)


class Sender(threading.Thread):
    """A message leaves the queue only when the nucleus took it; until then none passes it."""

    def __init__(
        self,
        bus: Bus,
        queue: Queue,
        health: Health,
        rate_hz: float,
        backoff: Backoff | None = None,
        freight: Freight = RECORDS,
    ) -> None:
        super().__init__(name=f"sender-{freight.stream.name}", daemon=True)
        self._freight = freight
        self._bus = bus
        self._queue = queue
        self._health = health
        self._rate_hz = rate_hz
        self._backoff = backoff or Backoff()
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def set_rate(self, rate_hz: float) -> None:
        """The most messages a second from now on."""
        self._rate_hz = rate_hz

    def wake(self) -> None:
        """There is something new in the queue."""
        self._wanted.set()

    def run(self) -> None:
        """Send until told to end, or the nucleus goes."""
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                sent = self._send_next()
            except NucleusGoneError:
                return  # the bus tells the main loop, which leaves
            except (TransportError, OutboxError) as error:
                self._wait_after(error)
                continue
            if sent:
                self._stopping.wait(max(0.0, began_s + 1 / self._rate_hz - time.monotonic()))
            else:
                self._wanted.wait(LONGEST_IDLE_S)

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the thread; False if it still waits for the cloud, and then ends with the process."""
        self._stopping.set()
        self._wanted.set()
        self.join(timeout_s)
        return not self.is_alive()

    def _send_next(self) -> bool:
        """Whether something went out; TransportError, OutboxError."""
        self._wanted.clear()
        stored = self._queue.oldest()
        if stored is None:
            return False
        if self._published(stored) is not None:
            self._done(stored)
        return True

    def _published(self, stored: Stored) -> msgspec.Struct | None:
        """The message that the nucleus took; None if it cannot be read and was set aside."""
        stream = self._freight.stream
        try:
            message: msgspec.Struct = decode(stream.message, stored.payload)
            self._bus.publish(stream, message)
        except MessageError as error:
            self._set_aside(stored, error)
            return None
        return message

    def _done(self, stored: Stored) -> None:
        freight = self._freight
        self._queue.remove(stored)
        self._health.count(freight.sent)
        self._backoff.succeeded()
        self._health.clear_fault(freight.disk_fault)
        if self._health.clear_fault(freight.away_fault):
            log.info("IoT Core takes messages again", extra={"stream": freight.stream.name})

    def _set_aside(self, stored: Stored, error: MessageError) -> None:
        name, number = self._freight.stream.name, stored.sequence
        self._queue.set_aside(stored)
        self._health.count(self._freight.unreadable)
        self._health.raise_fault(
            self._freight.unreadable_fault, f"{name} {number} is kept aside: {error}"
        )
        log.error("kept aside", extra={"stream": name, "sequence": number, "error": str(error)})

    def _wait_after(self, error: TransportError | OutboxError) -> None:
        away = isinstance(error, TransportError)
        fault = self._freight.away_fault if away else self._freight.disk_fault
        if self._health.raise_fault(fault, str(error), "warning"):
            name = self._freight.stream.name
            log.warning("messages wait", extra={"stream": name, "error": str(error)})
        self._stopping.wait(self._backoff.failed())


class RecordSender(Sender):
    """A record leaves the queue only when the cloud said that it is stored."""

    def __init__(
        self,
        bus: Bus,
        queue: RecordQueue,
        health: Health,
        rate_hz: float,
        backoff: Backoff | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        super().__init__(bus, queue, health, rate_hz, backoff)
        self._records = queue
        self._in_flight = in_flight or InFlight()
        self._confirmed: deque[str] = deque()

    def confirm(self, record_ids: Sequence[str]) -> None:
        """The cloud has these records; may be called from any thread."""
        self._confirmed.extend(record_ids)
        self.wake()

    def _send_next(self) -> bool:
        self._wanted.clear()
        self._take_confirmed()
        flight, now_s = self._in_flight, time.monotonic()
        if flight.is_silent(now_s):
            flight.go_back(now_s)
            raise CloudUnreachableError("the cloud does not say that it stored what was sent")
        stored = self._records.oldest(flight.sent_up_to) if flight.has_room() else None
        if stored is None:
            return False
        message = self._published(stored)
        if isinstance(message, InspectionRecord):
            flight.sent(message.recordId, stored, now_s)
        return True

    def _take_confirmed(self) -> None:
        while self._confirmed:
            record_id = self._confirmed[0]
            stored = self._in_flight.find(record_id)
            if stored is not None:
                self._done(stored)
                self._in_flight.confirm(record_id, time.monotonic())
            self._confirmed.popleft()
