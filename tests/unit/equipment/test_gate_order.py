"""Which verdict goes out to the gate: a fresh one, of this boot, in its time; all else is silence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.gate_history import find_new_outcomes
from equipment.gate_verdicts import MissedStreak, build_verdict_write
from equipment.links.link import LineStopSeen, OutcomesRead, StopLine, WriteVerdict
from sightline.clock import boot_id
from sightline.messaging.messages import Part, PartJudged, Verdict
from tests.unit.equipment.equipment_kit import (
    MS,
    NOW,
    STATION,
    EquipmentUnderTest,
    a_record,
    a_verdict,
)

MARGIN = 20 * MS
CONNECTED = NOW - 10_000 * MS


def order(judged: PartJudged, now_ns: int = NOW) -> WriteVerdict | str:
    return build_verdict_write(
        judged,
        boot_id=boot_id(),
        now_ns=now_ns,
        margin_ns=MARGIN,
        counting_since_ns=CONNECTED,
    )


def test_a_fresh_ok_goes_out_with_the_last_moment_at_which_it_may_be_written() -> None:
    assert order(a_verdict(7)) == WriteVerdict(7, "ok", NOW + 400 * MS - MARGIN)


@pytest.mark.parametrize("verdict", ["defect", "review", "missed", "empty"])
def test_every_other_verdict_goes_out_as_what_it_is(verdict: Verdict) -> None:
    given_order = order(a_verdict(7, verdict=verdict))
    assert isinstance(given_order, WriteVerdict)
    assert given_order.verdict == verdict


def test_the_last_moment_is_the_deadline_less_the_margin() -> None:
    last_moment = NOW + 400 * MS - MARGIN
    assert isinstance(order(a_verdict(), last_moment), WriteVerdict)
    assert order(a_verdict(), last_moment + 1) == "its deadline has passed"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"replayed": True}, "replayed"),
        ({"part": Part(1, -1)}, "cannot hold its number"),
        ({"part": Part(1, 2**32)}, "cannot hold its number"),
        ({"boot_id": "another boot"}, "before the machine restarted"),
        ({"deadline_monotonic_ns": NOW}, "deadline has passed"),
        ({"triggered_monotonic_ns": CONNECTED - 1}, "before this connection"),
    ],
)
@pytest.mark.parametrize("verdict", ["ok", "defect"])
def test_a_verdict_that_may_not_go_out_says_why(
    more: dict[str, Any], reason: str, verdict: Verdict
) -> None:
    refusal = order(a_verdict(verdict=verdict, **more))
    assert isinstance(refusal, str)
    assert reason in refusal


@given(
    replayed=st.booleans(),
    boot=st.sampled_from([boot_id(), "another boot", ""]),
    left_ns=st.integers(-1_000 * MS, 1_000 * MS),
    since_connection_ns=st.integers(-1_000 * MS, 1_000 * MS),
)
def test_nothing_goes_out_but_fresh_of_this_boot_in_time_and_counted_on_this_connection(
    replayed: bool, boot: str, left_ns: int, since_connection_ns: int
) -> None:
    found = order(
        a_verdict(
            replayed=replayed,
            boot_id=boot,
            deadline_monotonic_ns=NOW + left_ns,
            triggered_monotonic_ns=CONNECTED + since_connection_ns,
        )
    )
    allowed = not replayed and boot == boot_id() and left_ns >= MARGIN and since_connection_ns >= 0
    assert isinstance(found, WriteVerdict) == allowed


def test_the_component_hands_over_a_fresh_ok_and_counts_what_it_holds_back() -> None:
    driven = EquipmentUnderTest()
    driven.clock.now_ns = CONNECTED
    driven.connect()
    driven.clock.now_ns = NOW
    for judged in (a_verdict(1), a_verdict(2, replayed=True), a_verdict(3, boot_id="another")):
        driven.judge(judged)
    driven.judge(a_verdict(4, deadline_monotonic_ns=NOW))
    assert [given_order.part_number for given_order in driven.link.verdict_writes()] == [1]
    assert driven.counter("verdicts_forwarded") == 1
    assert driven.counter("verdicts_not_forwarded") == 3


def told(known: int | None, counter: int, kept: range, repeat_all: bool) -> tuple[list[int], int]:
    reading = OutcomesRead(counter, tuple(a_record(number) for number in kept))
    messages, lost = find_new_outcomes(STATION, known, reading, repeat_all=repeat_all)
    assert all(message.station_id == STATION for message in messages)
    return [message.part_number for message in messages], lost


def test_at_our_start_all_that_the_plc_keeps_is_told() -> None:
    assert told(None, 80, range(17, 81), True) == (list(range(17, 81)), 0)


def test_afterwards_only_what_is_new_is_told() -> None:
    assert told(80, 82, range(19, 83), False) == ([81, 82], 0)
    assert told(82, 82, range(19, 83), False) == ([], 0)


def test_outcomes_that_left_the_ring_unread_are_counted_as_lost() -> None:
    assert told(80, 180, range(117, 181), False) == (list(range(117, 181)), 36)


def test_a_plc_that_began_anew_is_told_from_its_beginning() -> None:
    assert told(80, 2, range(1, 3), False) == ([1, 2], 0)


@given(readings=st.lists(st.integers(0, 150), max_size=12))
def test_over_any_readings_each_outcome_is_told_once_in_order_or_counted_as_lost(
    readings: list[int],
) -> None:
    counter, known, seen, lost_in_all = 0, None, list[int](), 0
    for more in (0, *readings):
        counter += more
        kept = range(max(1, counter - 63), counter + 1)
        numbers, lost = told(known, counter, kept, False)
        seen.extend(numbers)
        lost_in_all += lost
        known = counter
    assert seen == sorted(set(seen))
    assert len(seen) + lost_in_all == counter


def asks(limit: int, *verdicts: Verdict, replayed: bool = False) -> list[bool]:
    missed = MissedStreak(limit)
    return [missed.record(a_verdict(verdict=verdict, replayed=replayed)) for verdict in verdicts]


def test_a_line_stop_is_asked_for_when_so_many_in_a_row_are_missed_and_then_counted_anew() -> None:
    assert asks(2, "missed", "missed", "missed", "missed") == [False, True, False, True]
    others: tuple[Verdict, ...] = ("ok", "defect", "review", "empty")
    for other in others:
        assert not any(asks(2, "missed", other, "missed", other))


def test_no_line_stop_is_asked_for_without_a_limit_or_for_what_is_only_told_again() -> None:
    row: list[Verdict] = ["missed"] * 100
    assert not any(asks(0, *row))
    assert not any(asks(1, *row, replayed=True))


def test_the_component_asks_the_link_once_and_tells_of_the_stop_until_it_is_acknowledged() -> None:
    driven = EquipmentUnderTest(line_stop_after_missed=2)
    driven.connect()
    for number in (1, 2):
        driven.judge(a_verdict(number, verdict="missed", triggered_monotonic_ns=NOW))
    assert driven.link.count_requests(StopLine) == 1
    driven.component.handle(LineStopSeen(True))
    assert "until an operator acknowledges" in driven.faults()["line-stop"]
    driven.component.handle(LineStopSeen(False))
    assert "line-stop" not in driven.faults()


def test_parts_that_passed_while_the_plc_was_away_ask_for_no_line_stop_when_it_is_back() -> None:
    driven = EquipmentUnderTest(line_stop_after_missed=3)
    driven.connect(5)
    before = {"triggered_monotonic_ns": NOW - MS, "deadline_monotonic_ns": NOW}
    for number in (6, 7, 8):
        driven.judge(a_verdict(number, verdict="missed", **before))
    for number in (9, 10):
        driven.judge(a_verdict(number, verdict="missed", triggered_monotonic_ns=NOW))
    assert driven.link.count_requests(StopLine) == 0
    driven.judge(a_verdict(11, verdict="missed", triggered_monotonic_ns=NOW))
    assert driven.link.count_requests(StopLine) == 1
