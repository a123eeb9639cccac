"""Follows the PLC's part counter: which value is a new part, and what may be announced."""

from dataclasses import dataclass
from typing import Literal

from equipment.links.counter_steps import find_wrap_top, step_between
from equipment.links.link import CounterSeen, TagsRead

CounterChange = Literal["start", "part", "wrap", "restart", "known"]


@dataclass(frozen=True)
class CounterValue:
    """A value of the counter and when it was reached."""

    counter: int
    counted_utc_ns: int


class CounterTracker:
    """One connection's view of the counter."""

    def __init__(self) -> None:
        self.since_monotonic_ns = 0
        self.last: CounterValue | None = None
        self.ended: CounterValue | None = None  # the top, if the last step wrapped and none told it
        self._pending_value: CounterValue | None = None

    def start_connection(self, monotonic_ns: int) -> None:
        """A new connection: the next value seen is where the counter stands."""
        self.since_monotonic_ns = monotonic_ns
        self.last = None
        self.ended = None
        self._pending_value = None

    def track(self, seen: CounterSeen) -> CounterChange:
        """Take a value from the subscription; says what it means."""
        last, self.last = self.last, CounterValue(seen.counter, seen.counted_utc_ns)
        if last is None:
            return "start"
        self.ended = None
        step = step_between(last.counter, seen.counter)
        if step == "same":
            return "known"
        if step == "forward":
            return "part"
        self._pending_value = None
        if step == "restart":
            self.since_monotonic_ns = seen.received_monotonic_ns
            return "restart"
        top = find_wrap_top(last.counter, seen.counter)
        if top is not None and top != last.counter:
            self.ended = CounterValue(top, last.counted_utc_ns)
        return "wrap"

    def advance_announcement(self, read: TagsRead | None) -> CounterValue | None:
        """Go on to the next announcement: the last part told, or a value read an announcement ago.

        A value read just now may have its trigger still under way; announced at once, its part
        would look lost.
        """
        earlier, self._pending_value = self._pending_value, None
        if read is not None and read.counter is not None:
            self._pending_value = CounterValue(read.counter, read.counted_utc_ns)
        if self.last is None:
            return None
        if earlier is not None and earlier.counter > self.last.counter:
            return earlier
        return self.last
