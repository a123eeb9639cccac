"""Verdicts that are not settled are told again: in their order, some at a time, each once in a while."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.ledger.verdict_ledger import Ledger
from inference.ledger.verdict_replay import (
    MAX_REPLAYED_AT_ONCE,
    SETTLE_TIMEOUT_NS,
    VerdictReplay,
)
from sightline.messaging.messages import Part, PartJudged

PARTS = 5 * MAX_REPLAYED_AT_ONCE


def verdict(number: int) -> PartJudged:
    return PartJudged(
        station_id="s",
        part=Part(1, number),
        verdict="ok",
        reason="",
        product_detected=True,
        triggered_utc_ns=0,
        triggered_monotonic_ns=0,
        deadline_monotonic_ns=0,
        boot_id="",
        judged_utc_ns=0,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Many verdicts that nobody has settled."""
    found = Ledger(tmp_path / "ledger.sqlite", 1000)
    found.commit([verdict(number) for number in range(1, PARTS + 1)])
    yield found
    found.close()


def numbers(verdicts: list[PartJudged]) -> list[int]:
    return [told.part.part_number for told in verdicts]


def test_a_long_replay_goes_on_while_the_first_ones_wait_for_their_gate(ledger: Ledger) -> None:
    replay, told = VerdictReplay(ledger), []
    for check in range(5):
        due = replay.pop_due(check)
        assert len(due) == MAX_REPLAYED_AT_ONCE
        told += numbers(due)
    assert told == list(range(1, PARTS + 1))
    assert replay.pop_due(5) == []
    again = replay.pop_due(SETTLE_TIMEOUT_NS + 1)
    assert numbers(again) == list(range(1, MAX_REPLAYED_AT_ONCE + 1))


def test_what_is_settled_is_never_published_again(ledger: Ledger) -> None:
    replay = VerdictReplay(ledger)
    assert replay.pop_due(0)
    ledger.mark_settled(Part(1, PARTS - 2))
    assert numbers(replay.pop_due(1)) == [PARTS - 1, PARTS]
