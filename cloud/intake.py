"""The one thread that commits: what the broker delivers waits in a queue and goes in by batches.

The queue empties the connection at once, because the embedded broker forgets what is not acknowledged
within seconds. What a process that is killed had not yet committed, the stations send again: they keep
each record until they are told that it is stored.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from cloud.bench import CameraViews
from cloud.ingest import Arrival, batch_of
from cloud.store.store import Batch, RecordStore, StoredRecord
from cloud.summary import Summary
from sightline.errors import RetryableError

log = logging.getLogger(__name__)
GREATEST_WAITING = 10_000
GREATEST_BATCH = 500
RETRY_S = 1.0
ENDED = "the thread that stores has ended; start the site again"
TellStored = Callable[[Sequence[StoredRecord]], None]


class Intake(threading.Thread):
    """A batch that cannot be stored is tried again, in its order; meanwhile the queue fills."""

    def __init__(
        self,
        store: RecordStore,
        summary: Summary,
        utc_ns: Callable[[], int] = time.time_ns,
        retry_s: float = RETRY_S,
        views: CameraViews | None = None,
        tell_stored: TellStored = lambda records: None,
    ) -> None:
        super().__init__(name="intake", daemon=True)
        self._store = store
        self._summary = summary
        self._views = views or CameraViews()
        self._tell_stored = tell_stored
        self._utc_ns = utc_ns
        self._retry_s = retry_s
        self._arrivals: queue.Queue[Arrival | None] = queue.Queue(GREATEST_WAITING)
        self._closing = threading.Event()
        self._fault = ""

    @property
    def fault(self) -> str:
        """Why nothing is stored, or nothing."""
        begun, closing = self.ident is not None, self._closing.is_set()
        return ENDED if begun and not closing and not self.is_alive() else self._fault

    def deliver(self, topic: str, payload: bytes) -> None:
        """Take a message from the broker's client; waits only while the store is behind."""
        self._arrivals.put(Arrival(topic, payload, self._utc_ns()))

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
            arrivals, ended = self._take()
            if arrivals:
                self._commit(batch_of(arrivals))

    def _take(self) -> tuple[list[Arrival], bool]:
        """What waits, at most a batch of it, and whether that was the last."""
        taken: list[Arrival] = []
        arrival = self._arrivals.get()
        while arrival is not None:
            taken.append(arrival)
            if len(taken) == GREATEST_BATCH:
                return taken, False
            try:
                arrival = self._arrivals.get_nowait()
            except queue.Empty:
                return taken, False
        return taken, True

    def _commit(self, batch: Batch) -> None:
        for refusal in batch.refusals:
            log.warning("refused", extra={"topic": refusal.topic, "reason": refusal.reason})
        self._views.add(batch.views)
        while True:
            try:
                committed = self._store.commit(batch)
            except RetryableError as error:
                self._fault = str(error)
                log.error("not stored; trying again", extra={"error": str(error)})
                if self._closing.wait(self._retry_s):
                    return
            else:
                self._fault = ""
                self._summary.add(batch, committed)
                self._tell_stored(batch.records)
                return
