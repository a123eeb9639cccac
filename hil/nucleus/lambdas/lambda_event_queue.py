"""The bounded queue of events for a function."""

import itertools
import logging
import queue
import threading
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LambdaEvent:
    """One event: the message's payload and its topic."""

    number: int
    payload: bytes
    subject: str


@dataclass
class LambdaEventCounts:
    """Counts of events by outcome."""

    taken: int = 0
    refused: int = 0
    done: int = 0
    failed: int = 0
    timed_out: int = 0


class LambdaEventQueue:
    """First in, first out; events that arrive while it is full are refused and counted."""

    def __init__(self, limit: int) -> None:
        self._waiting: queue.Queue[LambdaEvent] = queue.Queue(limit)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.counts = LambdaEventCounts()

    def put(self, payload: bytes, subject: str) -> bool:
        """Queue an event; False if the queue is full. Never blocks."""
        try:
            self._waiting.put_nowait(LambdaEvent(next(self._numbers), payload, subject))
        except queue.Full:
            self.count_outcome("refused")
            log.warning("event on %s refused: the queue is full", subject)
            return False
        self.count_outcome("taken")
        return True

    def wait_next(self, wait_s: float) -> LambdaEvent | None:
        """The next event, or None on timeout."""
        try:
            return self._waiting.get(timeout=wait_s)
        except queue.Empty:
            return None

    def depth(self) -> int:
        """The number of waiting events."""
        return self._waiting.qsize()

    def count_outcome(self, name: str) -> None:
        """Count one more event with this outcome."""
        with self._lock:
            setattr(self.counts, name, getattr(self.counts, name) + 1)
