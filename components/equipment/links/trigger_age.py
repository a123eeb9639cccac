"""How long before its receipt a part may have been counted: bounds that no clock's offset can spoil.

Two facts bound it. A look at the counter (a read) that showed a number before the part's was sent
before the part was counted: so the part is at most as old as that read. And the PLC's own time of the
count, once a part with a near read has shown how that clock stands to the station's: from
`receipt - source time` at most `age` is delay, so that the rest, or less, is the clocks' difference.
The greatest such lower bound holds for later parts; it is let sink, for clocks drift, and it is dropped
when it is refuted, for clocks are set. What a read takes at the least, up to `MAX_USUAL_NS`, is what the link
usually takes, and no delay.
"""

from collections import deque

from equipment.links.counter_steps import step_between

MAX_DRIFT = 200e-6  # of two clocks against each other
TOLERANCE_NS = 2_000_000  # of source times in whole milliseconds
SHARP_OFFSET_NS = 15_000_000  # a bound of the clocks' difference that needs no better one
READS_KEPT = 256
MAX_USUAL_NS = 40_000_000
ROUND_TRIPS_KEPT = 64  # reads
MAX_DELAY_NS = 3_600_000_000_000

CounterRead = tuple[
    int, int, int | None
]  # sent, answered, and the counter; None: before all others


class TriggerAge:
    """One connection's knowledge of counter and clocks; times are of the station's monotonic clock."""

    def __init__(self) -> None:
        self._reads: deque[CounterRead] = deque(maxlen=READS_KEPT)
        self._round_trips_ns: deque[int] = deque(maxlen=ROUND_TRIPS_KEPT)
        self._last_told: int | None = None
        self._offset: tuple[int, int, int] | None = None  # lower bound, when, and its width

    def record_read(self, counter: int, sent_ns: int, answered_ns: int) -> None:
        """The counter was read; requests come one after the other."""
        reads = self._reads
        self._round_trips_ns.append(answered_ns - sent_ns)
        if len(reads) > 1 and reads[-1][2] == reads[-2][2] == counter:
            reads.pop()  # the first answer and the last question with a number are what matters
        reads.append((sent_ns, answered_ns, counter))

    def needs_reads(self, now_ns: int) -> bool:
        """Whether the clocks' difference is not known well, so that only near reads bound a part's age."""
        return self._width_at(now_ns) > SHARP_OFFSET_NS

    def record_count(
        self, counter: int, source_utc_ns: int | None, received_ns: int, trusts_time: bool = True
    ) -> int:
        """A count was reported: at most so long before, beyond what the link usually takes, it was reached.

        `source_utc_ns` is the PLC's time of the count, if it tells one; not `trusts_time`: it may be of
        something else, as of the moment in which the counter became readable again.
        """
        usual_ns = min(self._round_trips_ns, default=0)
        bound_ns = self._bound_delay_ns(counter, source_utc_ns, received_ns, trusts_time)
        return max(0, min(bound_ns, MAX_DELAY_NS) - min(usual_ns, MAX_USUAL_NS))

    def _bound_delay_ns(
        self, counter: int, source_utc_ns: int | None, received_ns: int, trusts_time: bool
    ) -> int:
        oldest_ns, newest_ns = self._bound_age_by_reads(counter, received_ns)
        if source_utc_ns is None or not trusts_time:
            return oldest_ns
        difference_ns = received_ns - source_utc_ns
        bounds = [oldest_ns]
        offset_ns = self._offset_at(received_ns)
        if offset_ns is not None:
            by_clock_ns = difference_ns - offset_ns
            if by_clock_ns < newest_ns - TOLERANCE_NS:
                self._offset = (
                    None  # the part is older than that: a clock was set, or tells other times
                )
            else:
                bounds.append(max(by_clock_ns, 0))
        self._raise_offset(difference_ns, oldest_ns, received_ns)
        return min(bounds)

    def _bound_age_by_reads(self, counter: int, received_ns: int) -> tuple[int, int]:
        """The greatest and the least age of a count that is told now; forgets what is of no more use."""
        last, self._last_told = self._last_told, counter
        reads = list(self._reads)
        anew = next((place for place in range(1, len(reads)) if _begins_anew(reads, place)), None)
        known = reads[:anew]  # of the count that was told so far
        if last is not None and step_between(last, counter) == "restart":
            ended: list[CounterRead] = [(known[-1][0], known[-1][1], None)] if known else []
            reads = known = [*ended, *([] if anew is None else reads[anew:])]
        before = [place for place, read in enumerate(known) if _is_before(read[2], counter)]
        after = [done for _, done, seen in known if not _is_before(seen, counter)]
        oldest_ns = received_ns - known[before[-1]][0] if before else MAX_DELAY_NS
        newest_ns = received_ns - after[0] if after else 0
        self._reads = deque(reads[before[-1] if before else 0 :], maxlen=READS_KEPT)
        return max(oldest_ns, 0), max(newest_ns, 0)

    def _offset_at(self, now_ns: int) -> int | None:
        if self._offset is None:
            return None
        offset_ns, since_ns, _ = self._offset
        return offset_ns - round((now_ns - since_ns) * MAX_DRIFT)

    def _raise_offset(self, difference_ns: int, oldest_ns: int, now_ns: int) -> None:
        """Raise the lower bound of the clocks' difference if this part shows more; it is none above it."""
        if oldest_ns >= MAX_DELAY_NS:
            return
        bound_ns, width_ns = difference_ns - oldest_ns, oldest_ns
        known_ns = self._offset_at(now_ns)
        if known_ns is not None and known_ns > bound_ns:
            bound_ns, width_ns = known_ns, self._width_at(now_ns)
        self._offset = (bound_ns, now_ns, min(width_ns, difference_ns - bound_ns))

    def _width_at(self, now_ns: int) -> int:
        if self._offset is None:
            return MAX_DELAY_NS
        _, since_ns, width_ns = self._offset
        return width_ns + round((now_ns - since_ns) * MAX_DRIFT)


def _begins_anew(reads: list[CounterRead], place: int) -> bool:
    before, seen = reads[place - 1][2], reads[place][2]
    return before is not None and seen is not None and step_between(before, seen) == "restart"


def _is_before(seen: int | None, counter: int) -> bool:
    return seen is None or step_between(seen, counter) in ("forward", "wrap")
