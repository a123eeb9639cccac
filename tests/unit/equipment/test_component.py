"""What the component does by the clock, with outcomes, and when its bus or its machine is away."""

from equipment.links.link import (
    Beat,
    ReadOutcomes,
    ReadTags,
    TagsRead,
    VerdictEchoed,
    VerdictTooLate,
)
from sightline.messages import Sample
from tests.unit.equipment.driven import NOW, Driven, a_verdict


def test_it_beats_for_each_turn_of_its_own_loop_and_never_by_itself() -> None:
    driven = Driven(heartbeat_interval_ms=100.0)
    for _ in range(10):
        driven.later(0.1)
    assert driven.link.asked(Beat) == 10
    driven.clock.now_ns += 60_000_000_000  # the loop hangs for a minute: nobody ticks
    assert driven.link.asked(Beat) == 10
    driven.component.tick()
    assert driven.link.asked(Beat) == 11


def test_it_asks_to_be_called_again_when_the_next_thing_is_due() -> None:
    driven = Driven(heartbeat_interval_ms=100.0)
    driven.component.tick()
    assert driven.later(0.03) == 0.07
    assert driven.later(0.07) == 0.1


def test_outcomes_known_at_the_start_are_told_once_however_often_they_are_read() -> None:
    driven = Driven()
    driven.connect()
    for _ in range(3):
        driven.tell_outcomes(3, 1, 2, 3)
    driven.tell_outcomes(4, 1, 2, 3, 4)
    assert driven.acted() == [1, 2, 3, 4]


def test_outcomes_that_the_bus_refuses_are_told_later_in_order() -> None:
    driven = Driven()
    driven.connect()
    driven.bus.fails = True
    driven.tell_outcomes(2, 1, 2)
    driven.later(0.1)
    assert driven.acted() == []
    driven.bus.fails = False
    driven.later(0.1)
    assert driven.acted() == [1, 2]
    driven.tell_outcomes(3, 1, 2, 3)
    assert driven.acted() == [1, 2, 3]


def test_outcomes_that_were_overwritten_unread_are_counted() -> None:
    driven = Driven()
    driven.connect()
    driven.tell_outcomes(1, 1)
    driven.tell_outcomes(9, 8, 9)
    assert driven.acted() == [1, 8, 9]
    assert driven.counter("gate_outcomes_lost") == 6


def test_a_plc_that_comes_back_is_asked_for_all_its_outcomes_again() -> None:
    driven = Driven()
    driven.connect()
    driven.tell_outcomes(2, 1, 2)
    driven.disconnect()
    driven.connect()
    driven.tell_outcomes(3, 1, 2, 3)
    assert driven.acted() == [1, 2, 1, 2, 3]


def test_a_publisher_that_has_just_started_is_told_all_outcomes_again_at_once() -> None:
    driven = Driven()
    driven.connect()
    driven.tell_outcomes(2, 1, 2)
    driven.hear_settled(begins=False)
    assert driven.link.asked(ReadOutcomes) == 0
    driven.hear_settled(begins=True)
    assert driven.link.asked(ReadOutcomes) == 1
    driven.tell_outcomes(2, 1, 2)
    driven.tell_outcomes(2, 1, 2)
    assert driven.acted() == [1, 2, 1, 2]


def test_the_fault_tells_where_the_plc_should_be_from_the_first_moment_on() -> None:
    driven = Driven()
    assert driven.link.started
    assert driven.faults() == {"plc-away": "opc.tcp://127.0.0.1:4840: not connected yet"}
    driven.connect()
    assert driven.faults() == {}
    driven.disconnect("opc.tcp://127.0.0.1:4840: gone")
    assert driven.faults() == {"plc-away": "opc.tcp://127.0.0.1:4840: gone"}
    assert not driven.health.report().ready


def test_each_interval_has_one_batch_whether_the_plc_answers_or_not() -> None:
    driven = Driven(sample_interval_s=0.5, tags=())
    driven.later(0.0)
    driven.connect()
    for _ in range(3):
        driven.later(0.5)
        driven.component.handle(TagsRead((), 1, NOW))
    assert driven.link.asked(ReadTags) == 3
    driven.later(0.5)  # asked, never answered: told as stale when the next interval begins
    driven.disconnect()
    driven.later(0.5)
    driven.later(0.5)
    assert [batch.sequence for batch in driven.batches()] == [1, 2, 3, 4, 5, 6, 7]


def test_a_verdict_that_the_link_could_not_write_is_counted_as_held_back() -> None:
    driven = Driven()
    driven.connect()
    judged = a_verdict(7, triggered_monotonic_ns=NOW)
    driven.judge(judged)
    (order,) = driven.link.orders()
    driven.component.handle(VerdictTooLate(order, "the PLC is away"))
    assert driven.counter("verdicts_not_forwarded") == 1
    driven.component.handle(VerdictEchoed(7))
    assert driven.counter("verdicts_taken_by_plc") == 1


def test_a_bus_that_refuses_a_trigger_does_not_end_the_component() -> None:
    driven = Driven()
    driven.connect()
    driven.bus.fails = True
    driven.see(1)
    assert driven.counter("messages_not_published") == 1
    driven.bus.fails = False
    driven.see(2)
    assert driven.triggers() == [2]


def test_a_text_of_the_plc_that_no_message_has_room_for_does_not_end_the_component() -> None:
    driven = Driven(sample_interval_s=0.5, tags=())
    driven.connect()
    long = Sample(tag="recipe", value="x" * 7000, unit="", quality="good", source_utc_ns=NOW)
    short = Sample(tag="speed", value=0.5, unit="m/s", quality="good", source_utc_ns=NOW)
    driven.later(0.5)
    driven.component.handle(TagsRead((short, long), 2, NOW))
    assert [batch.samples for batch in driven.batches()] == [(short,)]
    assert driven.counter("messages_not_published") == 1


def test_it_leaves_the_machine_when_closed() -> None:
    driven = Driven()
    driven.component.close()
    assert driven.link.closed
