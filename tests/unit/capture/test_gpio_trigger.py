"""A sensor at a GPIO line: each edge is a part, at the edge's own time; a line that is away comes back.

The line is scripted, because no GPIO chip is here; what libgpiod says of a chip that is not there is
its own.
"""

import queue
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from capture.configuration import GpioTriggerConfiguration
from capture.triggers.gpio import EdgeLine, GpiodLine, GpioEdge, GpioTrigger
from capture.triggers.trigger import TriggerEvent
from sightline.errors import CameraError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Inbox
from tests.unit.capture.capture_kit import CaptureUnderTest, ManualClock, wait_until
from tests.unit.capture.conftest import StartStation

MILLISECOND_NS = 1_000_000


class ScriptedLine:
    """Gives the edges it is told, and fails when it is told."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Sequence[GpioEdge] | CameraError] = queue.SimpleQueue()
        self.why_away: str | None = None
        self.opened = 0
        self.closed = 0

    def open(self, configuration: GpioTriggerConfiguration) -> EdgeLine:
        if self.why_away is not None:
            raise CameraError(self.why_away)
        self.opened += 1
        return self

    def wait(self, timeout_s: float) -> Sequence[GpioEdge]:
        try:
            event = self.events.get(timeout=timeout_s)
        except queue.Empty:
            return ()
        if isinstance(event, CameraError):
            raise event
        return event

    def close(self) -> None:
        self.closed += 1


class Sensor:
    """A trigger that listens to a scripted line."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.health = ComponentHealth("capture", "0", "test", self.clock)
        self.inbox = Inbox()
        self.line = ScriptedLine()
        configuration = GpioTriggerConfiguration(debounce_ms=3)
        self.trigger = GpioTrigger(
            configuration, self.inbox, self.clock, self.health, self.line.open
        )
        self.trigger.start()

    def next(self) -> TriggerEvent:
        triggered = self.trigger.find_trigger(self.inbox.next_event(20), 0)
        assert triggered is not None
        return triggered

    def has_fault(self) -> bool:
        return "trigger" in {fault.code for fault in self.health.build_report().faults}


@pytest.fixture
def sensor() -> Iterator[Sensor]:
    sensor = Sensor()
    yield sensor
    sensor.trigger.close()
    assert sensor.line.opened == sensor.line.closed


def test_each_edge_is_a_part_at_the_time_of_the_edge(sensor: Sensor) -> None:
    now_ns = sensor.clock.now_ns
    stamps_ns = [now_ns - 40 * MILLISECOND_NS, now_ns - 10 * MILLISECOND_NS]
    sensor.line.events.put([GpioEdge(stamp, index + 1) for index, stamp in enumerate(stamps_ns)])
    for stamp_ns in stamps_ns:
        triggered = sensor.next()
        edge_ns = stamp_ns - 3 * MILLISECOND_NS  # the kernel stamps it when it has been quiet
        assert triggered == TriggerEvent(None, edge_ns + sensor.clock.utc_offset_ns, edge_ns)


def test_edges_that_the_kernel_lost_are_counted(sensor: Sensor) -> None:
    sensor.line.events.put([GpioEdge(sensor.clock.now_ns, 4), GpioEdge(sensor.clock.now_ns, 7)])
    sensor.next()
    sensor.next()
    assert sensor.health.build_report().counters["triggers_lost"] == 2


def test_a_line_that_goes_away_is_a_fault_until_it_is_had_again(sensor: Sensor) -> None:
    sensor.line.why_away = "no such chip"
    sensor.line.events.put(CameraError("the chip is gone"))
    wait_until("the fault", sensor.has_fault)
    sensor.line.why_away = None
    wait_until("it is had again", lambda: not sensor.has_fault())
    sensor.line.events.put([GpioEdge(sensor.clock.now_ns, 1)])
    assert sensor.next().monotonic_ns == sensor.clock.now_ns - 3 * MILLISECOND_NS


def test_an_edge_of_another_trigger_means_nothing_here(sensor: Sensor) -> None:
    assert sensor.trigger.find_trigger(object(), 0) is None


def test_a_station_without_the_chip_says_so_and_takes_another_trigger(
    start_station: StartStation, pictures: Path
) -> None:
    station: CaptureUnderTest = start_station(
        trigger={"kind": "gpio", "chip": "/dev/no-such-chip", "line": "17"}
    )
    wait_until("the fault", lambda: "trigger" in station.faults)
    station.configure(trigger={"kind": "message"})
    assert "trigger" not in station.faults
    station.trigger(1)
    assert station.numbers == [1]


def test_libgpiod_says_what_is_wrong_with_a_chip(tmp_path: Path) -> None:
    pytest.importorskip("gpiod")
    with pytest.raises(CameraError, match="no-such-chip line 17: No such file"):
        GpiodLine(GpioTriggerConfiguration(chip=str(tmp_path / "no-such-chip"), line="17"))
    no_chip = tmp_path / "file"
    no_chip.touch()
    with pytest.raises(CameraError, match="file line SENSOR"):
        GpiodLine(GpioTriggerConfiguration(chip=str(no_chip), line="SENSOR"))


def test_an_edge_of_a_time_to_come_makes_no_picture(sensor: Sensor) -> None:
    sensor.line.events.put([GpioEdge(sensor.clock.monotonic_ns() + 10**12, 1)])
    assert "in the future" in sensor.next().untimed_reason
