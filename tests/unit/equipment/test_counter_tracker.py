"""Each step of the PLC's counter is a trigger, and what no trigger told is announced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.configuration import LinkConfiguration
from equipment.counter_tracker import CounterTracker
from equipment.links.counter_steps import parse_counter
from equipment.links.link import CounterSeen, LinkUp, ReadOutcomes, TagsRead
from equipment.links.opcua_configuration import OpcuaConfiguration, PlcNodes
from equipment.links.register_codes import build_gate_records
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import CommandAccepted
from sightline.messaging.topics import COMMAND_ACCEPTED
from tests.unit.equipment.equipment_kit import NOW, STATION, EquipmentUnderTest, S, a_verdict


def seen(counter: int) -> CounterSeen:
    return CounterSeen(counter, NOW + counter, NOW + counter, 0.5)


def read(counter: int | None) -> TagsRead:
    return TagsRead((), counter, NOW)


def started(counter: int = 5) -> CounterTracker:
    counting = CounterTracker()
    counting.start_connection(NOW)
    assert counting.track(seen(counter)) == "start"
    return counting


def test_each_step_is_a_part_and_the_same_value_again_is_known() -> None:
    counting = started(5)
    assert [counting.track(seen(value)) for value in (6, 7, 7, 10)] == [
        "part",
        "part",
        "known",
        "part",
    ]


def test_a_counter_that_runs_backwards_begins_anew_and_voids_verdicts_for_parts_before() -> None:
    counting = started(5)
    assert counting.track(seen(1)) == "restart"
    assert counting.since_monotonic_ns == NOW + 1


def test_a_value_that_was_only_read_is_announced_one_announcement_later() -> None:
    counting = started(5)
    first, second = counting.advance_announcement(read(8)), counting.advance_announcement(read(8))
    assert first is not None
    assert second is not None
    assert (first.counter, second.counter) == (5, 8)


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        ([32766, 32767, -32768, -32767], [32766, 32767, 32768, 32769]),
        ([-2, -1, 0, 1], [65534, 65535, 0, 1]),
        ([2**31 - 1, -(2**31), -(2**31) + 1], [2**31 - 1, 2**31, 2**31 + 1]),
    ],
)
def test_a_signed_counter_that_passes_its_top_loses_no_part(
    told: list[int], counted: list[int]
) -> None:
    values = [parse_counter(value) for value in told]
    assert values == counted
    counting = started(values[0])
    assert set(map(counting.track, map(seen, values[1:]))) <= {"part", "wrap"}
    (record,) = build_gate_records([told[-1]], [1], [NOW], [0])
    assert record.part_number == counted[-1]  # what the gate did is the same part's


def test_nothing_is_announced_before_the_counter_is_known() -> None:
    counting = CounterTracker()
    counting.start_connection(NOW)
    assert counting.advance_announcement(read(8)) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["seen", "lost", "announce"]), st.integers(1, 50)), max_size=40
    )
)
def test_every_number_is_triggered_or_announced_even_if_changes_are_lost(
    events: list[tuple[str, int]],
) -> None:
    counting, counter = started(0), 0
    triggered, announced = {0}, 0
    for kind, more in [*events, ("announce", 0), ("announce", 0)]:
        if kind == "announce":
            count = counting.advance_announcement(read(counter))
            announced = count.counter if count is not None else announced
            assert announced <= counter
        else:
            counter += more
            if kind == "seen" and counting.track(seen(counter)) == "part":
                triggered.add(counter)
    assert all(number in triggered or number <= announced for number in range(counter + 1))
    assert announced == counter


def test_the_component_triggers_each_step_and_tells_where_the_counter_stood_at_first() -> None:
    driven = EquipmentUnderTest()
    driven.connect(40)
    assert driven.triggers() == []
    assert driven.announced() == [40]
    assert driven.health.build_report().ready
    for value in (41, 42, 45):
        driven.deliver_counter(value)
    assert driven.triggers() == [41, 42, 45]


def test_a_counter_back_at_nought_is_announced_and_one_back_at_a_part_is_that_part() -> None:
    driven = EquipmentUnderTest()
    driven.connect(40)
    driven.deliver_counter(0)
    assert driven.announced()[-1] == 0
    assert driven.triggers() == []
    driven.deliver_counter(1)
    driven.deliver_counter(1)
    driven.disconnect()
    driven.connect(3)
    assert driven.triggers() == [1]
    assert driven.announced()[-1] == 3
    assert driven.counter("counter_restarts") == 1


def test_while_the_plc_is_away_nothing_is_announced() -> None:
    driven = EquipmentUnderTest()
    driven.connect(40)
    driven.disconnect()
    told = len(driven.announced())
    driven.advance(5.0)
    assert len(driven.announced()) == told


TOPS = [2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1]


@pytest.mark.parametrize("top", TOPS)
def test_a_counter_that_wraps_loses_no_part_and_its_first_one_is_triggered(top: int) -> None:
    driven = EquipmentUnderTest()
    driven.connect(top - 1)
    for value in (top, 0, 1):
        driven.deliver_counter(value)
    assert driven.triggers() == [top, 0, 1]
    assert driven.announced() == [top - 1]
    assert driven.counter("counter_restarts") == 0
    driven.judge(a_verdict(0, triggered_monotonic_ns=NOW))
    assert [order.part_number for order in driven.link.verdict_writes()] == [0]


@pytest.mark.parametrize("top", TOPS)
def test_parts_lost_around_a_wrap_are_announced_up_to_the_top_before_the_next_is_triggered(
    top: int,
) -> None:
    driven = EquipmentUnderTest()
    driven.connect(top - 2)
    driven.deliver_counter(2)
    assert driven.triggers() == [2]
    assert driven.announced() == [top - 2, top]


@pytest.mark.parametrize("last", [40, 32_700, 65_000, 2**31 - 100, 2**32 - 100])
def test_a_counter_set_back_to_nought_below_a_top_is_only_announced(last: int) -> None:
    driven = EquipmentUnderTest()
    driven.connect(last)
    driven.deliver_counter(0)
    assert driven.triggers() == []
    assert driven.announced() == [last, 0]
    assert driven.counter("counter_restarts") == 1


@given(
    top=st.sampled_from(TOPS),
    below=st.integers(0, 40),
    steps=st.lists(st.integers(1, 5), min_size=1, max_size=40),
)
def test_over_a_wrap_each_number_is_triggered_or_lies_below_one_that_is_told(
    top: int, below: int, steps: list[int]
) -> None:
    counting, total = started(top - below), top - below
    triggered, told = set[int](), {top - below}
    for step in steps:
        total += step
        meaning = counting.track(seen(total % (top + 1)))
        assert meaning in ("part", "wrap")
        triggered.add(total)
        if counting.ended is not None:
            told.add(counting.ended.counter)
    known = triggered | told
    for number in range(top - below, min(total, top) + 1):
        assert any(number <= end <= top for end in known)


def test_a_number_read_before_the_counter_began_anew_is_not_announced_after_it() -> None:
    driven = EquipmentUnderTest(sample_interval_s=60.0, counter_announce_interval_s=1.0)
    driven.connect(40)
    driven.advance(0.0)
    driven.component.handle(TagsRead((), 41, NOW))
    driven.deliver_counter(0)
    for _ in range(3):
        driven.advance(1.0)
    assert driven.announced()[-3:] == [0, 0, 0]


@pytest.mark.parametrize(("last", "now"), [(40, 0), (40, 1), (2**16 - 1, 0), (2**16 - 1, 3)])
def test_a_number_read_before_the_counter_began_anew_is_not_announced_if_it_is_told_later(
    last: int, now: int
) -> None:
    driven = EquipmentUnderTest(sample_interval_s=1.0, counter_announce_interval_s=1.0)
    driven.connect(last)
    driven.advance(0.0)
    driven.deliver_counter(now)  # while the other readings of the interval are read
    driven.component.handle(TagsRead((), last, NOW))
    for _ in range(3):
        driven.advance(1.0)
    assert driven.announced()[-3:] == [now] * 3
    driven.component.handle(TagsRead((), now + 1, NOW))
    driven.advance(1.0)
    driven.advance(1.0)
    assert driven.announced()[-1] == now + 1


def test_a_number_read_before_the_connection_was_lost_is_not_announced_after_it() -> None:
    driven = EquipmentUnderTest(sample_interval_s=60.0, counter_announce_interval_s=1.0)
    driven.connect(40)
    driven.advance(0.0)
    driven.component.handle(TagsRead((), 41, NOW))
    driven.disconnect()
    driven.connect(0)
    for _ in range(3):
        driven.advance(1.0)
    assert driven.announced()[-3:] == [0, 0, 0]


def test_a_part_of_the_range_of_dry_runs_has_its_outcome_told() -> None:
    driven = EquipmentUnderTest()
    driven.connect(4_000_000_000 - 1)
    driven.deliver_counter(4_000_000_000)
    driven.deliver_outcomes(1, 4_000_000_000)
    assert driven.triggers() == [4_000_000_000]
    assert driven.acted() == [4_000_000_000]


def dry_run(driven: EquipmentUnderTest) -> None:
    """Ask for a dry run of the gate, now."""
    now = driven.clock.now_ns
    command = CommandAccepted(
        station_id=STATION,
        command_id=f"dry-{now}",
        kind="gate_dry_run",
        arguments={"parts": 2},
        issued_by="maria",
        sequence=1,
        accepted_utc_ns=now,
        expires_utc_ns=now + 60 * S,
    )
    driven.component.handle(Delivery(COMMAND_ACCEPTED, command, now))


def with_dry_runs(counter: int) -> EquipmentUnderTest:
    link = LinkConfiguration(opcua=OpcuaConfiguration(nodes=PlcNodes(dry_run="ns=2;s=DryRun")))
    driven = EquipmentUnderTest(link=link)
    driven.connect(counter)
    dry_run(driven)
    driven.advance(0.1)
    return driven


def test_a_trials_number_is_of_this_count_and_its_outcome_is_no_parts() -> None:
    driven = with_dry_runs(40)
    (order,) = driven.link.verdict_writes()
    assert order.dry_run
    assert order.count_id == 1
    driven.deliver_outcomes(1, order.part_number)
    assert driven.acted() == []
    restarted = EquipmentUnderTest()
    restarted.connect(40)
    restarted.deliver_outcomes(1, order.part_number)
    assert restarted.acted() == []


def test_outcomes_that_come_before_the_counter_are_asked_for_again_when_it_is_known() -> None:
    driven = EquipmentUnderTest()
    driven.component.handle(LinkUp(NOW, 1))
    driven.deliver_outcomes(1, 4_000_000_000)
    assert driven.acted() == []
    driven.deliver_counter(4_000_000_000)
    assert driven.link.count_requests(ReadOutcomes) == 1
    driven.deliver_outcomes(1, 4_000_000_000)
    assert driven.acted() == [4_000_000_000]


def test_no_dry_run_begins_where_its_numbers_could_be_parts() -> None:
    assert with_dry_runs(4_000_000_000 - 5).link.verdict_writes() == []
    assert with_dry_runs(2**32 - 1).link.verdict_writes() == []
