"""A trigger tells how late it may be: never less than the truth, and little where all is well."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equipment.links.trigger_age import MAX_DELAY_NS, MAX_USUAL_NS, TOLERANCE_NS, TriggerAge

MS = 1_000_000
S = 1_000 * MS
UTC = 1_800_000_000 * S
RTT_NS = 2 * MS  # what the link usually takes
SLACK_NS = RTT_NS + TOLERANCE_NS + MS  # and what the clocks drift between two looks


@dataclass
class Line:
    """A PLC that counts, a network that holds back at times, and a station that looks and hears."""

    counted_ns: list[int]
    stalls: list[tuple[int, int]] = field(default_factory=list)  # nothing arrives from, to
    offset_ns: int = UTC
    drift: float = 0.0
    set_at_ns: int | None = None  # the PLC's clock is set
    set_by_ns: int = 0
    first: int = 1
    rtt_ns: int = RTT_NS

    def source_utc_ns(self, ns: int) -> int:
        """The PLC's clock at a moment of the station's."""
        stepped = self.set_by_ns if self.set_at_ns is not None and ns >= self.set_at_ns else 0
        return self.offset_ns + round(ns * (1 + self.drift)) + stepped

    def arrival_ns(self, sent_ns: int) -> int:
        """When something that the PLC sends arrives."""
        arrives = sent_ns + self.rtt_ns // 2
        for begins, ends in self.stalls:
            if begins <= arrives < ends:
                arrives = ends
        return arrives

    def counter_at(self, ns: int) -> int:
        """What the counter holds."""
        return self.first - 1 + sum(counted <= ns for counted in self.counted_ns)

    def delays(self, tells_time: bool = True) -> list[tuple[int, int]]:
        """Of each part: the true delay, and what the station says of it."""
        age, found, sent_ns = TriggerAge(), list[tuple[int, int]](), 0
        told = [(self.arrival_ns(ns), ns) for ns in self.counted_ns]
        parts = iter(enumerate(told, start=self.first))
        part = next(parts, None)
        while part is not None:
            answered_ns = self.arrival_ns(sent_ns + self.rtt_ns // 2)
            while part is not None and part[1][0] <= answered_ns:
                number, (received_ns, counted_ns) = part
                source = self.source_utc_ns(counted_ns) if tells_time else None
                found.append(
                    (received_ns - counted_ns, age.record_count(number, source, received_ns))
                )
                part = next(parts, None)
            age.record_read(self.counter_at(sent_ns + self.rtt_ns // 2), sent_ns, answered_ns)
            sent_ns = answered_ns + (25 if age.needs_reads(answered_ns) else 100) * MS
        return found


def each(*gaps_ms: int, since_ms: int = 50) -> list[int]:
    """Counting moments with these pauses between."""
    return [ms * MS for ms in itertools.accumulate(gaps_ms, initial=since_ms)][1:]


steady = each(*[170] * 30)


@settings(max_examples=150, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 400), min_size=1, max_size=40),
    stalls=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 900)), max_size=4),
    offset_s=st.integers(-10_000, 10_000),
    drift=st.floats(-100e-6, 100e-6),
    set_back=st.one_of(st.none(), st.tuples(st.integers(0, 4000), st.integers(1, 5000))),
    tells_time=st.booleans(),
    first=st.sampled_from([1, 100, 2**15 - 6, 2**16 - 20, 2**31 - 5]),
)
@example([170] * 6, [(100, 550)], 0, 0.0, None, True, 1)
def test_a_part_is_never_told_to_be_less_late_than_it_is(
    gaps: list[int],
    stalls: list[tuple[int, int]],
    offset_s: int,
    drift: float,
    set_back: tuple[int, int] | None,
    tells_time: bool,
    first: int,
) -> None:
    line = Line(
        each(*gaps),
        [(begins * MS, (begins + long) * MS) for begins, long in stalls],
        UTC + offset_s * S,
        drift,
        first=first,
    )
    if set_back is not None:
        line.set_at_ns, line.set_by_ns = set_back[0] * MS, -set_back[1] * MS
    for true_ns, told_ns in line.delays(tells_time):
        assert told_ns >= true_ns - SLACK_NS


@settings(max_examples=60, deadline=None)
@given(
    offset_s=st.integers(-10_000, 10_000),
    drift=st.floats(-100e-6, 100e-6),
    gap=st.integers(30, 900),
)
def test_parts_told_in_time_are_told_to_be_so_from_the_first_on_whatever_the_clocks_say(
    offset_s: int, drift: float, gap: int
) -> None:
    line = Line(each(*[gap] * 20), offset_ns=UTC + offset_s * S, drift=drift)
    assert max(told_ns for _, told_ns in line.delays()) < 35 * MS


@pytest.mark.parametrize("by_s", [-3600, -1, 1, 3600])
def test_a_clock_that_is_set_spoils_few_parts_and_hides_no_stall_after_it(by_s: int) -> None:
    line = Line(steady, [(3_000 * MS, 3_500 * MS)], set_at_ns=1_000 * MS, set_by_ns=by_s * S)
    found = line.delays()
    assert sum(told_ns > 50 * MS > true_ns for true_ns, told_ns in found) <= 1
    late = [(true_ns, told_ns) for true_ns, told_ns in found if true_ns > 100 * MS]
    assert late
    assert all(told_ns >= true_ns - SLACK_NS for true_ns, told_ns in late)


@pytest.mark.parametrize("rtt_ms", [20, 40])
def test_a_plc_that_always_answers_slowly_makes_no_part_late_and_hides_no_stall(
    rtt_ms: int,
) -> None:
    line = Line(steady, [(3_000 * MS, 3_500 * MS)], rtt_ns=rtt_ms * MS)
    found = line.delays()
    in_time = [told_ns for true_ns, told_ns in found if true_ns <= rtt_ms * MS]
    assert max(in_time[5:]) < 50 * MS
    late = [(true_ns, told_ns) for true_ns, told_ns in found if true_ns > 100 * MS]
    assert late
    assert all(told_ns >= true_ns - MAX_USUAL_NS - SLACK_NS for true_ns, told_ns in late)


def test_clocks_that_drift_apart_in_a_long_rest_hide_no_stall_after_it() -> None:
    counted = [*steady, steady[-1] + 300 * S]
    stall = (counted[-1], counted[-1] + 400 * MS)
    ((true_ns, told_ns),) = Line(counted, [stall], drift=100e-6).delays()[-1:]
    assert true_ns > 390 * MS
    assert told_ns >= true_ns - SLACK_NS


def test_once_the_clocks_are_known_the_plc_is_asked_less_often_until_they_may_have_drifted() -> (
    None
):
    age = TriggerAge()
    assert age.needs_reads(S)
    age.record_read(5, S, S + MS)
    age.record_count(6, UTC + S + 90 * MS, S + 95 * MS)
    assert age.needs_reads(2 * S)
    age.record_read(6, 2 * S, 2 * S + MS)
    age.record_count(7, UTC + 2 * S + 2 * MS, 2 * S + 4 * MS)
    assert not age.needs_reads(3 * S)
    assert age.needs_reads(300 * S)


def test_without_a_source_time_the_looks_alone_bound_it() -> None:
    told = [told_ns for _, told_ns in Line(steady).delays(tells_time=False)]
    assert max(told) < 35 * MS


def test_a_source_time_that_stands_still_or_jumps_about_makes_no_part_less_late() -> None:
    for times in ([UTC] * 30, [UTC + (7919 * n % 31) * S for n in range(30)]):
        age, at = TriggerAge(), 0
        for number, source in enumerate(times, start=1):
            at += 100 * MS
            age.record_read(number - 1, at, at + MS)
            late = 600 * MS if number % 3 == 0 else 10 * MS
            assert age.record_count(number, source, at + MS + late) >= late - MS
            at += late


def test_parts_of_one_answer_have_each_its_own_age() -> None:
    line = Line(
        [*each(*[170] * 10), *each(100, 100, 100, since_ms=2_000)], [(2_090 * MS, 2_400 * MS)]
    )
    ages = [told_ns / MS for _, told_ns in line.delays()][-3:]
    assert ages == pytest.approx([300, 200, 100], abs=10)


def test_what_was_counted_before_anybody_looked_may_be_of_any_age() -> None:
    age = TriggerAge()
    assert age.record_count(5, UTC, 3 * S) == MAX_DELAY_NS
    age.record_read(5, 4 * S, 4 * S + MS)
    assert age.record_count(6, UTC + 4 * S, 4 * S + 20 * MS) == 19 * MS


def test_a_time_that_is_not_the_counts_own_makes_it_no_younger() -> None:
    age = TriggerAge()
    age.record_read(5, 4 * S, 4 * S + MS)
    age.record_count(6, UTC + 4 * S, 4 * S + 2 * MS)
    unreadable_for_a_second = age.record_count(7, UTC + 5 * S, 5 * S + MS, trusts_time=False)
    assert unreadable_for_a_second >= S


def test_a_count_that_begins_anew_is_bounded_by_the_last_look_at_the_old_one() -> None:
    age = TriggerAge()
    age.record_read(40, S, S + MS)
    age.record_count(40, None, S + MS)
    age.record_read(40, 2 * S, 2 * S + MS)
    assert age.record_count(1, None, 2 * S + 10 * MS) == 9 * MS
    assert age.record_count(2, None, 2 * S + 30 * MS) == 29 * MS
    age.record_read(2, 2 * S + 40 * MS, 2 * S + 41 * MS)
    age.record_read(0, 3 * S, 3 * S + MS)  # anew again, seen by a look before it is told
    age.record_read(1, 3 * S + 100 * MS, 3 * S + 101 * MS)
    assert age.record_count(1, None, 3 * S + 500 * MS) == 499 * MS
