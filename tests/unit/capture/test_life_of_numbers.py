"""What becomes of a part's number: on disk first, announced until it is known, never given twice."""

import errno
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from capture.component import NUMBERING_FILE
from capture.numbering import NumberingFile, NumberingState
from capture.triggers.interval import IntervalElapsed
from sightline.clock import boot_id
from sightline.errors import MessageError, NucleusGoneError, TransportError
from sightline.messaging.memory_bus import MemoryBus
from sightline.messaging.messages import PartCaptured, PartSettled, PartTriggered
from sightline.messaging.topics import PART_SETTLED, PART_TRIGGERED, MessageStream
from sightline.storage.journal import DurableRecord
from tests.unit.capture.capture_kit import CaptureUnderTest
from tests.unit.capture.conftest import StartStation

OWN_COUNT = {"kind": "interval", "intervalMs": 60_000}


class WatchingBus:
    """Looks at the disk in the moment of publishing."""

    def __init__(self, bus: MemoryBus, path: Path) -> None:
        self.bus = bus
        self.path = path
        self.on_disk: list[NumberingState | None] = []

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        if isinstance(message, PartCaptured):
            self.on_disk.append(NumberingFile(self.path).load())
        self.bus.publish(stream, message)

    def subscribe(self, stream: MessageStream) -> None:
        self.bus.subscribe(stream)

    def close(self) -> None:
        self.bus.close()


class FailingBus(WatchingBus):
    """Fails as told."""

    error: Exception | None = None

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        if self.error is not None:
            raise self.error
        self.bus.publish(stream, message)


def test_a_number_is_on_disk_before_anyone_hears_of_the_part(
    start_station: StartStation, pictures: Path, tmp_path: Path
) -> None:
    watching: list[WatchingBus] = []

    def watch(bus: MemoryBus) -> WatchingBus:
        watching.append(WatchingBus(bus, tmp_path / NUMBERING_FILE))
        return watching[-1]

    station = start_station(bus_around=watch)
    station.trigger(1, 2, 5)
    seen = [state for state in watching[0].on_disk if state is not None]
    assert [state.last_number for state in seen] == [1, 2, 5]
    assert [state.deadline_monotonic_ns for state in seen] == [
        part.deadline_monotonic_ns for part in station.captured
    ]


def disk_full(_: int) -> None:
    """A disk that takes nothing more."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_number_that_cannot_be_stored_is_told_to_no_one_until_it_is(
    station: CaptureUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.trigger(1)
    station.advance(1)
    monkeypatch.setattr("sightline.storage.journal.os.fdatasync", disk_full)
    station.trigger(2)
    station.advance(2)
    assert station.numbers == [1]
    assert station.announced[-1].last.part_number == 1
    assert "cannot be stored" in station.faults["part-counter-not-stored"]
    monkeypatch.undo()
    station.advance(1)
    assert station.announced[-1].last.part_number == 2
    assert "part-counter-not-stored" not in station.faults


def test_a_restarted_station_announces_the_last_number_and_its_deadline_at_once(
    start_station: StartStation, pictures: Path
) -> None:
    first = start_station()
    first.trigger(41, 42)
    again = start_station()
    (announced,) = again.announced
    last = first.captured[-1]
    assert announced.last == last.part
    assert announced.deadline_monotonic_ns == last.deadline_monotonic_ns
    assert (announced.boot_id, announced.first_number) == (boot_id(), 41)


def test_the_last_number_is_announced_each_second(station: CaptureUnderTest) -> None:
    station.trigger(1)
    before = len(station.announced)
    station.advance(5)
    assert len(station.announced) - before == 5


def test_nothing_is_announced_before_there_is_a_number(station: CaptureUnderTest) -> None:
    station.advance(3)
    assert station.announced == []


def test_the_number_goes_on_after_a_restart(start_station: StartStation, pictures: Path) -> None:
    before = start_station()
    before.trigger(1, 2)
    after = start_station()
    after.trigger(2, 3)
    assert after.numbers == [3]
    assert after.captured[0].part.epoch == before.captured[0].part.epoch


def test_a_trigger_told_twice_is_one_part(station: CaptureUnderTest) -> None:
    station.trigger(1, 2, 2, 2, 3)
    assert station.numbers == [1, 2, 3]
    assert station.counter("parts_known_already") == 2


def test_lost_triggers_leave_a_gap_in_the_same_epoch(station: CaptureUnderTest) -> None:
    station.trigger(1, 4)
    first, second = station.captured
    assert (first.part.epoch, second.part.part_number) == (second.part.epoch, 4)
    assert "part-counter" not in station.faults


@pytest.mark.parametrize(
    ("counter", "words"), [(1, "backwards"), (3_000_000_000, "further than a line can count")]
)
def test_a_counter_that_cannot_go_on_begins_an_epoch_and_tells_why(
    station: CaptureUnderTest, counter: int, words: str
) -> None:
    station.trigger(9, counter)
    first, second = station.captured
    assert second.part.epoch > first.part.epoch
    assert second.first_number == counter
    assert words in station.faults["part-counter"]
    station.advance(61)
    assert "part-counter" not in station.faults


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lives=st.lists(st.lists(st.integers(0, 2500), max_size=6), min_size=1, max_size=4),
    backwards_s=st.integers(-100, 100),
)
def test_no_number_is_given_twice_over_any_restarts_and_counters(
    start_station: StartStation, lives: list[list[int]], backwards_s: int
) -> None:
    given_numbers: list[tuple[int, int]] = []
    for counters in lives:
        life = start_station()
        life.clock.utc_offset_ns += backwards_s * 1_000_000_000
        life.trigger(*counters)
        given_numbers += [(part.part.epoch, part.part.part_number) for part in life.captured]
    assert given_numbers == sorted(set(given_numbers))


@pytest.mark.parametrize("content", [b'{"epoch":17', b"\xff\xfe\x00\x01", b"[]"])
def test_a_damaged_number_on_disk_is_put_aside_and_a_new_epoch_begins(
    start_station: StartStation, pictures: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / NUMBERING_FILE).write_bytes(content)
    station = start_station()
    assert "damaged" in station.faults["part-counter"]
    (kept,) = tmp_path.glob("numbering.record.damaged-*")
    assert kept.read_bytes() == content
    station.trigger(7)
    assert (station.numbers, station.captured[0].first_number) == ([7], 7)


@pytest.mark.parametrize(
    "error", [TransportError("no answer in 2 s"), MessageError("PartCaptured takes 7000 bytes")]
)
def test_a_part_that_could_not_be_handed_over_is_announced_later(
    start_station: StartStation, pictures: Path, tmp_path: Path, error: Exception
) -> None:
    buses: list[FailingBus] = []

    def fail(bus: MemoryBus) -> FailingBus:
        buses.append(FailingBus(bus, tmp_path))
        return buses[-1]

    station = start_station(bus_around=fail)
    buses[0].error = error
    station.trigger(1)
    report = station.health.build_report()
    assert [(fault.text, fault.level) for fault in report.faults] == [
        (f"Cannot publish PartCaptured: {error}", "warning")
    ]
    buses[0].error = None
    station.advance(1)
    assert station.announced[-1].last.part_number == 1
    assert station.faults == {}
    buses[0].error = NucleusGoneError("closed")
    with pytest.raises(NucleusGoneError):
        station.trigger(2)


def test_without_a_plc_parts_are_counted_here_and_no_number_comes_again_after_a_restart(
    start_station: StartStation, pictures: Path
) -> None:
    numbers: list[int] = []
    for _ in range(3):
        life = start_station(trigger=OWN_COUNT)
        for _ in range(2):
            life.capture.handle(IntervalElapsed(life.clock.utc_ns(), life.clock.monotonic_ns()))
        numbers += life.numbers
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_without_a_plc_an_announced_counter_means_nothing(
    start_station: StartStation, pictures: Path
) -> None:
    station = start_station(trigger=OWN_COUNT)
    station.announce(500)
    station.advance(5)
    assert station.announced == []


def test_the_interval_trigger_beats_by_itself(start_station: StartStation, pictures: Path) -> None:
    station = start_station(trigger={"kind": "interval", "intervalMs": 5})
    station.clock.now_ns = time.monotonic_ns()
    beaten = station.inbox.next_event(0)
    give_up = time.monotonic() + 30
    while beaten is None and time.monotonic() < give_up:
        station.clock.advance(0.01)
        beaten = station.inbox.next_event(0.05)
    assert isinstance(beaten, IntervalElapsed)
    station.capture.handle(beaten)
    assert station.numbers == [1]


def test_two_clocks_never_matter_to_a_trigger_of_another_boot(station: CaptureUnderTest) -> None:
    message = PartTriggered(
        station_id=station.name,
        counter=1,
        counted_utc_ns=station.clock.utc_ns(),
        received_monotonic_ns=5,
        boot_id="another boot",
    )
    station.deliver(PART_TRIGGERED, message)
    (part,) = station.captured
    assert part.triggered_monotonic_ns == station.clock.monotonic_ns()


def sense(life: CaptureUnderTest) -> None:
    """The station counts a part itself."""
    life.capture.handle(IntervalElapsed(life.clock.utc_ns(), life.clock.monotonic_ns()))


@pytest.mark.parametrize(
    "damage", ["a byte", "its sequence", "zeros behind", "cut", "another place"]
)
@pytest.mark.parametrize("place_bytes", [DurableRecord.SLOT_BYTES, 512])
@pytest.mark.parametrize("parts", [2, 3])
def test_no_number_of_our_own_count_is_given_twice_when_the_last_one_stored_is_damaged(
    start_station: StartStation,
    tmp_path: Path,
    pictures: Path,
    parts: int,
    place_bytes: int,
    damage: str,
) -> None:
    if damage == "cut" and parts % 2 == 0:
        parts += 1  # so that it is the last one that is cut off
    station = start_station(trigger=OWN_COUNT)
    for _ in range(parts):
        sense(station)
    assert station.numbers == list(range(1, parts + 1))
    station.capture.close()
    path = tmp_path / NUMBERING_FILE
    places = [
        bytearray(path.read_bytes()[start:][:place_bytes])
        for start in (0, DurableRecord.SLOT_BYTES)
    ]
    if damage == "zeros behind":
        places[parts % 2][20:] = bytes(place_bytes - 20)
    elif damage == "cut":
        del places[1][30:]
    else:
        last = parts % 2 if damage != "another place" else 1 - parts % 2
        places[last][4 if damage == "its sequence" else 30] ^= 0xFF
    path.write_bytes(b"".join(places))
    again = start_station(trigger=OWN_COUNT)
    assert ("part-counter" in again.faults) == (damage != "another place")
    sense(again)
    again.advance(2)
    assert again.numbers == [parts + 1]  # the number before it, had it been lost, is told as missed
    third = start_station(trigger=OWN_COUNT)
    assert third.faults.get("part-counter") is None


def test_an_older_file_that_came_back_gives_no_number_that_has_a_record(
    start_station: StartStation, tmp_path: Path, pictures: Path
) -> None:
    station = start_station(trigger=OWN_COUNT)
    sense(station)
    older = (tmp_path / NUMBERING_FILE).read_bytes()
    for _ in range(4):
        sense(station)
    last = station.captured[-1].part
    station.capture.close()
    (tmp_path / NUMBERING_FILE).write_bytes(older)
    again = start_station(trigger=OWN_COUNT)
    settled = PartSettled(station_id=again.name, up_to=last)
    for _ in range(2):
        again.deliver(PART_SETTLED, settled)
        sense(again)
    assert again.numbers == [last.part_number + 1, last.part_number + 2]
    assert {part.part.epoch for part in again.captured} == {last.epoch}
    assert "part-counter" in again.faults


def test_records_of_a_plcs_numbers_do_not_move_its_count(
    start_station: StartStation, pictures: Path
) -> None:
    station = start_station()
    station.trigger(1)
    ahead = replace(station.captured[-1].part, part_number=50)
    station.deliver(PART_SETTLED, PartSettled(station_id=station.name, up_to=ahead))
    station.trigger(2)
    assert station.numbers == [1, 2]
