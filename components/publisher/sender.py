"""Sends what waits on disk to IoT Core from a thread of its own: first in, first out, at a set rate."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from publisher.outbox import OutboxError, Stored
from sightline.backoff import Backoff
from sightline.bus import Bus
from sightline.codec import decode
from sightline.errors import MessageError, NucleusGoneError, TransportError
from sightline.health import Health
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
        """The cloud accepted it."""

    def set_aside(self, stored: Stored) -> None:
        """It cannot be sent; let the others pass."""


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
    """A message leaves the queue only when IoT Core accepted it; until then none passes it."""

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
                sent = self._send_oldest()
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

    def _send_oldest(self) -> bool:
        self._wanted.clear()
        stored = self._queue.oldest()
        if stored is None:
            return False
        freight = self._freight
        try:
            self._bus.publish(freight.stream, decode(freight.stream.message, stored.payload))
        except MessageError as error:
            self._set_aside(stored, error)
            return True
        self._queue.remove(stored)
        self._health.count(freight.sent)
        self._backoff.succeeded()
        self._health.clear_fault(freight.disk_fault)
        if self._health.clear_fault(freight.away_fault):
            log.info("IoT Core takes messages again", extra={"stream": freight.stream.name})
        return True

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
