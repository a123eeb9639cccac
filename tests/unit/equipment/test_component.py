"""What the component does by the clock, with outcomes, and when its bus or its machine is away."""

from equipment.links.link import (
    ReadOutcomes,
    ReadTags,
    TagsRead,
    VerdictEchoed,
    VerdictNotWritten,
    WriteHeartbeat,
)
from sightline.messaging.messages import TagSample
from tests.unit.equipment.equipment_kit import NOW, EquipmentUnderTest, a_verdict


def test_it_beats_for_each_turn_of_its_own_loop_and_never_by_itself() -> None:
    driven = EquipmentUnderTest(heartbeat_interval_ms=100.0)
    for _ in range(10):
        driven.advance(0.1)
    assert driven.link.count_requests(WriteHeartbeat) == 10
    driven.clock.now_ns += 60_000_000_000  # the loop hangs for a minute: nobody ticks
    assert driven.link.count_requests(WriteHeartbeat) == 10
    driven.component.tick()
    assert driven.link.count_requests(WriteHeartbeat) == 11


def test_it_asks_to_be_called_again_when_the_next_thing_is_due() -> None:
    driven = EquipmentUnderTest(heartbeat_interval_ms=100.0)
    driven.component.tick()
    assert driven.advance(0.03) == 0.07
    assert driven.advance(0.07) == 0.1


def test_outcomes_known_at_the_start_are_told_once_however_often_they_are_read() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    for _ in range(3):
        driven.deliver_outcomes(3, 1, 2, 3)
    driven.deliver_outcomes(4, 1, 2, 3, 4)
    assert driven.acted() == [1, 2, 3, 4]


def test_outcomes_that_the_bus_refuses_are_told_later_in_order() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.bus.fails = True
    driven.deliver_outcomes(2, 1, 2)
    driven.advance(0.1)
    assert driven.acted() == []
    driven.bus.fails = False
    driven.advance(0.1)
    assert driven.acted() == [1, 2]
    driven.deliver_outcomes(3, 1, 2, 3)
    assert driven.acted() == [1, 2, 3]


def test_outcomes_that_were_overwritten_unread_are_counted() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.deliver_outcomes(1, 1)
    driven.deliver_outcomes(9, 8, 9)
    assert driven.acted() == [1, 8, 9]
    assert driven.counter("gate_outcomes_lost") == 6


def test_a_plc_that_comes_back_is_asked_for_all_its_outcomes_again() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.deliver_outcomes(2, 1, 2)
    driven.disconnect()
    driven.connect()
    driven.deliver_outcomes(3, 1, 2, 3)
    assert driven.acted() == [1, 2, 1, 2, 3]


def test_a_publisher_that_has_just_started_is_told_all_outcomes_again_at_once() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.deliver_outcomes(2, 1, 2)
    driven.deliver_recorded(begins=False)
    assert driven.link.count_requests(ReadOutcomes) == 0
    driven.deliver_recorded(begins=True)
    assert driven.link.count_requests(ReadOutcomes) == 1
    driven.deliver_outcomes(2, 1, 2)
    driven.deliver_outcomes(2, 1, 2)
    assert driven.acted() == [1, 2, 1, 2]


def test_the_fault_tells_where_the_plc_should_be_from_the_first_moment_on() -> None:
    driven = EquipmentUnderTest()
    assert driven.link.started
    assert driven.faults() == {"plc-away": "opc.tcp://127.0.0.1:4840: not connected yet"}
    driven.connect()
    assert driven.faults() == {}
    driven.disconnect("opc.tcp://127.0.0.1:4840: gone")
    assert driven.faults() == {"plc-away": "opc.tcp://127.0.0.1:4840: gone"}
    assert not driven.health.build_report().ready


def test_each_interval_has_one_batch_whether_the_plc_answers_or_not() -> None:
    driven = EquipmentUnderTest(sample_interval_s=0.5, tags=())
    driven.advance(0.0)
    driven.connect()
    for _ in range(3):
        driven.advance(0.5)
        driven.component.handle(TagsRead((), 1, NOW))
    assert driven.link.count_requests(ReadTags) == 3
    driven.advance(0.5)  # asked, never answered: told as stale when the next interval begins
    driven.disconnect()
    driven.advance(0.5)
    driven.advance(0.5)
    assert [batch.sequence for batch in driven.batches()] == [1, 2, 3, 4, 5, 6, 7]


def test_a_verdict_that_the_link_could_not_write_is_counted_as_held_back() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    judged = a_verdict(7, triggered_monotonic_ns=NOW)
    driven.judge(judged)
    (order,) = driven.link.verdict_writes()
    driven.component.handle(VerdictNotWritten(order, "the PLC is away"))
    assert driven.counter("verdicts_not_forwarded") == 1
    driven.component.handle(VerdictEchoed(7))
    assert driven.counter("verdicts_taken_by_plc") == 1


def test_a_bus_that_refuses_a_trigger_does_not_end_the_component() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    driven.bus.fails = True
    driven.deliver_counter(1)
    assert driven.counter("messages_not_published") == 1
    driven.bus.fails = False
    driven.deliver_counter(2)
    assert driven.triggers() == [2]


def test_a_text_of_the_plc_that_no_message_has_room_for_does_not_end_the_component() -> None:
    driven = EquipmentUnderTest(sample_interval_s=0.5, tags=())
    driven.connect()
    long = TagSample(tag="recipe", value="x" * 7000, unit="", quality="good", source_utc_ns=NOW)
    short = TagSample(tag="speed", value=0.5, unit="m/s", quality="good", source_utc_ns=NOW)
    driven.advance(0.5)
    driven.component.handle(TagsRead((short, long), 2, NOW))
    assert [batch.samples for batch in driven.batches()] == [(short,)]
    assert driven.counter("messages_not_published") == 1


def test_it_leaves_the_machine_when_closed() -> None:
    driven = EquipmentUnderTest()
    driven.component.close()
    assert driven.link.closed
