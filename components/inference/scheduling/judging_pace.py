"""Whether a part that comes now would be judged before its deadline, by how long parts usually take.

And which of the parts that wait are given up, so that the newest of them are judged: one that waited long
is judged no better than a fresh one, but makes all behind it wait, too.
"""

from collections import deque
from collections.abc import Sequence

PARTS_IN_ESTIMATE = 20  # the second longest of so many is the 95th percentile
MAX_UNJUDGED_NS = 250_000_000
MAX_WAITING_SHARE = 0.5  # of the newest part's time: what the parts before it may take


class JudgingPace:
    """How long the last parts took, until their verdict was on disk. One stall among them is no measure.

    Nobody knows how long a part takes when none is judged: each that is then refused by the estimate
    alone halves it, so that parts are tried again soon, however slow the last ones were.
    """

    def __init__(self) -> None:
        self._durations_ns: deque[float] = deque(maxlen=PARTS_IN_ESTIMATE)
        self._last_ns = 0
        self._typical_ns = 0.0

    @property
    def typical_ns(self) -> float:
        """The time that 19 of 20 parts take at most."""
        return self._typical_ns

    def record_judged(self, judging_ns: int, now_ns: int) -> None:
        """A part was judged in this time, in time or too late."""
        self._durations_ns.append(max(0, judging_ns))
        self._last_ns = now_ns
        self._update_estimate()

    def is_too_late(self, now_ns: int, deadline_ns: int) -> bool:
        """Whether judging that begins now would end after the deadline."""
        return now_ns > deadline_ns or now_ns + self._typical_ns > deadline_ns

    def record_refused(self, now_ns: int, deadline_ns: int) -> None:
        """A part was given up. Where the estimate alone was the reason, and none is judged, halve it."""
        if now_ns <= deadline_ns and now_ns - self._last_ns > MAX_UNJUDGED_NS:
            self._durations_ns = deque(
                (took / 2 for took in self._durations_ns), maxlen=PARTS_IN_ESTIMATE
            )
            self._update_estimate()

    def count_to_give_up(self, deadlines_ns: Sequence[int], now_ns: int) -> int:
        """How many of the parts that wait, in their order, are given up for those behind them."""
        waiting = len(deadlines_ns)
        if waiting < 2:
            return 0
        time_left_ns = deadlines_ns[-1] - now_ns
        if self.is_too_late(now_ns, deadlines_ns[-1]):
            return 0  # nothing is gained: each goes by its own time
        fitting = waiting
        if self._typical_ns > 0:
            fitting = int(MAX_WAITING_SHARE * time_left_ns / self._typical_ns)
        return waiting - max(1, min(waiting, fitting))

    def _update_estimate(self) -> None:
        ranked = sorted(self._durations_ns)
        self._typical_ns = ranked[-2] if len(ranked) > 1 else 0.0
