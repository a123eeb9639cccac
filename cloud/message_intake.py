"""The one thread that writes to the store: messages wait in a queue and are committed in batches.

The queue drains the connection at once, because the embedded broker drops what is not acknowledged
within seconds. What a killed process had not committed is sent again by the stations: they keep each
record until its receipt arrives.

A message that cannot be stored is refused alone; the others of its batch are stored.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from cloud.live.camera_views import CameraViews
from cloud.live.site_summary import SiteSummary
from cloud.store.record_store import RecordStore
from cloud.store.stored_messages import CommitResult, MessageBatch
from cloud.wire.batches import ArrivedMessage, build_batch, refuse_message
from cloud.wire.site_limits import SiteLimits
from sightline.errors import RetryableError
from sightline.messaging.codec import MAX_MESSAGE_BYTES

log = logging.getLogger(__name__)
MAX_WAITING_MESSAGES = 10_000
MAX_BATCH_MESSAGES = 500
RETRY_S = 1.0
ENDED = "No records are stored: the thread that stores them has ended. Restart the cloud side."
PublishReceipts = Callable[[MessageBatch], None]


class MessageIntake(threading.Thread):
    """Stores messages in order; a batch that cannot be stored is retried while the queue fills."""

    def __init__(
        self,
        store: RecordStore,
        summary: SiteSummary,
        utc_ns: Callable[[], int] = time.time_ns,
        retry_s: float = RETRY_S,
        views: CameraViews | None = None,
        publish_receipts: PublishReceipts = lambda batch: None,
        limits: SiteLimits | None = None,
    ) -> None:
        super().__init__(name="intake", daemon=True)
        self._store = store
        self._summary = summary
        self._views = views or CameraViews()
        self._publish_receipts = publish_receipts
        self._limits = limits or SiteLimits()
        self._utc_ns = utc_ns
        self._retry_s = retry_s
        self._arrivals: queue.Queue[ArrivedMessage | None] = queue.Queue(MAX_WAITING_MESSAGES)
        self._closing = threading.Event()
        self._fault = ""

    @property
    def fault(self) -> str:
        """Why nothing is stored; empty while all is well."""
        begun, closing = self.ident is not None, self._closing.is_set()
        return ENDED if begun and not closing and not self.is_alive() else self._fault

    def deliver(self, topic: str, payload: bytes) -> None:
        """Queue a message from the broker's client; waits only while the queue is full."""
        kept = payload[:MAX_MESSAGE_BYTES]  # ten thousand wait here at most, none of them large
        self._arrivals.put(ArrivedMessage(topic, kept, self._utc_ns(), len(payload) - len(kept)))

    def close(self, timeout_s: float) -> None:
        """Commit what is queued, then end."""
        self._closing.set()
        try:
            self._arrivals.put(None, timeout=timeout_s)
        except queue.Full:
            log.error(
                "the store is too slow: queued messages are dropped and the stations will resend them"
            )
            return
        self.join(timeout_s)

    def run(self) -> None:
        """Commit batches until closed."""
        ended = False
        while not ended:
            arrivals, ended = self._collect_arrivals()
            try:
                if arrivals:
                    self._store_batch(arrivals)
            except Exception:
                # the stations resend whatever got no receipt
                log.exception(
                    "batch not stored; the stations will resend it",
                    extra={"messages": len(arrivals)},
                )

    def _collect_arrivals(self) -> tuple[list[ArrivedMessage], bool]:
        """The queued messages, at most one batch, and whether they were the last."""
        taken: list[ArrivedMessage] = []
        arrival = self._arrivals.get()
        while arrival is not None:
            taken.append(arrival)
            if len(taken) == MAX_BATCH_MESSAGES:
                return taken, False
            try:
                arrival = self._arrivals.get_nowait()
            except queue.Empty:
                return taken, False
        return taken, True

    def _store_batch(self, arrivals: list[ArrivedMessage]) -> None:
        batch = build_batch(arrivals, self._limits)
        try:
            committed = self._commit(batch)
        except Exception:
            log.exception("batch cannot be stored; storing its messages one by one")
            for arrival in arrivals:
                self._store_alone(arrival)
            return
        if committed is not None:
            self._publish_results(batch, committed)

    def _store_alone(self, arrival: ArrivedMessage) -> None:
        """Store one message, or refuse it if the store accepts the refusal: then the message is at fault."""
        while True:
            batch = build_batch([arrival], self._limits)
            try:
                committed = self._commit(batch)
            except Exception as error:  # noqa: BLE001 it goes into the refusal
                batch, committed = self._store_refusal(arrival, error)
            if committed is not None:
                self._publish_results(batch, committed)
            if committed is not None or self._closing.is_set():
                return

    def _store_refusal(
        self, arrival: ArrivedMessage, error: Exception
    ) -> tuple[MessageBatch, CommitResult | None]:
        batch = MessageBatch()
        refuse_message(arrival, f"cannot be stored: {type(error).__name__}: {error}", batch)
        try:
            return batch, self._commit(batch)
        except Exception:  # not the message's fault: nothing can be stored
            log.exception("refused message not stored; retrying")
            self._fault = f"{type(error).__name__}: {error}"
            self._closing.wait(self._retry_s)
            return batch, None

    def _commit(self, batch: MessageBatch) -> CommitResult | None:
        """Commit it, retrying as long as needed; None if the site closes first."""
        while True:
            try:
                committed = self._store.commit(batch)
            except RetryableError as error:
                self._fault = str(error)
                log.error("batch not stored; retrying", extra={"error": str(error)})
                if self._closing.wait(self._retry_s):
                    return None
            else:
                self._fault = ""
                return committed

    def _publish_results(self, batch: MessageBatch, committed: CommitResult) -> None:
        """Show what is stored and send receipts; a failure here does not undo the commit."""
        for refusal in [*batch.refusals, *committed.conflicts]:
            extra = {"topic": refusal.topic, "reason": refusal.reason}
            log.warning(refusal.kind, extra=extra)
        steps: tuple[Callable[[], None], ...] = (
            partial(self._views.add, batch.views),
            partial(self._summary.add, batch, committed),
            partial(self._publish_receipts, batch),
        )
        for step in steps:
            try:
                step()
            except Exception:
                log.exception("stored messages could not be shown or acknowledged")
