"""A picture is taken of the part that triggered, or none is: late triggers, stalls, overload."""

from pathlib import Path

import pytest

from capture.component import CaptureComponent
from capture.numbering import NumberingState
from capture.sources.source import CameraFault, CameraFrame
from sightline.clock import boot_id
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import PartCaptured, PartTriggered
from sightline.messaging.topics import PART_TRIGGERED
from tests.unit.capture.capture_kit import CAMERAS, CaptureUnderTest, ManualClock
from tests.unit.capture.conftest import StartStation

OWN_COUNT = {"kind": "interval", "intervalMs": 60_000}
MS = 1_000_000
WAY_MS = 1500  # 750 mm at 0.5 m/s


def trigger(
    station: CaptureUnderTest,
    counter: int,
    *,
    waited_ms: float = 0,
    delay_ms: float = 0,
    boot: str = "",
) -> PartCaptured:
    """The PLC counts a part; its message comes as late as said."""
    station.clock.advance(0.3)
    now_ns = station.clock.monotonic_ns()
    message = PartTriggered(
        station_id=station.name,
        counter=counter,
        counted_utc_ns=station.clock.utc_ns(),
        received_monotonic_ns=now_ns - round(waited_ms * MS),
        boot_id=boot or boot_id(),
        delay_ms=delay_ms,
    )
    station.deliver(PART_TRIGGERED, message)
    return station.captured[-1]


def has_no_picture(part: PartCaptured, number: int) -> bool:
    """The part is told, with its number, a reason and no frame of any camera."""
    return (
        part.part.part_number == number
        and part.frames == ()
        and part.conditions == ()
        and part.missing_cameras == CAMERAS
        and part.unphotographed != ""
    )


def test_the_numbers_of_a_plc_are_called_its_own(station: CaptureUnderTest) -> None:
    station.trigger(7)
    assert station.captured[0].counted_by == "plc"
    station.advance(1)
    assert station.announced[-1].counted_by == "plc"


def test_numbers_that_the_station_counts_are_never_called_the_plcs(
    start_station: StartStation, pictures: Path
) -> None:
    from capture.triggers.interval import IntervalElapsed

    station = start_station(trigger=OWN_COUNT)
    station.capture.handle(IntervalElapsed(station.clock.utc_ns(), station.clock.monotonic_ns()))
    station.advance(1)
    assert station.captured[0].counted_by == "station"
    assert station.announced[-1].counted_by == "station"
    station.configure(trigger={"kind": "message"})
    station.trigger(41)
    assert station.captured[1].counted_by == "plc"
    assert station.captured[1].part.epoch > station.captured[0].part.epoch


def test_a_trigger_that_was_told_in_time_is_photographed(station: CaptureUnderTest) -> None:
    part = trigger(station, 1, delay_ms=20)
    assert len(part.frames) == len(CAMERAS)
    assert part.unphotographed == ""


def test_the_deadline_counts_from_the_earliest_time_the_part_can_have_been_counted(
    station: CaptureUnderTest,
) -> None:
    part = trigger(station, 1, delay_ms=20)
    earliest_ns = part.triggered_monotonic_ns - 20 * MS
    assert part.deadline_monotonic_ns == earliest_ns + WAY_MS * MS
    late = trigger(station, 2, delay_ms=700)
    assert late.deadline_monotonic_ns == late.triggered_monotonic_ns + (WAY_MS - 700) * MS


@pytest.mark.parametrize("delay_ms", [51, 500, 1e9, 1e308])
def test_a_part_whose_trigger_was_told_late_has_no_picture_and_the_reason_in_words(
    station: CaptureUnderTest, delay_ms: float
) -> None:
    part = trigger(station, 1, delay_ms=delay_ms)
    assert has_no_picture(part, 1)
    assert "late from the PLC's link" in part.unphotographed
    assert "could show another part" in part.unphotographed
    assert part.part.part_number == 1
    assert "Part 1 has no picture" in station.faults["parts-unphotographed"]


def test_how_late_is_allowed_is_configured(start_station: StartStation, pictures: Path) -> None:
    station = start_station(maxTriggerDelayMs=5)
    assert trigger(station, 1, delay_ms=4.9).frames
    assert has_no_picture(trigger(station, 2, delay_ms=5.1), 2)


@pytest.mark.parametrize("delay_ms", [float("nan"), -1.0, float("inf"), float("-inf")])
def test_a_delay_that_is_none_makes_no_picture(station: CaptureUnderTest, delay_ms: float) -> None:
    part = trigger(station, 1, delay_ms=delay_ms)
    assert has_no_picture(part, 1)
    assert part.deadline_monotonic_ns <= station.clock.monotonic_ns() + WAY_MS * MS


def test_a_trigger_of_another_boot_makes_no_picture(station: CaptureUnderTest) -> None:
    part = trigger(station, 1, boot="another boot")
    assert has_no_picture(part, 1)
    assert part.deadline_monotonic_ns <= station.clock.monotonic_ns()


@pytest.mark.parametrize("ago_ms", [1e10, 1e300])
def test_a_trigger_of_a_time_before_the_machine_started_makes_no_picture_and_hinders_nothing(
    station: CaptureUnderTest, ago_ms: float
) -> None:
    part = trigger(station, 1, waited_ms=ago_ms)
    assert has_no_picture(part, 1)
    station.advance(2)
    assert station.announced[-1].last == part.part


def test_a_trigger_of_a_time_to_come_neither_waits_nor_gets_a_later_deadline(
    station: CaptureUnderTest,
) -> None:
    part = trigger(station, 1, waited_ms=-3_600_000)
    assert has_no_picture(part, 1)
    assert part.deadline_monotonic_ns <= station.clock.monotonic_ns()


@pytest.mark.parametrize("waited_ms", [400, 1000, 1600, 60_000])
def test_a_trigger_that_waited_in_capture_makes_no_picture(
    station: CaptureUnderTest, waited_ms: float
) -> None:
    part = trigger(station, 1, waited_ms=waited_ms)
    assert has_no_picture(part, 1)
    assert "waited" in part.unphotographed


class Snapshots:
    """Cameras that are asked for a picture of now: late, it is another part's."""

    reconnects_itself = True
    finds_frames_late = False

    def __init__(self) -> None:
        self.asked: list[int] = []

    def expect(self, part_number: int) -> None:
        pass

    def collect_frames(self, part_number: int, _: int) -> tuple[CameraFrame | CameraFault, ...]:
        self.asked.append(part_number)
        return tuple(CameraFault(camera, "a test's") for camera in CAMERAS)

    def close(self) -> None:
        pass


def test_cameras_that_see_the_present_are_not_asked_for_a_part_that_is_past(
    start_station: StartStation, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = Snapshots()
    monkeypatch.setattr("capture.cameras.open_source", lambda *_: cameras)
    station = start_station()
    trigger(station, 1, waited_ms=40)
    trigger(station, 2, waited_ms=60)
    trigger(station, 3, waited_ms=30, delay_ms=30)
    trigger(station, 4)
    assert cameras.asked == [1, 4]
    assert [part.unphotographed == "" for part in station.captured] == [True, False, False, True]


def test_a_part_that_has_no_picture_any_more_is_no_fault_for_ever(
    station: CaptureUnderTest,
) -> None:
    trigger(station, 1, delay_ms=900)
    station.advance(11)
    assert "parts-unphotographed" not in station.faults


class Line:
    """Parts come at a rate; capture handles one after the other, a picture takes a while."""

    CAPTURE_MS, NUMBER_MS = 50.0, 2.0

    def __init__(self, station: CaptureUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        self.station = station
        self.clock: ManualClock = station.clock
        self.counter = 0
        self.due: list[tuple[int, int]] = []
        self.stalls: list[tuple[int, int]] = []
        self.photographed: dict[int, int] = {}
        cameras = station.capture._cameras
        see = cameras._collect_frames

        def slowly(part_number: int, triggered_ns: int) -> object:
            self.clock.advance(self.CAPTURE_MS / 1000)
            return see(part_number, triggered_ns)

        monkeypatch.setattr(cameras, "_collect_frames", slowly)

    def run(self, seconds: float, parts_per_s: float, stalls_s: float = 0.0) -> list[int]:
        """Parts of that time by number; capture stands still for the first seconds of it."""
        begin_ns = self.clock.monotonic_ns()
        every_ns = round(1e9 / parts_per_s)
        first = self.counter + 1
        times = [begin_ns + n * every_ns for n in range(round(seconds * parts_per_s))]
        waiting = list(times)
        if stalls_s:
            self.clock.advance(stalls_s)
        while waiting:
            if waiting[0] > self.clock.monotonic_ns():
                self.clock.now_ns = waiting[0]
                self.station.capture.tick()
            self._handle(waiting.pop(0), bool(waiting) and waiting[0] <= self.clock.now_ns)
        return list(range(first, self.counter + 1))

    def _handle(self, counted_ns: int, more_waits: bool) -> None:
        self.counter += 1
        self.clock.advance(self.NUMBER_MS / 1000)
        message = PartTriggered(
            station_id=self.station.name,
            counter=self.counter,
            counted_utc_ns=self.clock.utc_ns(),
            received_monotonic_ns=counted_ns,
            boot_id=boot_id(),
        )
        if more_waits:
            self.station.inbox.post("a trigger")
        self.station.capture.handle(Delivery(PART_TRIGGERED, message, counted_ns))
        self.station.capture.tick()
        self.station.inbox.next_event(0)


def seen(station: CaptureUnderTest) -> set[int]:
    """The parts that were photographed."""
    return {part.part.part_number for part in station.captured if part.frames}


@pytest.mark.parametrize("stalls_s", [1.5, 3.0])
@pytest.mark.parametrize("parts_per_s", [10, 18])
def test_half_a_second_after_a_stall_every_part_is_photographed_again(
    station: CaptureUnderTest, monkeypatch: pytest.MonkeyPatch, stalls_s: float, parts_per_s: float
) -> None:
    line = Line(station, monkeypatch)
    line.run(2, parts_per_s)
    assert seen(station) == set(range(1, line.counter + 1))
    parts = line.run(8, parts_per_s, stalls_s)
    later = [n for n in parts if (n - parts[0]) / parts_per_s >= stalls_s + 0.5]
    assert set(later) <= seen(station)
    assert station.numbers == list(range(1, line.counter + 1))


def test_three_times_as_many_parts_as_it_can_take_leave_it_well_half_a_second_after(
    station: CaptureUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(station, monkeypatch)
    line.run(20, 60)
    station.advance(0.5)
    parts = line.run(5, 4)
    assert set(parts) <= seen(station)
    assert station.numbers == list(range(1, line.counter + 1))
    overloaded = [part for part in station.captured if part.unphotographed]
    assert all("waited" in part.unphotographed for part in overloaded)
    assert len(seen(station)) > 200  # it went on all the while, at its own rate


def test_in_overload_a_picture_that_is_taken_leaves_the_models_most_of_the_time(
    station: CaptureUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    Line(station, monkeypatch).run(10, 60)
    for part in station.captured:
        if part.frames:
            left_ns = part.deadline_monotonic_ns - part.captured_monotonic_ns
            assert left_ns > 0.6 * WAY_MS * MS


def test_what_waits_is_numbered_with_one_sync_and_told_in_order_after_it(
    station: CaptureUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores: list[int] = []
    file = station.capture._counter._file
    store = file.store

    def count_and_store(state: NumberingState) -> None:
        stores.append(state.last_number)
        store(state)

    monkeypatch.setattr(file, "store", count_and_store)
    handle_waiting(station.capture, station, range(1, 31), waited_ms=2000)
    assert station.numbers == []
    station.capture.tick()
    assert station.numbers == list(range(1, 31))
    assert stores == [30]


def test_a_part_that_is_photographed_is_told_after_those_that_were_passed_over(
    station: CaptureUnderTest,
) -> None:
    handle_waiting(station.capture, station, range(1, 4), waited_ms=2000)
    trigger(station, 4)
    assert station.numbers == [1, 2, 3, 4]
    assert seen(station) == {4}


def handle_waiting(
    capture: CaptureComponent, station: CaptureUnderTest, counters: range, *, waited_ms: float
) -> None:
    """Triggers that waited, handled one after the other, with no tick between."""
    for counter in counters:
        received_ns = station.clock.monotonic_ns() - round(waited_ms * MS)
        message = PartTriggered(
            station_id=station.name,
            counter=counter,
            counted_utc_ns=station.clock.utc_ns(),
            received_monotonic_ns=received_ns,
            boot_id=boot_id(),
        )
        capture.handle(Delivery(PART_TRIGGERED, message, received_ns))
