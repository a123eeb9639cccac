"""Counters that the PLC announces: lost triggers are found, late ones are not counted twice."""

from sightline.clock import boot_id
from sightline.messages import PartTriggered
from sightline.topics import PART_TRIGGERED
from tests.unit.capture.capture_kit import Station


def test_a_counter_that_was_announced_without_its_triggers_is_adopted(station: Station) -> None:
    station.trigger(1)
    station.announce(3)
    heard_ns = station.clock.now_ns
    station.pass_time(0.9)
    assert station.counter("parts_adopted") == 0
    station.pass_time(1.2)
    assert station.counter("parts_adopted") == 2
    announced = station.announced[-1]
    assert announced.last.part_number == 3
    assert announced.deadline_monotonic_ns == heard_ns + 1_500_000_000


def test_a_trigger_that_was_only_under_way_is_not_taken_for_lost(station: Station) -> None:
    station.trigger(1)
    station.announce(2)
    station.pass_time(0.5)
    station.trigger(2)
    station.pass_time(3)
    assert station.numbers == [1, 2]
    assert station.counter("parts_adopted") == 0


def test_a_trigger_that_waits_in_the_inbox_is_not_taken_for_lost(station: Station) -> None:
    station.trigger(1)
    station.announce(2)
    station.inbox.post("a trigger")
    station.pass_time(3)
    assert station.counter("parts_adopted") == 0


def test_a_trigger_that_comes_after_its_counter_was_adopted_is_known_already(
    station: Station,
) -> None:
    station.trigger(1)
    late_utc_ns = station.clock.utc_ns()
    station.announce(3)
    station.pass_time(2.5)
    message = PartTriggered(
        station_id=station.name,
        counter=2,
        counted_utc_ns=late_utc_ns,
        received_monotonic_ns=station.clock.monotonic_ns(),
        boot_id=boot_id(),
    )
    station.deliver(PART_TRIGGERED, message)
    assert station.numbers == [1]
    assert station.announced[-1].last.part_number == 3
    assert "part-counter" not in station.faults


def test_a_station_that_knows_nothing_counts_from_the_announced_counter_on(
    station: Station,
) -> None:
    station.announce(20)
    assert (station.announced[-1].first_number, station.announced[-1].last.part_number) == (21, 20)
    station.trigger(22)
    assert (station.numbers, station.captured[0].first_number) == ([22], 21)


def test_a_plc_that_began_again_is_followed_even_if_its_first_trigger_is_lost(
    station: Station,
) -> None:
    station.trigger(90)
    station.announce(0)
    station.pass_time(2.5)
    station.trigger(2)
    assert (station.numbers, station.captured[-1].first_number) == ([90, 2], 1)


def test_a_plc_that_began_again_begins_one_epoch_though_it_announced_that_first(
    station: Station,
) -> None:
    station.trigger(90)
    station.announce(0)
    station.trigger(1)
    station.pass_time(3)
    assert station.announced[-1].last == station.captured[-1].part
    assert station.numbers == [90, 1]
