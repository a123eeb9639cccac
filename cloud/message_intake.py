"""The one thread that commits: what the broker delivers waits in a queue and goes in by batches.

The queue empties the connection at once, because the embedded broker forgets what is not acknowledged
within seconds. What a process that is killed had not yet committed, the stations send again: they keep
each record until they are told that it is stored.

A message that cannot be stored, for whatever reason, is refused alone: the others of its batch go in.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from cloud.live.camera_views import CameraViews
from cloud.live.site_summary import SiteSummary
from cloud.store.record_store import CommitResult, MessageBatch, RecordStore
from cloud.wire.batches import ArrivedMessage, build_batch, refuse_message
from cloud.wire.site_limits import SiteLimits
from sightline.errors import RetryableError
from sightline.messaging.codec import MAX_MESSAGE_BYTES

log = logging.getLogger(__name__)
MAX_WAITING_MESSAGES = 10_000
MAX_BATCH_MESSAGES = 500
RETRY_S = 1.0
ENDED = "the thread that stores has ended; start the site again"
PublishReceipts = Callable[[MessageBatch], None]


class MessageIntake(threading.Thread):
    """A batch that cannot be stored is tried again, in its order; meanwhile the queue fills."""

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
        """Why nothing is stored, or nothing."""
        begun, closing = self.ident is not None, self._closing.is_set()
        return ENDED if begun and not closing and not self.is_alive() else self._fault

    def deliver(self, topic: str, payload: bytes) -> None:
        """Take a message from the broker's client; waits only while the store is behind."""
        kept = payload[:MAX_MESSAGE_BYTES]  # ten thousand wait here at most, none of them large
        self._arrivals.put(ArrivedMessage(topic, kept, self._utc_ns(), len(payload) - len(kept)))

    def close(self, timeout_s: float) -> None:
        """Commit what waits, and end."""
        self._closing.set()
        try:
            self._arrivals.put(None, timeout=timeout_s)
        except queue.Full:
            log.error("the store is behind; what waits goes with this process")
            return
        self.join(timeout_s)

    def run(self) -> None:
        """Commit batches until told to end."""
        ended = False
        while not ended:
            arrivals, ended = self._collect_arrivals()
            try:
                if arrivals:
                    self._store_batch(arrivals)
            except Exception:
                # the stations send again whatever they were not told of
                log.exception("a batch is not stored", extra={"messages": len(arrivals)})

    def _collect_arrivals(self) -> tuple[list[ArrivedMessage], bool]:
        """What waits, at most a batch of it, and whether that was the last."""
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
            log.exception("a batch cannot be stored; its messages are stored one by one")
            for arrival in arrivals:
                self._store_alone(arrival)
            return
        if committed is not None:
            self._publish_results(batch, committed)

    def _store_alone(self, arrival: ArrivedMessage) -> None:
        """Store one message, or refuse it where the store takes the refusal: then it is at fault."""
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
        refuse_message(arrival, f"it cannot be stored: {type(error).__name__}: {error}", batch)
        try:
            return batch, self._commit(batch)
        except Exception:  # not the message's fault: nothing can be stored
            log.exception("not even a refusal is stored; trying again")
            self._fault = f"{type(error).__name__}: {error}"
            self._closing.wait(self._retry_s)
            return batch, None

    def _commit(self, batch: MessageBatch) -> CommitResult | None:
        """Commit it, however long the store is not able to; None: the site ends before that."""
        while True:
            try:
                committed = self._store.commit(batch)
            except RetryableError as error:
                self._fault = str(error)
                log.error("not stored; trying again", extra={"error": str(error)})
                if self._closing.wait(self._retry_s):
                    return None
            else:
                self._fault = ""
                return committed

    def _publish_results(self, batch: MessageBatch, committed: CommitResult) -> None:
        """What is stored is shown and told; nothing of that undoes it."""
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
                log.exception("what is stored cannot be shown or told")
