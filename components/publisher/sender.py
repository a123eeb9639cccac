"""Sends what waits on disk to IoT Core from a thread of its own: first in, first out, at a set rate.

A nucleus that spools answers before IoT Core has the message, and what it spooled is gone when it ends.
So a record stays on disk until the cloud says that it is stored, or that it will never be.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from publisher.in_flight import Flight, InFlight
from publisher.outbox import DeadLetters, OutboxError, Stored
from sightline.backoff import Backoff
from sightline.bus import Bus, NoNucleus, NucleusControl
from sightline.codec import decode
from sightline.errors import (
    CloudUnreachableError,
    MessageError,
    NucleusGoneError,
    TransportError,
)
from sightline.health import Health
from sightline.kept_thread import KeptThread
from sightline.messages import DeadLetter
from sightline.topics import GAP_RECORD, GATE_CORRECTION, INSPECTION_RECORD, Stream

log = logging.getLogger(__name__)
AWAY = "cloud-unreachable-records"
UNREADABLE = "record-unreadable"
DISK = "outbox-not-readable"
REFUSED = "records-refused"
UNCONFIRMED = "records-not-confirmed"
LONGEST_IDLE_S = 1.0
SILENCES_TO_RENEW = 3
MAX_FAILURES = 3
STREAMS = {stream.name: stream for stream in (INSPECTION_RECORD, GAP_RECORD, GATE_CORRECTION)}


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

    def at(self, sequence: int) -> Stored | None:
        """The one of this sequence, or None."""

    def refuse(self, name: str, reason: str, refused_utc_ns: int) -> bool:
        """Lay aside what the cloud will never store; False if nothing waits under this name."""

    def dead_letters(self) -> DeadLetters:
        """What was laid aside so."""


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


class Sender(KeptThread):
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
        super().__init__(f"sender-{freight.stream.name}", self._send, health)
        self._freight = freight
        self._bus = bus
        self._queue = queue
        self._health = health
        self._rate_hz = rate_hz
        self._waits = backoff or Backoff()
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def set_rate(self, rate_hz: float) -> None:
        """The most messages a second from now on."""
        self._rate_hz = rate_hz

    def wake(self) -> None:
        """There is something new in the queue."""
        self._wanted.set()

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the thread; False if it still waits for the cloud, and then ends with the process."""
        self._stopping.set()
        self.end()
        self._wanted.set()
        self.join(timeout_s)
        return not self.is_alive()

    def _send(self) -> None:
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

    def _send_next(self) -> bool:
        """Whether something went out; TransportError, OutboxError."""
        self._wanted.clear()
        stored = self._queue.oldest()
        if stored is None:
            return False
        if self._published(stored, self._freight.stream):
            self._done(stored)
        return True

    def _published(self, stored: Stored, stream: Stream) -> bool:
        """Whether the nucleus took it; what cannot be read is set aside."""
        try:
            message: msgspec.Struct = decode(stream.message, stored.payload)
            self._bus.publish(stream, message)
        except (MessageError, TypeError, ValueError) as error:
            self._set_aside(stored, error)
            return False
        return True

    def _done(self, stored: Stored) -> None:
        freight = self._freight
        self._queue.remove(stored)
        self._health.count(freight.sent)
        self._answered()

    def _answered(self) -> None:
        freight = self._freight
        self._waits.succeeded()
        self._health.clear_fault(freight.disk_fault)
        if self._health.clear_fault(freight.away_fault):
            log.info("IoT Core takes messages again", extra={"stream": freight.stream.name})

    def _set_aside(self, stored: Stored, error: Exception) -> None:
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
        self._stopping.wait(self._waits.failed())


class RecordSender(Sender):
    """A record leaves the queue only when the cloud said that it is stored, or never will be.

    With it go gaps and gate corrections, which the cloud answers alike.
    """

    def __init__(
        self,
        bus: Bus,
        queue: RecordQueue,
        health: Health,
        rate_hz: float,
        backoff: Backoff | None = None,
        in_flight: InFlight | None = None,
        nucleus: NucleusControl | None = None,
    ) -> None:
        super().__init__(bus, queue, health, rate_hz, backoff)
        self._nucleus = nucleus or NoNucleus()
        self._records = queue
        self._in_flight = in_flight or InFlight()
        self._confirmed: deque[str] = deque()
        self._refused: deque[DeadLetter] = deque()
        self._failing: list[str] = []

    def confirm(self, record_ids: Sequence[str]) -> None:
        """The cloud has these records; may be called from any thread."""
        self._confirmed.extend(record_ids)
        self.wake()

    def refuse(self, refused: Sequence[DeadLetter]) -> None:
        """The cloud will never store these; may be called from any thread."""
        self._refused.extend(refused)
        self.wake()

    def _send_next(self) -> bool:
        self._wanted.clear()
        self._take_answers()
        flight, now_s = self._in_flight, time.monotonic()
        flight.look(now_s)
        self._report_slow()
        if flight.is_silent(now_s):
            flight.go_back(now_s)
            self._renew_subscriptions()
            raise CloudUnreachableError("the cloud does not say that it stored what was sent")
        stored = self._next(now_s)
        if stored is None:
            return False
        stream = STREAMS.get(stored.stream)
        if stream is None:
            self._set_aside(stored, ValueError(f"no stream is called {stored.stream!r}"))
        else:
            self._send_one(stored, stream, now_s)
        return True

    def _send_one(self, stored: Stored, stream: Stream, now_s: float) -> None:
        flight = self._in_flight
        try:
            is_sent = self._published(stored, stream)
        except (TransportError, OutboxError, NucleusGoneError):
            raise
        except Exception:
            self._failing = [*self._failing, stored.name][-MAX_FAILURES:]
            if (
                self._failing.count(stored.name) == MAX_FAILURES
            ):  # else it would be the next for ever
                flight.sent(stored.name, stored.sequence, now_s)
            raise
        if is_sent:
            flight.sent(stored.name, stored.sequence, now_s)
        else:
            flight.forget(stored.name)

    def _next(self, now_s: float) -> Stored | None:
        """What to send now: now and then one that waits apart, else what comes back, else the next."""
        flight = self._in_flight
        slow = flight.next_slow(now_s)
        if slow is not None:
            return self._again(slow)
        if not flight.has_room():
            return None
        new = self._records.oldest(flight.sent_up_to) if flight.prefers_new() else None
        returned = flight.next_returned() if new is None else None
        if returned is not None:
            return self._again(returned)
        return new or self._records.oldest(flight.sent_up_to)

    def _again(self, flight: Flight) -> Stored | None:
        stored = self._records.at(flight.sequence)
        if stored is None or stored.name != flight.name:
            self._in_flight.forget(flight.name)
            return None
        return stored

    def _take_answers(self) -> None:
        while self._confirmed:
            name = self._confirmed[0]
            flight = self._in_flight.find(name)
            if flight is not None:
                self._done(Stored(flight.sequence, b"", name=name))
                self._in_flight.confirm(name, time.monotonic())
            self._confirmed.popleft()
        while self._refused:
            self._lay_aside(self._refused[0])
            self._refused.popleft()

    def _lay_aside(self, letter: DeadLetter) -> None:
        if not self._records.refuse(letter.record_id, letter.reason, time.time_ns()):
            return
        self._in_flight.confirm(letter.record_id, time.monotonic())
        self._health.count("records_refused")
        self._answered()
        dead = self._records.dead_letters()
        text = (
            f"The cloud refuses {dead.count} records: first {dead.name}: {dead.reason}; they are kept "
            "at the station and sent once more when the publisher is started again."
        )
        self._health.gauge("dead_letters", dead.count)
        self._health.raise_fault(REFUSED, text)
        extra = {"record": letter.record_id, "reason": letter.reason}
        log.error("the cloud refuses a record", extra=extra)

    def _report_slow(self) -> None:
        slow = self._in_flight.slow
        if not slow:
            self._health.clear_fault(UNCONFIRMED)
            return
        text = (
            f"{len(slow)} records were sent and are not confirmed though later ones are: first {slow[0]}. "
            "They stay in the outbox and are sent again each minute."
        )
        self._health.raise_fault(UNCONFIRMED, text, "warning")

    def _renew_subscriptions(self) -> None:
        """The nucleus answers, but no word of the cloud comes: it may have forgotten who listens."""
        if self._in_flight.silences % SILENCES_TO_RENEW == 0:
            self._health.count("cloud_subscriptions_renewed")
            log.warning("the cloud is silent; its subscriptions are bound anew")
            self._nucleus.renew_cloud_subscriptions()
