"""Parts of which only the number is known, and parts told late: what their records may say."""

import pytest

from sightline.messaging.messages import PartJudged
from sightline.messaging.topics import GATE_ACTED, PART_JUDGED
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    SECOND_NS,
    TRIGGERED_UTC_NS,
    PublisherUnderTest,
    a_verdict,
    an_outcome,
)

FOUND_UTC_NS = TRIGGERED_UTC_NS + 600 * SECOND_NS


def an_unseen(number: int, epoch: int = EPOCH, **changes: object) -> PartJudged:
    """A part of which only the number is known, found to be missed ten minutes after the first."""
    return a_verdict(
        number,
        epoch=epoch,
        verdict="missed",
        triggered_utc_ns=FOUND_UTC_NS,
        triggered_monotonic_ns=0,
        judged_utc_ns=FOUND_UTC_NS,
        **changes,
    )


def a_later(number: int, epoch: int = EPOCH) -> PartJudged:
    """The part of the same count behind them, which was seen and judged."""
    judged_utc_ns = FOUND_UTC_NS + 150_000_000
    return a_verdict(
        number, epoch=epoch, triggered_utc_ns=FOUND_UTC_NS, judged_utc_ns=judged_utc_ns
    )


def test_a_part_whose_trigger_nobody_saw_has_no_time_from_trigger_to_verdict(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1, verdict="missed", triggered_monotonic_ns=0))
    desk.pass_seconds(3)
    assert desk.records(1)[0].timings.trigger_to_verdict_ms is None


def test_parts_found_missing_minutes_later_have_the_gate_that_the_plc_told_then(
    desk: PublisherUnderTest,
) -> None:
    then = {n: TRIGGERED_UTC_NS + 120 * n * SECOND_NS for n in (2, 3, 4)}
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1, "rejected"))
    desk.deliver(GATE_ACTED, *(an_outcome(n, "rejected", at) for n, at in then.items()))
    desk.deliver(PART_JUDGED, *(an_unseen(number) for number in then), a_later(5))
    assert [record.gate for record in desk.records(4)[:4]] == ["rejected"] * 4


def test_unseen_parts_at_the_end_of_a_run_get_their_gate_when_the_next_part_is_seen(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2, "rejected", TRIGGERED_UTC_NS + SECOND_NS))
    desk.deliver(PART_JUDGED, an_unseen(2))
    desk.pass_seconds(3)
    assert desk.records(2)[1].gate == "unconfirmed"
    desk.deliver(PART_JUDGED, a_later(3))
    assert desk.corrections(1)[0].gate == "rejected"


def test_unseen_parts_get_their_gate_also_over_a_restart_of_the_publisher(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1))
    desk.deliver(PART_JUDGED, an_unseen(2))
    desk.pass_seconds(3)
    desk.records(2)
    desk.kill()
    desk.start()
    acted_utc_ns = TRIGGERED_UTC_NS + 90 * SECOND_NS
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2, "rejected", acted_utc_ns))
    desk.deliver(PART_JUDGED, a_later(3))
    (correction,) = desk.corrections(1)
    assert (correction.recordId[-1], correction.acted_at_utc_ns) == ("2", acted_utc_ns)


def test_an_outcome_before_the_last_part_that_was_seen_is_not_that_of_an_unseen_one(
    desk: PublisherUnderTest,
) -> None:
    before = TRIGGERED_UTC_NS - 61 * SECOND_NS
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2, "passed", before))
    desk.deliver(PART_JUDGED, an_unseen(2), a_later(3))
    desk.pass_seconds(3)
    assert [record.gate for record in desk.records(2)[:2]] == ["passed", "unconfirmed"]


@pytest.mark.parametrize(
    ("acted_after_s", "gate"),
    [(-61, "unconfirmed"), (-1, "unconfirmed"), (0, "unconfirmed"), (30, "passed")],
)
def test_after_a_restart_an_unseen_part_has_no_outcome_from_before_its_epoch(
    desk: PublisherUnderTest, acted_after_s: int, gate: str
) -> None:
    began_s = FOUND_UTC_NS // SECOND_NS - 300
    acted_utc_ns = (began_s + acted_after_s) * SECOND_NS
    desk.deliver(GATE_ACTED, an_outcome(2, "passed", acted_utc_ns))
    desk.deliver(PART_JUDGED, an_unseen(2, began_s, follows=None), a_later(3, began_s))
    desk.pass_seconds(3)
    assert desk.records(1)[0].gate == gate


def test_a_replayed_part_waits_for_outcomes_that_equipment_tells_again(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.deliver(GATE_ACTED, an_outcome(1))
    desk.pass_seconds(60)
    desk.deliver(PART_JUDGED, a_verdict(2, replayed=True))
    desk.pass_seconds(0.9)
    assert desk.counter("records_committed") == 1
    desk.deliver(GATE_ACTED, an_outcome(2, "rejected"))
    assert desk.records(2)[1].gate == "rejected"
    desk.deliver(PART_JUDGED, a_verdict(3, replayed=True))
    desk.pass_seconds(1.1)
    assert desk.records(3)[2].gate == "unconfirmed"
