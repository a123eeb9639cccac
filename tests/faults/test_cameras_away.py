"""A camera that fails costs its own frames only: the others see on, and it comes back by itself.

The cameras are scripted (see scripted_camera.py), the component is whole: trigger in, part out.
"""

import functools
from collections.abc import Iterator
from typing import Any

import pytest

from capture.configuration import CaptureConfiguration
from capture.sources import registry
from capture.sources.streaming import StreamingSource
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import PartCaptured
from tests.unit.capture.capture_kit import CaptureUnderTest, MachineClock, wait_until
from tests.unit.capture.conftest import StartStation, start_station
from tests.unit.capture.scripted_camera import MILLISECOND_NS, SIZE, ScriptedCamera

__all__ = ["start_station"]
NAMES = ("cam1", "cam2")
PATIENT_FOR_A_SECOND = {"freeRunning": False, "beforeMs": 5000, "arrivalMs": 1000}


class Line:
    """A station with two scripted cameras, past their first frames."""

    def __init__(self, start: StartStation, cameras: dict[str, ScriptedCamera]) -> None:
        self.cameras = cameras
        self._number = 0
        self.station: CaptureUnderTest = start(
            clock=MachineClock(),
            cameras=list(NAMES),
            frame={"width": SIZE.width, "height": SIZE.height},
            source={
                "kind": "v4l2",
                "cameras": {name: {"node": camera.node} for name, camera in cameras.items()},
                "droppedFirst": 0,
                "matching": {"freeRunning": False, "beforeMs": 5000, "arrivalMs": 10_000},
            },
        )
        self.wait_until_streaming(*NAMES)

    def wait_until_streaming(self, *names: str) -> None:
        for name in names:
            gauge = f"camera_streams_{name}"
            wait_until(
                f"{name} streams",
                lambda gauge=gauge: self.station.health.build_report().gauges.get(gauge) == 1,  # type: ignore[misc]
            )

    def part(self, *seen_by: str, **flags: Any) -> PartCaptured:
        """Trigger a part that these cameras see."""
        now_ns = self.station.clock.monotonic_ns()
        for name in seen_by:
            self.cameras[name].push(now_ns + MILLISECOND_NS, **flags)
        self._number += 1
        self.station.trigger(self._number)
        return self.station.captured[-1]

    def pass_first_frames(self, count: int, *names: str) -> None:
        """These cameras give the frames that are dropped, with a silence before each."""
        for camera in (self.cameras[name] for name in names):
            wait_until("it is open", camera.streaming.is_set)
            for _ in range(count):
                camera.await_silence()
                camera.push(self.station.clock.monotonic_ns())
        self.wait_until_streaming(*names)

    def set_source(self, **values: Any) -> None:
        """Other values of the source; the cameras are opened anew."""
        source = self.station.values["source"]
        assert isinstance(source, dict)
        self.station.configure(source={**source, **values})

    def has_fault(self, code: str) -> bool:
        return code in self.station.faults


@pytest.fixture
def line(start_station: StartStation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """The line at work; whatever was opened is closed again at the end."""
    cameras = {name: ScriptedCamera(f"/dev/{name}") for name in NAMES}
    by_node = {camera.node: camera for camera in cameras.values()}

    def open_scripted(
        configuration: V4l2Configuration,
        capture: CaptureConfiguration,
        health: ComponentHealth,
        clock: Clock,
    ) -> StreamingSource:
        return StreamingSource(
            *(configuration, capture.cameras, capture.frame_size, health, clock),
            lambda node, wanted, _: by_node[node].open(wanted),
        )

    monkeypatch.setitem(registry.SOURCES, V4l2Configuration, open_scripted)
    line = Line(start_station, cameras)
    yield line
    line.station.capture.close()
    assert all(camera.opened == camera.closed for camera in cameras.values())


def test_both_cameras_see_a_part_and_the_reference_bears_the_drivers_time(line: Line) -> None:
    part = line.part(*NAMES)
    assert [ref.camera for ref in part.frames] == list(NAMES)
    late_ns = part.frames[0].captured_monotonic_ns - part.triggered_monotonic_ns
    assert 0 < MILLISECOND_NS - late_ns < 1000 * MILLISECOND_NS


@pytest.mark.parametrize("why", ["Input/output error", "No such device", "Invalid argument"])
def test_a_camera_that_fails_is_missing_while_the_other_sees_and_comes_back(
    line: Line, why: str
) -> None:
    camera = line.cameras["cam2"]
    camera.why_away = why
    camera.fail(why)
    wait_until(
        "the fault is told, with no part there", functools.partial(line.has_fault, "camera-cam2")
    )
    part = line.part("cam1")
    assert part.missing_cameras == ("cam2",)
    assert [ref.camera for ref in part.frames] == ["cam1"]
    assert line.station.faults == {"camera-cam2": why}
    attempts = camera.attempts
    wait_until("it is opened again and again", lambda: camera.attempts >= attempts + 2)
    camera.why_away = None
    line.wait_until_streaming("cam2")
    assert line.part(*NAMES).missing_cameras == ()
    assert line.station.faults == {}
    assert line.cameras["cam1"].opened == 1


def test_a_lost_camera_holds_up_no_part(line: Line) -> None:
    line.cameras["cam2"].why_away = "the node has vanished"
    line.cameras["cam2"].fail("No such device")
    wait_until("the fault", functools.partial(line.has_fault, "camera-cam2"))
    part = line.part("cam1")
    waited_ns = part.captured_monotonic_ns - part.triggered_monotonic_ns
    assert waited_ns < 5000 * MILLISECOND_NS


def test_a_damaged_frame_is_no_frame_and_the_stream_goes_on(line: Line) -> None:
    line.cameras["cam2"].push(line.station.clock.monotonic_ns(), is_damaged=True)
    part = line.part("cam1")
    assert part.missing_cameras == ("cam2",)
    assert "marked the frame as damaged" in line.station.faults["camera-cam2"]
    assert line.part(*NAMES).missing_cameras == ()
    assert line.cameras["cam2"].opened == 1
    assert line.station.counter("frames_damaged_cam2") == 1


def test_a_frame_that_lacks_bytes_is_no_frame_and_the_stream_goes_on(line: Line) -> None:
    line.cameras["cam2"].push(line.station.clock.monotonic_ns(), content=b"short")
    part = line.part("cam1")
    assert part.missing_cameras == ("cam2",)
    assert "incomplete" in line.station.faults["camera-cam2"]
    assert line.part(*NAMES).missing_cameras == ()


def test_times_of_another_clock_match_no_part(line: Line) -> None:
    line.cameras["cam2"].push(line.station.clock.utc_ns(), is_monotonic=False)
    wait_until("the fault", functools.partial(line.has_fault, "camera-cam2"))
    assert "not of CLOCK_MONOTONIC" in line.station.faults["camera-cam2"]


@pytest.mark.parametrize("dropped_first", [0, 2])
def test_a_triggered_camera_that_misses_three_parts_in_a_row_is_opened_again(
    line: Line, dropped_first: int
) -> None:
    line.set_source(matching=PATIENT_FOR_A_SECOND, droppedFirst=dropped_first)
    line.pass_first_frames(dropped_first, *NAMES)
    opened = line.cameras["cam2"].opened
    for _ in range(3):
        assert line.part("cam1").missing_cameras == ("cam2",)
    wait_until("it is opened again", lambda: line.cameras["cam2"].opened > opened)
    line.pass_first_frames(dropped_first, "cam2")
    assert line.part(*NAMES).missing_cameras == ()


def test_parts_that_no_camera_sees_do_not_make_all_be_opened_anew(line: Line) -> None:
    line.set_source(matching=PATIENT_FOR_A_SECOND)
    line.wait_until_streaming(*NAMES)
    assert line.part().missing_cameras == NAMES
    looked_after_ns = line.station.clock.monotonic_ns() + 1100 * MILLISECOND_NS
    wait_until(
        "the cameras were looked after",
        lambda: (
            line.station.capture.tick() > 0 and line.station.clock.monotonic_ns() > looked_after_ns
        ),
    )
    assert [camera.opened for camera in line.cameras.values()] == [2, 2]


def test_a_camera_that_runs_free_and_falls_silent_is_opened_again(line: Line) -> None:
    line.set_source(matching={"freeRunning": True}, silenceMs=100)
    camera = line.cameras["cam1"]
    opened = camera.opened
    wait_until("it is opened again", lambda: camera.opened > opened + 1)
    assert "no frame for" in line.station.faults["camera-cam1"]
