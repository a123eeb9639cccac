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

from publisher.messages_in_flight import MessageInFlight, MessagesInFlight
from publisher.outbox import DeadLetterSummary, OutboxError, QueuedMessage
from sightline.backoff import Backoff
from sightline.errors import (
    CloudUnreachableError,
    MessageError,
    NucleusGoneError,
    TransportError,
)
from sightline.kernel.health import ComponentHealth
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.bus import MessageBus, NoNucleus, NucleusControl
from sightline.messaging.codec import decode
from sightline.messaging.messages import DeadLetter
from sightline.messaging.topics import GAP_RECORD, GATE_CORRECTION, INSPECTION_RECORD, MessageStream

log = logging.getLogger(__name__)
CLOUD_AWAY_FAULT = "cloud-unreachable-records"
UNREADABLE_FAULT = "record-unreadable"
OUTBOX_READ_FAULT = "outbox-not-readable"
REFUSED_FAULT = "records-refused"
UNCONFIRMED_FAULT = "records-not-confirmed"
MAX_IDLE_S = 1.0
SILENCES_TO_RENEW = 3
MAX_FAILURES = 3
STREAMS = {stream.name: stream for stream in (INSPECTION_RECORD, GAP_RECORD, GATE_CORRECTION)}


class SendQueue(Protocol):
    """What waits on disk; each method raises OutboxError."""

    def load_oldest(self) -> QueuedMessage | None:
        """What to send next, or None."""

    def remove(self, stored: QueuedMessage) -> None:
        """The cloud has it."""

    def set_aside(self, stored: QueuedMessage) -> None:
        """It cannot be sent; let the others pass."""


class RecordQueue(SendQueue, Protocol):
    """A queue of which more than one may be under way."""

    def load_oldest(self, after: int = 0) -> QueuedMessage | None:
        """The first whose sequence is greater than `after`, or None."""

    def load_at(self, sequence: int) -> QueuedMessage | None:
        """The one of this sequence, or None."""

    def move_to_dead_letters(self, name: str, reason: str, refused_utc_ns: int) -> bool:
        """Lay aside what the cloud will never store; False if nothing waits under this name."""

    def summarise_dead_letters(self) -> DeadLetterSummary:
        """What was laid aside so."""


@dataclass(frozen=True)
class SenderChannel:
    """What a sender sends, and the names under which it is counted and its faults are told."""

    stream: MessageStream
    sent_counter: str
    unreadable_counter: str
    away_fault: str
    unreadable_fault: str
    disk_fault: str


RECORD_CHANNEL = SenderChannel(
    INSPECTION_RECORD,
    "records_sent",
    "records_unreadable",
    CLOUD_AWAY_FAULT,
    UNREADABLE_FAULT,
    OUTBOX_READ_FAULT,
)


class CloudSender(SupervisedThread):
    """A message leaves the queue only when the nucleus took it; until then none passes it."""

    def __init__(
        self,
        bus: MessageBus,
        queue: SendQueue,
        health: ComponentHealth,
        rate_hz: float,
        backoff: Backoff | None = None,
        channel: SenderChannel = RECORD_CHANNEL,
    ) -> None:
        super().__init__(f"sender-{channel.stream.name}", self._run_sending, health)
        self._channel = channel
        self._bus = bus
        self._queue = queue
        self._health = health
        self._rate_hz = rate_hz
        self._cloud_backoff = backoff or Backoff()
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def set_rate(self, rate_hz: float) -> None:
        """The most messages a second from now on."""
        self._rate_hz = rate_hz

    def wake(self) -> None:
        """There is something new in the queue."""
        self._wake.set()

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the thread; False if it still waits for the cloud, and then ends with the process."""
        self._stopping.set()
        self.stop()
        self._wake.set()
        self.join(timeout_s)
        return not self.is_alive()

    def _run_sending(self) -> None:
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
                self._wake.wait(MAX_IDLE_S)

    def _send_next(self) -> bool:
        """Whether something went out; TransportError, OutboxError."""
        self._wake.clear()
        stored = self._queue.load_oldest()
        if stored is None:
            return False
        if self._try_publish(stored, self._channel.stream):
            self._complete_sent_message(stored)
        return True

    def _try_publish(self, stored: QueuedMessage, stream: MessageStream) -> bool:
        """Whether the nucleus took it; what cannot be read is set aside."""
        try:
            message: msgspec.Struct = decode(stream.message, stored.payload)
            self._bus.publish(stream, message)
        except (MessageError, TypeError, ValueError) as error:
            self._set_aside(stored, error)
            return False
        return True

    def _complete_sent_message(self, stored: QueuedMessage) -> None:
        freight = self._channel
        self._queue.remove(stored)
        self._health.count(freight.sent_counter)
        self._note_cloud_reachable()

    def _note_cloud_reachable(self) -> None:
        freight = self._channel
        self._cloud_backoff.reset()
        self._health.clear_fault(freight.disk_fault)
        if self._health.clear_fault(freight.away_fault):
            log.info("IoT Core takes messages again", extra={"stream": freight.stream.name})

    def _set_aside(self, stored: QueuedMessage, error: Exception) -> None:
        name, number = self._channel.stream.name, stored.sequence
        self._queue.set_aside(stored)
        self._health.count(self._channel.unreadable_counter)
        self._health.raise_fault(
            self._channel.unreadable_fault, f"{name} {number} is set aside: {error}"
        )
        log.error(
            "message set aside", extra={"stream": name, "sequence": number, "error": str(error)}
        )

    def _wait_after(self, error: TransportError | OutboxError) -> None:
        away = isinstance(error, TransportError)
        fault = self._channel.away_fault if away else self._channel.disk_fault
        if self._health.raise_fault(fault, str(error), "warning"):
            name = self._channel.stream.name
            log.warning("messages wait", extra={"stream": name, "error": str(error)})
        self._stopping.wait(self._cloud_backoff.next_delay_s())


class RecordSender(CloudSender):
    """A record leaves the queue only when the cloud said that it is stored, or never will be.

    With it go gaps and gate corrections, which the cloud answers alike.
    """

    def __init__(
        self,
        bus: MessageBus,
        queue: RecordQueue,
        health: ComponentHealth,
        rate_hz: float,
        backoff: Backoff | None = None,
        in_flight: MessagesInFlight | None = None,
        nucleus: NucleusControl | None = None,
    ) -> None:
        super().__init__(bus, queue, health, rate_hz, backoff)
        self._nucleus = nucleus or NoNucleus()
        self._records = queue
        self._in_flight = in_flight or MessagesInFlight()
        self._confirmed: deque[str] = deque()
        self._refused: deque[DeadLetter] = deque()
        self._failing: list[str] = []

    def note_confirmed(self, record_ids: Sequence[str]) -> None:
        """The cloud has these records; may be called from any thread."""
        self._confirmed.extend(record_ids)
        self.wake()

    def note_refused(self, refused: Sequence[DeadLetter]) -> None:
        """The cloud will never store these; may be called from any thread."""
        self._refused.extend(refused)
        self.wake()

    def _send_next(self) -> bool:
        self._wake.clear()
        self._handle_receipts()
        flight, now_s = self._in_flight, time.monotonic()
        flight.return_overtaken(now_s)
        self._report_slow()
        if flight.is_silent(now_s):
            flight.return_all(now_s)
            self._renew_subscriptions()
            raise CloudUnreachableError("the cloud does not confirm that it stored what was sent")
        stored = self._load_next(now_s)
        if stored is None:
            return False
        stream = STREAMS.get(stored.stream)
        if stream is None:
            self._set_aside(stored, ValueError(f"no stream is called {stored.stream!r}"))
        else:
            self._send_one(stored, stream, now_s)
        return True

    def _send_one(self, stored: QueuedMessage, stream: MessageStream, now_s: float) -> None:
        flight = self._in_flight
        try:
            is_sent = self._try_publish(stored, stream)
        except (TransportError, OutboxError, NucleusGoneError):
            raise
        except Exception:
            self._failing = [*self._failing, stored.name][-MAX_FAILURES:]
            if (
                self._failing.count(stored.name) == MAX_FAILURES
            ):  # else it would be the next for ever
                flight.mark_sent(stored.name, stored.sequence, now_s)
            raise
        if is_sent:
            flight.mark_sent(stored.name, stored.sequence, now_s)
        else:
            flight.forget(stored.name)

    def _load_next(self, now_s: float) -> QueuedMessage | None:
        """What to send now: now and then one that waits apart, else what comes back, else the next."""
        flight = self._in_flight
        slow = flight.find_next_slow(now_s)
        if slow is not None:
            return self._load_again(slow)
        if not flight.has_room():
            return None
        new = self._records.load_oldest(flight.sent_up_to) if flight.sends_new_first() else None
        returned = flight.find_next_returned() if new is None else None
        if returned is not None:
            return self._load_again(returned)
        return new or self._records.load_oldest(flight.sent_up_to)

    def _load_again(self, flight: MessageInFlight) -> QueuedMessage | None:
        stored = self._records.load_at(flight.sequence)
        if stored is None or stored.name != flight.name:
            self._in_flight.forget(flight.name)
            return None
        return stored

    def _handle_receipts(self) -> None:
        while self._confirmed:
            name = self._confirmed[0]
            flight = self._in_flight.find(name)
            if flight is not None:
                self._complete_sent_message(QueuedMessage(flight.sequence, b"", name=name))
                self._in_flight.confirm(name, time.monotonic())
            self._confirmed.popleft()
        while self._refused:
            self._store_dead_letter(self._refused[0])
            self._refused.popleft()

    def _store_dead_letter(self, letter: DeadLetter) -> None:
        if not self._records.move_to_dead_letters(letter.record_id, letter.reason, time.time_ns()):
            return
        self._in_flight.confirm(letter.record_id, time.monotonic())
        self._health.count("records_refused")
        self._note_cloud_reachable()
        dead = self._records.summarise_dead_letters()
        text = (
            f"The cloud refuses {dead.count} records: first {dead.name}: {dead.reason}; they are kept "
            "at the station and sent once more when the publisher is started again."
        )
        self._health.set_gauge("dead_letters", dead.count)
        self._health.raise_fault(REFUSED_FAULT, text)
        extra = {"record": letter.record_id, "reason": letter.reason}
        log.error("the cloud refuses a record", extra=extra)

    def _report_slow(self) -> None:
        slow = self._in_flight.slow_names
        if not slow:
            self._health.clear_fault(UNCONFIRMED_FAULT)
            return
        text = (
            f"{len(slow)} records were sent and are not confirmed though later ones are: first {slow[0]}. "
            "They stay in the outbox and are sent again each minute."
        )
        self._health.raise_fault(UNCONFIRMED_FAULT, text, "warning")

    def _renew_subscriptions(self) -> None:
        """The nucleus answers, but no word of the cloud comes: it may have forgotten who listens."""
        if self._in_flight.silences % SILENCES_TO_RENEW == 0:
            self._health.count("cloud_subscriptions_renewed")
            log.warning("no message from the cloud; renewing its subscriptions")
            self._nucleus.renew_cloud_subscriptions()
