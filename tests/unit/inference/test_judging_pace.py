"""A part that would be judged too late is not begun, and one stall shuts out none of those after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.ledger.verdict_ledger import Ledger
from inference.scheduling.judging_pace import MAX_UNJUDGED_NS, JudgingPace
from sightline.clock import SystemClock
from sightline.messaging.messages import PartJudged
from tests.unit.inference.conftest import InferenceUnderTest

MS = 1_000_000
S = 1000 * MS


class SlippingClock(SystemClock):
    """The machine's clock, which a test moves on."""

    ahead_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.ahead_ns


def pace_of(judging_ms: int, parts: int = 100) -> JudgingPace:
    """After many parts that took so long each, the last one just now."""
    pace = JudgingPace()
    for _ in range(parts):
        pace.record_judged(judging_ms * MS, 0)
    return pace


def test_a_part_is_begun_only_if_the_usual_time_is_left_until_its_deadline() -> None:
    pace = pace_of(100)
    assert not pace.is_too_late(0, 100 * MS)
    assert pace.is_too_late(0, 99 * MS)


def test_after_its_deadline_a_part_is_too_late_however_fast_others_were() -> None:
    assert JudgingPace().is_too_late(2, 1)
    assert not JudgingPace().is_too_late(1, 1)


def test_the_usual_time_is_that_of_nineteen_parts_of_twenty() -> None:
    pace = JudgingPace()
    for took_ms in [*range(1, 20), 5000]:
        pace.record_judged(took_ms * MS, 0)
    assert pace.typical_ns == 19 * MS


@pytest.mark.parametrize("before", [0, 1, 5, 100])
def test_one_stall_among_the_parts_refuses_none(before: int) -> None:
    pace = pace_of(100, before)
    pace.record_judged(60_000 * MS, 0)
    assert not pace.is_too_late(0, 100 * MS)


@settings(deadline=None)
@given(st.integers(1, 10**6))
def test_however_slow_parts_were_they_are_tried_again_before_long_when_none_is_judged(
    judging_ms: int,
) -> None:
    pace = pace_of(judging_ms)
    now_ns, refused = MAX_UNJUDGED_NS + 1, 0
    while pace.is_too_late(now_ns, now_ns + 500 * MS):
        pace.record_refused(now_ns, now_ns + 500 * MS)
        refused += 1
        now_ns += 100 * MS
    assert refused <= 12


def test_while_parts_are_judged_those_given_up_do_not_change_the_estimate() -> None:
    pace = pace_of(100)
    for _ in range(50):
        pace.record_refused(MAX_UNJUDGED_NS, MAX_UNJUDGED_NS + 60 * MS)
    assert pace.typical_ns == 100 * MS
    pace.record_refused(
        2 * MAX_UNJUDGED_NS, 0
    )  # its deadline was over: that says nothing of the estimate
    assert pace.typical_ns == 100 * MS


@dataclass
class Line:
    """Parts at a rate, judged one after the other as the component does, by a clock that nothing slows."""

    judging_ms: Callable[[int], float]
    commit_ms: float = 4.0
    travel_ms: float = 600.0
    judged: list[int] = field(default_factory=list)  # when they were triggered
    missed: list[int] = field(default_factory=list)

    def run(self, triggers_ns: Sequence[int], stalls: Sequence[tuple[int, int]] = ()) -> None:
        """Let all these parts pass; during a stall (from, to) nothing is done."""
        pace, waiting, now_ns = JudgingPace(), list[int](), 0
        coming = list(triggers_ns)
        while coming or waiting:
            for begin, end in stalls:
                if begin <= now_ns < end:
                    now_ns = end
            while coming and coming[0] <= now_ns:
                waiting.append(coming.pop(0))
            if not waiting:
                now_ns = coming[0]
                continue
            gives_up = pace.count_to_give_up([at + self.travel_ns for at in waiting], now_ns)
            given_up = 0
            while waiting:
                deadline_ns = waiting[0] + self.travel_ns
                if pace.is_too_late(now_ns, deadline_ns):
                    pace.record_refused(now_ns, deadline_ns)
                elif given_up >= gives_up:
                    break
                self.missed.append(waiting.pop(0))
                given_up += 1
            now_ns += round(self.commit_ms * MS) if given_up else 0
            if waiting:
                at = waiting.pop(0)
                took_ns = round((self.judging_ms(at) + self.commit_ms) * MS)
                now_ns += took_ns
                (self.judged if now_ns <= at + self.travel_ns else self.missed).append(at)
                pace.record_judged(took_ns, now_ns)

    @property
    def travel_ns(self) -> int:
        return round(self.travel_ms * MS)


def at_rate(rate: float, begin_s: float, end_s: float) -> list[int]:
    """When parts are triggered."""
    count = int((end_s - begin_s) * rate)
    return [round((begin_s + number / rate) * S) for number in range(count)]


@pytest.mark.parametrize("judging_ms", [20, 50, 80])
def test_after_three_times_the_rate_the_parts_from_half_a_second_on_are_judged(
    judging_ms: int,
) -> None:
    line = Line(lambda at: judging_ms * (1 + (at // MS % 7) / 20))
    line.run([*at_rate(10, 0, 5), *at_rate(30, 5, 25), *at_rate(10, 25, 60)])
    assert [at for at in line.missed if at > 25.5 * S] == []
    assert len([at for at in line.judged if 5 * S < at < 25 * S]) > 150  # and not idle meanwhile


@pytest.mark.parametrize("stall_s", [1.5, 3.0])
@pytest.mark.parametrize("judging_ms", [20, 50, 80])
def test_after_a_stall_the_parts_from_half_a_second_on_are_judged(
    stall_s: float, judging_ms: int
) -> None:
    end_s = 5 + stall_s
    line = Line(lambda _: judging_ms)
    line.run(at_rate(10, 0, 40), [(5 * S, round(end_s * S))])
    assert [at for at in line.missed if at > (end_s + 0.5) * S] == []
    assert len(line.judged) + len(line.missed) == 400


def test_models_that_were_slow_for_a_while_shut_out_no_part_when_they_are_fast_again() -> None:
    line = Line(lambda at: 5000.0 if 5 * S < at < 25 * S else 50.0)
    line.run(at_rate(10, 0, 60))
    recovered = max(25 * S, max(at for at in line.missed))
    assert recovered < 31 * S  # the last slow one ends by 30 s
    assert [at for at in line.judged if at > 31 * S] == at_rate(10, 0, 60)[311:]


@settings(deadline=None)
@given(
    st.lists(st.floats(0.001, 0.5), min_size=1, max_size=150),
    st.integers(1, 400),
    st.integers(50, 2000),
)
def test_each_part_is_judged_or_missed_once_and_the_last_of_a_burst_is_judged(
    gaps_s: list[float], judging_ms: int, travel_ms: int
) -> None:
    triggers, now = [], 0.0
    for gap in gaps_s:
        now += gap
        triggers.append(round(now * S))
    line = Line(lambda _: judging_ms, travel_ms=travel_ms)
    line.run(triggers)
    assert sorted(line.judged + line.missed) == triggers


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(2, 60), st.integers(100, 5000))
def test_what_waits_takes_half_of_the_newest_parts_time_at_most(
    judging_ms: int, parts: int, left_ms: int
) -> None:
    pace = pace_of(judging_ms)
    deadlines = [(left_ms - parts + number) * MS for number in range(1, parts + 1)]
    kept = parts - pace.count_to_give_up(deadlines, 0)
    assert kept >= 1
    if not pace.is_too_late(0, deadlines[-1]):
        assert kept == 1 or kept * judging_ms <= left_ms / 2
        assert kept == parts or (kept + 1) * judging_ms > left_ms / 2  # and no more than needed


def test_a_disk_that_stalls_while_a_verdict_is_stored_shuts_out_no_later_part(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = bench.clock = SlippingClock()
    bench.start()
    commit = Ledger.commit

    def commit_slowly(ledger: Ledger, verdicts: Sequence[PartJudged]) -> None:
        commit(ledger, verdicts)
        clock.ahead_ns += 600_000 * MS

    monkeypatch.setattr(Ledger, "commit", commit_slowly)
    bench.judge(1)
    monkeypatch.undo()
    assert bench.judge(2, in_time_ms=5000).verdict == "ok"
