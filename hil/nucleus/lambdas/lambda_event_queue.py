"""Events that wait for a function, at most as many as its component allows."""

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
    """What became of the events."""

    taken: int = 0
    refused: int = 0
    done: int = 0
    failed: int = 0
    timed_out: int = 0


class LambdaEventQueue:
    """First in, first out; what comes while it is full is refused and counted."""

    def __init__(self, limit: int) -> None:
        self._waiting: queue.Queue[LambdaEvent] = queue.Queue(limit)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.counts = LambdaEventCounts()

    def put(self, payload: bytes, subject: str) -> bool:
        """Let an event wait; False if there is no room. Never blocks."""
        try:
            self._waiting.put_nowait(LambdaEvent(next(self._numbers), payload, subject))
        except queue.Full:
            self.count_outcome("refused")
            log.warning("event on %s refused: the queue is full", subject)
            return False
        self.count_outcome("taken")
        return True

    def wait_next(self, wait_s: float) -> LambdaEvent | None:
        """The next event, or None if none comes in time."""
        try:
            return self._waiting.get(timeout=wait_s)
        except queue.Empty:
            return None

    def depth(self) -> int:
        """How many wait."""
        return self._waiting.qsize()

    def count_outcome(self, name: str) -> None:
        """Count one event more of this fate."""
        with self._lock:
            setattr(self.counts, name, getattr(self.counts, name) + 1)
