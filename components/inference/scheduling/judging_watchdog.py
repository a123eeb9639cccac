"""Whether any part is judged at all: where none is for long, a new process may do better."""

import logging

from sightline.clock import Clock
from sightline.errors import RestartNeededError
from sightline.kernel.health import ComponentHealth
from sightline.storage.journal import DurableText

NOTHING_JUDGED_FAULT = "nothing-judged"  # the fault
MAX_SILENCE_NS = 60_000_000_000
MIN_PARTS = 10
MAX_FAILURES = 20  # of the models, one after the other
MIN_BETWEEN_RESTARTS_NS = (
    3_600_000_000_000  # three within an hour, and the nucleus starts it no more
)

log = logging.getLogger(__name__)


class JudgingWatchdog:
    """Follows the parts that could have been judged; `memory` keeps when it had the process start again."""

    def __init__(self, health: ComponentHealth, clock: Clock, memory: DurableText) -> None:
        self._health = health
        self._clock = clock
        self._memory = memory
        self._missed = 0
        self._failed = 0
        self._since_ns = 0

    def record_judged(self) -> None:
        """A part was judged in its time."""
        self._missed = self._failed = 0
        if self._health.clear_fault(NOTHING_JUDGED_FAULT):
            self._health.set_ready(True)

    def record_missed(self, *, models_failed: bool = False) -> None:
        """A part was too late, or the models failed; RestartNeededError where that goes on for long."""
        now_ns = self._clock.monotonic_ns()
        if not self._missed:
            self._since_ns = now_ns
        self._missed += 1
        self._failed = self._failed + 1 if models_failed else 0
        silent_ns = now_ns - self._since_ns
        if self._failed >= MAX_FAILURES:
            self._report_nothing_judged(f"The models failed on {self._failed} parts in a row.")
        elif silent_ns >= MAX_SILENCE_NS and self._missed >= MIN_PARTS:
            self._report_nothing_judged(
                f"None of {self._missed} parts was judged in time for {silent_ns / 1e9:.0f} s."
            )

    def _report_nothing_judged(self, what: str) -> None:
        text = f"{what} All of them are rejected. See the other faults and the machine's load."
        self._health.set_ready(False)
        if self._health.raise_fault(NOTHING_JUDGED_FAULT, text):
            log.error("no part is judged", extra={"what": what})
        if self._claim_restart():
            raise RestartNeededError(f"{what} Inference starts again.")

    def _claim_restart(self) -> bool:
        """Once an hour: where it does not help, the fault stands and parts are tried on."""
        now_ns = self._clock.utc_ns()
        try:
            last = (self._memory.load_or_set_aside(log.error) or "0").strip()
            if last.isdigit() and 0 <= now_ns - int(last) < MIN_BETWEEN_RESTARTS_NS:
                return False
            self._memory.store(str(now_ns))
        except OSError as error:
            log.error("cannot store the time of the restart", extra={"error": str(error)})
            return False
        return True
