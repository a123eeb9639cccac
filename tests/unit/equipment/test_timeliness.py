"""Verdicts that come too late as a rule are the station's fault, and told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.component import TRIGGERS_LATE, VERDICTS_LATE
from equipment.links.link import VerdictNotWritten
from equipment.timeliness import (
    IN_TIME_AGAIN,
    MIN_REMEMBERED,
    REMEMBERED_VERDICTS,
    VerdictTimeliness,
)
from tests.unit.equipment.equipment_kit import MS, NOW, EquipmentUnderTest, S, a_verdict

MARGIN = 20 * MS


def connected() -> EquipmentUnderTest:
    driven = EquipmentUnderTest()
    driven.connect()
    return driven


def judge(driven: EquipmentUnderTest, number: int, left_ms: float) -> None:
    """A verdict with so much time left before the last moment."""
    now = driven.clock.now_ns
    deadline_ns = now + MARGIN + round(left_ms * MS)
    driven.judge(a_verdict(number, triggered_monotonic_ns=now, deadline_monotonic_ns=deadline_ns))


def test_verdicts_that_are_all_too_late_are_a_fault_with_numbers_until_they_are_in_time() -> None:
    driven = connected()
    for number in range(MIN_REMEMBERED):
        assert driven.health.build_report().ready
        judge(driven, number, -35)
    text = driven.faults()[VERDICTS_LATE]
    assert f"{MIN_REMEMBERED} of the last {MIN_REMEMBERED}" in text
    assert "up to 35 ms" in text
    assert "rejects" in text
    assert not driven.health.build_report().ready
    for number in range(IN_TIME_AGAIN):
        assert VERDICTS_LATE in driven.faults()
        judge(driven, number, 100)
    assert VERDICTS_LATE not in driven.faults()
    assert driven.health.build_report().ready


def test_few_verdicts_that_are_late_for_a_minute_are_a_fault_too() -> None:
    driven = connected()
    for number in range(4):
        judge(driven, number, -35)
        assert (VERDICTS_LATE in driven.faults()) == (number == 3)
        driven.clock.now_ns += 20 * S


def test_half_of_the_verdicts_late_is_a_fault_and_one_now_and_then_is_none() -> None:
    driven = connected()
    for number in range(100):
        judge(driven, number, -35 if number % 6 == 0 else 100)
    assert VERDICTS_LATE not in driven.faults()
    for number in range(20):
        judge(driven, number, -35 if number % 2 == 0 else 100)
    assert VERDICTS_LATE in driven.faults()


def test_verdicts_that_the_link_could_not_write_in_time_count_as_late() -> None:
    driven = connected()
    for number in range(MIN_REMEMBERED):
        judge(driven, number, 5)
        order = driven.link.verdict_writes()[-1]
        driven.component.handle(VerdictNotWritten(order, "its time was over", is_late=True))
    assert VERDICTS_LATE in driven.faults()


@pytest.mark.parametrize(
    "more",
    [
        {"replayed": True},
        {"boot_id": "another"},
        {"triggered_monotonic_ns": NOW - 60 * S},
        {"gap_from": 1, "verdict": "missed"},
        {"counted_by": "station"},
    ],
)
def test_verdicts_that_never_were_for_the_gate_say_nothing_of_its_time(
    more: dict[str, object],
) -> None:
    driven = connected()
    for number in range(REMEMBERED_VERDICTS):
        late: dict[str, object] = {
            "triggered_monotonic_ns": NOW,
            "deadline_monotonic_ns": NOW - S,
        }
        driven.judge(a_verdict(number, **{**late, **more}))
    assert VERDICTS_LATE not in driven.faults()


def test_parts_that_are_told_late_as_a_rule_are_a_fault_until_they_are_told_in_time() -> None:
    driven = connected()
    for number in range(1, 6):
        assert TRIGGERS_LATE not in driven.faults()
        driven.deliver_counter(number, delay_ms=120.0)
    assert "5 of the last 5 parts were reported up to 120 ms" in driven.faults()[TRIGGERS_LATE]
    for number in range(6, 11):
        assert TRIGGERS_LATE in driven.faults()
        driven.deliver_counter(number, delay_ms=3.0)
    driven.deliver_counter(11, delay_ms=3.0)
    assert TRIGGERS_LATE not in driven.faults()


@given(st.lists(st.booleans(), max_size=200))
def test_five_in_time_in_a_row_always_end_it_and_ten_late_ones_always_begin_it(
    late: list[bool],
) -> None:
    timeliness = VerdictTimeliness()
    for place, is_late in enumerate(late):
        if is_late:
            timeliness.record_late(1.0, place)
        else:
            timeliness.record_in_time()
        if len(late[: place + 1]) >= IN_TIME_AGAIN:
            ended = not any(late[place + 1 - IN_TIME_AGAIN : place + 1])
            assert not (ended and timeliness.are_late)
        if place + 1 >= REMEMBERED_VERDICTS and all(
            late[place + 1 - REMEMBERED_VERDICTS : place + 1]
        ):
            assert timeliness.are_late
