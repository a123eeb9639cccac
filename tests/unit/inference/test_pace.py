"""A part that would be judged too late is not begun, and one stall shuts out none of those after it."""

from collections.abc import Sequence

import pytest

from inference.ledger import Ledger
from inference.pace import Pace
from sightline.clock import SystemClock
from sightline.messages import PartJudged
from tests.unit.inference.conftest import Bench

MS = 1_000_000


class SlippingClock(SystemClock):
    """The machine's clock, which a test moves on."""

    ahead_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.ahead_ns


def pace_of(judging_ms: int) -> Pace:
    """After many parts that took so long each."""
    pace = Pace()
    for _ in range(100):
        pace.took(judging_ms * MS)
    return pace


def test_a_part_is_begun_only_if_the_usual_time_is_left_until_its_deadline() -> None:
    pace = pace_of(100)
    assert not pace.is_too_late(0, 100 * MS)
    assert pace.is_too_late(0, 99 * MS)


def test_after_its_deadline_a_part_is_too_late_however_fast_others_were() -> None:
    assert Pace().is_too_late(2, 1)
    assert not Pace().is_too_late(1, 1)


def test_a_part_refused_by_the_estimate_alone_halves_it_and_one_that_was_late_does_not() -> None:
    pace = pace_of(100)
    assert pace.is_too_late(1, 0)
    assert pace.is_too_late(0, 60 * MS)
    assert not pace.is_too_late(0, 60 * MS)


def test_a_stall_among_the_parts_lets_them_be_judged_again_after_a_few() -> None:
    pace = pace_of(100)
    pace.took(60_000 * MS)
    refused = [pace.is_too_late(0, 500 * MS) for _ in range(6)]
    assert refused == [True] * 4 + [False] * 2


def test_a_disk_that_stalls_while_a_verdict_is_stored_shuts_out_no_later_part(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
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
