"""Counters that the PLC announces: lost triggers are found, late ones are not counted twice."""

from pathlib import Path

import pytest

from sightline.clock import boot_id
from sightline.messaging.messages import Part, PartSettled, PartTriggered
from sightline.messaging.topics import PART_SETTLED, PART_TRIGGERED
from tests.unit.capture.capture_kit import CaptureUnderTest
from tests.unit.capture.conftest import StartStation


def test_a_counter_that_was_announced_without_its_triggers_is_adopted(
    station: CaptureUnderTest,
) -> None:
    station.trigger(1)
    station.announce(3)
    heard_ns = station.clock.now_ns
    station.advance(0.9)
    assert station.counter("parts_adopted") == 0
    station.advance(1.2)
    assert station.counter("parts_adopted") == 2
    announced = station.announced[-1]
    assert announced.last.part_number == 3
    assert announced.deadline_monotonic_ns == heard_ns + 1_500_000_000


def test_a_trigger_that_was_only_under_way_is_not_taken_for_lost(station: CaptureUnderTest) -> None:
    station.trigger(1)
    station.announce(2)
    station.advance(0.5)
    station.trigger(2)
    station.advance(3)
    assert station.numbers == [1, 2]
    assert station.counter("parts_adopted") == 0


def test_a_trigger_that_waits_in_the_inbox_is_not_taken_for_lost(station: CaptureUnderTest) -> None:
    station.trigger(1)
    station.announce(2)
    station.inbox.post("a trigger")
    station.advance(3)
    assert station.counter("parts_adopted") == 0


def test_a_trigger_that_comes_after_its_counter_was_adopted_is_known_already(
    station: CaptureUnderTest,
) -> None:
    station.trigger(1)
    late_utc_ns = station.clock.utc_ns()
    station.announce(3)
    station.advance(2.5)
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
    station: CaptureUnderTest,
) -> None:
    station.announce(20)
    assert (station.announced[-1].first_number, station.announced[-1].last.part_number) == (21, 20)
    station.trigger(22)
    assert (station.numbers, station.captured[0].first_number) == ([22], 21)


def test_a_plc_that_began_again_is_followed_even_if_its_first_trigger_is_lost(
    station: CaptureUnderTest,
) -> None:
    station.trigger(90)
    station.announce(0)
    station.advance(2.5)
    station.trigger(2)
    assert (station.numbers, station.captured[-1].first_number) == ([90, 2], 1)


def test_a_plc_that_began_again_begins_one_epoch_though_it_announced_that_first(
    station: CaptureUnderTest,
) -> None:
    station.trigger(90)
    station.announce(0)
    station.trigger(1)
    station.advance(3)
    assert station.announced[-1].last == station.captured[-1].part
    assert station.numbers == [90, 1]


def test_a_new_count_is_captured_whatever_the_plcs_clock_says(station: CaptureUnderTest) -> None:
    station.announce(0)  # the first start: adopted
    station.advance(1.5)
    station.trigger(1, 2, 3, 4, 5)
    station.advance(600)
    station.clock.utc_offset_ns -= 3600 * 10**9
    station.trigger(1, 2)
    station.advance(3)
    station.trigger(3)
    assert station.numbers == [1, 2, 3, 4, 5, 1, 2, 3]
    assert station.captured[-1].first_number == 1
    assert station.counter("parts_known_already") == 0


@pytest.mark.parametrize("unseen", [1200, 20_000])
def test_an_outage_of_any_length_is_a_gap_of_the_same_count(
    station: CaptureUnderTest, unseen: int
) -> None:
    station.trigger(1, 2, 3)
    station.announce(3 + unseen)
    station.advance(2.5)
    (first, *_), announced = station.captured, station.announced[-1]
    assert (announced.last.epoch, announced.last.part_number) == (first.part.epoch, 3 + unseen)
    assert announced.first_number == first.first_number
    assert f"{unseen} parts passed" in station.faults["part-counter"]
    station.trigger(4 + unseen)
    assert station.captured[-1].part.epoch == first.part.epoch


@pytest.mark.parametrize("seen_first", ["trigger", "announcement"])
def test_no_part_of_a_plc_that_began_anew_is_left_out(
    station: CaptureUnderTest, seen_first: str
) -> None:
    station.trigger(95, 96, 97)
    if seen_first == "announcement":
        station.announce(7)
        station.advance(2.5)
        told = station.announced[-1]
        assert (told.first_number, told.last.part_number) == (1, 7)
        assert told.ended_before == station.captured[2].part
    station.trigger(8)
    assert station.captured[-1].first_number == 1
    assert station.captured[-1].ended_before == station.captured[2].part


def test_a_wrap_that_only_an_announcement_told_is_told_again_after_a_restart(
    start_station: StartStation, pictures: Path
) -> None:
    station = start_station()
    station.trigger(65_533)
    station.announce(2)
    station.advance(2.5)
    again = start_station()
    for told in (station.announced[-1], again.announced[-1]):
        assert (told.first_number, told.last.part_number) == (0, 2)
        assert told.ended_before == Part(station.captured[0].part.epoch, 65_535)
    assert "part-counter" not in again.faults


@pytest.mark.parametrize("counter", [2**63, 10**30, -(10**30)])
def test_a_counter_that_is_no_count_of_parts_is_a_fault_and_nothing_else(
    station: CaptureUnderTest, counter: int
) -> None:
    station.trigger(1)
    station.deliver(PART_TRIGGERED, told(station, counter))
    station.announce(counter)
    station.advance(2.5)
    assert "not a count of parts" in station.faults["part-counter"]
    station.trigger(2)
    assert station.numbers == [1, 2]
    assert station.captured[0].part.epoch == station.captured[1].part.epoch


def told(station: CaptureUnderTest, counter: int) -> PartTriggered:
    """The message of a trigger now."""
    return PartTriggered(
        station_id=station.name,
        counter=counter,
        counted_utc_ns=station.clock.utc_ns(),
        received_monotonic_ns=station.clock.monotonic_ns(),
        boot_id=boot_id(),
    )


def test_a_station_whose_clock_went_back_and_whose_files_are_lost_counts_in_a_later_epoch(
    station: CaptureUnderTest,
) -> None:
    station.trigger(7)
    behind = station.captured[-1].part
    known = Part(behind.epoch + 1_000, 5)
    station.deliver(PART_SETTLED, PartSettled(station_id=station.name, up_to=known))
    assert "clock went back" in station.faults["part-counter"]
    station.trigger(8)
    part = station.captured[-1]
    assert part.part == Part(known.epoch + 1, 8)
    assert part.continues  # inference fills what was counted since the last part that it knows


@pytest.mark.parametrize("earlier", [0, 1, 1_000])
def test_records_of_this_epoch_or_an_earlier_one_change_nothing(
    station: CaptureUnderTest, earlier: int
) -> None:
    station.trigger(7)
    epoch = station.captured[-1].part.epoch
    settled = Part(0, 0) if earlier == 0 else Part(epoch - earlier, 3)
    for up_to in (settled, Part(epoch, 7)):
        station.deliver(PART_SETTLED, PartSettled(station_id=station.name, up_to=up_to))
    station.trigger(8)
    assert station.captured[-1].part == Part(epoch, 8)
    assert "part-counter" not in station.faults
