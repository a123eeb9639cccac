"""The station's part counter: the numbering and its file, kept in step."""

import contextlib
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from capture.numbering import (
    Numbering,
    NumberingFile,
    Step,
    adopt_counter,
    next_by_counter,
    next_by_own_count,
)
from capture.triggers.trigger import Triggered
from sightline.clock import Clock, boot_id
from sightline.errors import MessageError
from sightline.health import Health

log = logging.getLogger(__name__)

DISCONTINUITY = "part-counter"
NOT_STORED = "part-counter-not-stored"
DISCONTINUITY_SHOWN_NS = 60_000_000_000  # it is over at once; this long an operator sees it


class PartCounter:
    """Gives numbers; `stored` is what is on disk, and nothing later may be told to anyone."""

    def __init__(self, path: Path, health: Health, clock: Clock) -> None:
        self._health = health
        self._clock = clock
        self._keeper = ThreadPoolExecutor(1, "numbering")
        self._storing: Future[None] | None = None
        self._adopted_utc_ns = 0
        self._discontinuity_ends_ns: int | None = None
        self._file = NumberingFile(path)
        self.stored = self._load(path)
        self.state = self.stored

    @property
    def last_number(self) -> int:
        """The last number given; 0 where there is none."""
        return self.state.last_number if self.state is not None else 0

    def take(self, triggered: Triggered, travel_ns: int) -> Numbering | None:
        """Number a part and begin to store it; None if it is numbered already."""
        now_s = self._clock.utc_ns() // 1_000_000_000
        counter = triggered.counter
        if counter is None:
            step: Step | None = next_by_own_count(self.state, now_s)
        elif counter <= self.last_number and triggered.utc_ns <= self._adopted_utc_ns:
            return None  # its trigger came after all, when the announced counter stood for it
        else:
            step = next_by_counter(self.state, counter, now_s)
        return self._begin(step, triggered.monotonic_ns + travel_ns)

    def adopt(self, counter: int, counted_utc_ns: int, deadline_ns: int) -> Numbering | None:
        """Go on to a counter whose triggers were lost; None if all up to it are numbered."""
        now_s = self._clock.utc_ns() // 1_000_000_000
        taken = self._begin(adopt_counter(self.state, counter, now_s), deadline_ns)
        if taken is not None:
            self._adopted_utc_ns = counted_utc_ns
        return taken

    def settle(self) -> bool:
        """Wait until the state is on disk; False, with a fault, if it cannot be stored."""
        storing, self._storing = self._storing, None
        if storing is None:
            return self.state is self.stored
        try:
            storing.result()
        except OSError as error:
            text = f"the part's number cannot be stored: {error}"
            if self._health.raise_fault(NOT_STORED, text):
                log.error("number not stored", extra={"error": str(error)})
            return False
        self.stored = self.state
        self._health.clear_fault(NOT_STORED)
        return True

    def tick(self) -> None:
        """Store again what could not be stored; let a discontinuity rest after a while."""
        if self.state is not None and self.state is not self.stored:
            self._store(self.state)
            self.settle()
        ends_ns = self._discontinuity_ends_ns
        if ends_ns is not None and self._clock.monotonic_ns() >= ends_ns:
            self._discontinuity_ends_ns = None
            self._health.clear_fault(DISCONTINUITY)

    def close(self) -> None:
        """End the thread that stores."""
        self._keeper.shutdown()
        self._file.close()

    def _begin(self, step: Step | None, deadline_ns: int) -> Numbering | None:
        if step is None:
            return None
        if step.fault is not None:
            self._report(step.fault)
        self.state = msgspec.structs.replace(
            step.state, deadline_monotonic_ns=deadline_ns, boot_id=boot_id()
        )
        self._store(self.state)
        return self.state

    def _store(self, state: Numbering) -> None:
        self._storing = self._keeper.submit(self._file.store, state)

    def _load(self, path: Path) -> Numbering | None:
        try:
            return self._file.load()
        except (MessageError, OSError) as error:
            with contextlib.suppress(OSError):
                path.replace(path.with_suffix(".damaged"))
            self._report(f"the stored part number is damaged; a new epoch begins: {error}")
            return None

    def _report(self, fault: str) -> None:
        log.error("the part counter does not go on", extra={"reason": fault})
        self._health.raise_fault(DISCONTINUITY, fault)
        self._discontinuity_ends_ns = self._clock.monotonic_ns() + DISCONTINUITY_SHOWN_NS
