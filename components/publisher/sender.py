"""Sends records to IoT Core from a thread of its own: first in, first out, at a set rate."""

import logging
import threading
import time

from publisher.outbox import Outbox, OutboxError, Stored
from sightline.backoff import Backoff
from sightline.bus import Bus
from sightline.codec import decode
from sightline.errors import MessageError, NucleusGoneError, TransportError
from sightline.health import Health
from sightline.messages import InspectionRecord
from sightline.topics import INSPECTION_RECORD

log = logging.getLogger(__name__)
AWAY = "cloud-unreachable-records"
UNREADABLE = "record-unreadable"
DISK = "outbox-not-readable"
LONGEST_IDLE_S = 1.0


class RecordSender(threading.Thread):
    """A record leaves the outbox only when IoT Core accepted it; until then none passes it."""

    def __init__(
        self,
        bus: Bus,
        outbox: Outbox,
        health: Health,
        rate_hz: float,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(name="record-sender", daemon=True)
        self._bus = bus
        self._outbox = outbox
        self._health = health
        self._rate_hz = rate_hz
        self._backoff = backoff or Backoff()
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def set_rate(self, rate_hz: float) -> None:
        """The most records a second from now on."""
        self._rate_hz = rate_hz

    def wake(self) -> None:
        """There is a new record in the outbox."""
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
        stored = self._outbox.oldest()
        if stored is None:
            return False
        try:
            self._bus.publish(INSPECTION_RECORD, decode(InspectionRecord, stored.payload))
        except MessageError as error:
            self._set_aside(stored, error)
            return True
        self._outbox.remove(stored)
        self._health.count("records_sent")
        self._backoff.succeeded()
        self._health.clear_fault(DISK)
        if self._health.clear_fault(AWAY):
            log.info("IoT Core takes records again", extra={"waiting": self._outbox.depth})
        return True

    def _set_aside(self, stored: Stored, error: MessageError) -> None:
        self._outbox.set_aside(stored)
        self._health.count("records_unreadable")
        self._health.raise_fault(UNREADABLE, f"record {stored.sequence} is kept aside: {error}")
        log.error("record kept aside", extra={"sequence": stored.sequence, "error": str(error)})

    def _wait_after(self, error: TransportError | OutboxError) -> None:
        away = isinstance(error, TransportError)
        if self._health.raise_fault(AWAY if away else DISK, str(error), "warning"):
            log.warning("records wait", extra={"error": str(error), "waiting": self._outbox.depth})
        self._stopping.wait(self._backoff.failed())
