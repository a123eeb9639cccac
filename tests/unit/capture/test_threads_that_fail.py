"""No thread of capture ends unseen: what nobody foresaw is a fault, and the work goes on."""

import threading
from pathlib import Path

import pytest

from capture.configuration import GpioTriggerConfiguration, IntervalTriggerConfiguration
from capture.sources.source import CameraFault, CameraFrame
from capture.triggers.gpio import GpioEdge, GpioTrigger
from capture.triggers.interval import IntervalElapsed, IntervalTrigger
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Inbox
from tests.unit.capture.capture_kit import CaptureUnderTest, MachineClock, ManualClock, wait_until
from tests.unit.capture.commissioning_kit import await_views, find_step, send_command
from tests.unit.capture.conftest import StartStation
from tests.unit.capture.scripted_camera import MILLISECOND_NS, open_rig, read_shade
from tests.unit.capture.test_gpio_trigger import ScriptedLine

ODD = [KeyError("an unknown flag"), MemoryError(), TypeError("no buffer"), ZeroDivisionError()]


@pytest.mark.parametrize("odd", ODD, ids=lambda error: type(error).__name__)
def test_a_camera_whose_reader_fails_in_an_unforeseen_way_is_opened_again(odd: Exception) -> None:
    with open_rig("cam1", "cam2") as rig:
        rig.start()
        rig.wait_until_streaming()
        camera = rig.cameras["cam1"]
        as_ever, failed = camera.next_event, threading.Event()

        def fail_once(timeout_s: float) -> object:
            camera.next_event = as_ever  # type: ignore[method-assign]
            failed.set()
            raise odd

        camera.next_event = fail_once  # type: ignore[assignment, method-assign]
        assert failed.wait(20)
        wait_until("the fault", lambda: "thread-camera-cam1" in rig.faults)
        assert type(odd).__name__ in rig.faults["thread-camera-cam1"]
        assert not rig.health.build_report().ready
        wait_until("opened again", lambda: camera.opened == 2 and camera.streaming.is_set())
        rig.wait_until_streaming("cam1")
        triggered_ns = rig.now_ns()
        for name in ("cam1", "cam2"):
            rig.cameras[name].push(triggered_ns + MILLISECOND_NS, shade=5)
        assert [read_shade(frame) for frame in rig.source.collect_frames(1, triggered_ns)] == [5, 5]
    assert "thread-camera-cam1" not in rig.faults  # its reader is no more


def test_a_frame_that_the_driver_gives_again_is_not_the_next_parts() -> None:
    matching = {"freeRunning": True, "beforeMs": 20, "afterMs": 20, "arrivalMs": 300}
    with open_rig("cam1", matching=matching) as rig:
        rig.start()
        wait_until("streaming", rig.cameras["cam1"].streaming.is_set)
        rig.cameras["cam1"].push(rig.now_ns() - 1000 * MILLISECOND_NS)
        rig.wait_until_streaming()
        triggered_ns = rig.now_ns()
        for _ in range(2):
            rig.cameras["cam1"].push(triggered_ns + MILLISECOND_NS, shade=9)
        rig.cameras["cam1"].await_silence()
        first = rig.source.collect_frames(1, triggered_ns)[0]
        rig.cameras["cam1"].push(triggered_ns + MILLISECOND_NS, shade=9)
        rig.cameras["cam1"].await_silence()
        second = rig.source.collect_frames(2, triggered_ns + 2 * MILLISECOND_NS)[0]
        assert isinstance(first, CameraFrame)
        assert isinstance(second, CameraFault)


def test_two_parts_nearer_to_one_another_than_two_frames_never_share_one() -> None:
    matching = {"freeRunning": True, "beforeMs": 25, "afterMs": 25, "arrivalMs": 300}
    with open_rig("cam1", matching=matching, keptFrames=8) as rig:
        rig.start()
        wait_until("streaming", rig.cameras["cam1"].streaming.is_set)
        rig.cameras["cam1"].push(rig.now_ns() - 1000 * MILLISECOND_NS)
        rig.wait_until_streaming()
        begin_ns = rig.now_ns()
        for frame in range(4):
            rig.cameras["cam1"].push(begin_ns + frame * 33 * MILLISECOND_NS, shade=frame)
        rig.cameras["cam1"].await_silence()
        seen = [rig.source.collect_frames(n, begin_ns + n * MILLISECOND_NS)[0] for n in range(5)]
        shades = [read_shade(frame) for frame in seen if isinstance(frame, CameraFrame)]
        assert len(shades) == len(set(shades)) < len(seen)


class Trigger:
    """Where a trigger posts, and what it says of itself."""

    def __init__(self) -> None:
        self.clock = MachineClock()
        self.health = ComponentHealth("capture", "0", "test", self.clock)
        self.inbox = Inbox()

    def faults(self) -> set[str]:
        return {fault.code for fault in self.health.build_report().faults}


def test_a_sensor_whose_line_fails_in_an_unforeseen_way_is_listened_to_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, line = Trigger(), ScriptedLine()
    trigger = GpioTrigger(
        GpioTriggerConfiguration(), told.inbox, ManualClock(), told.health, line.open
    )
    as_ever = line.wait

    def fail_once(timeout_s: float) -> object:
        monkeypatch.setattr(line, "wait", as_ever)
        raise RuntimeError("an unknown event")

    monkeypatch.setattr(line, "wait", fail_once)
    trigger.start()
    wait_until("the fault", lambda: "thread-gpio-trigger" in told.faults())
    line.events.put([GpioEdge(1_000_000_000, 1)])
    assert trigger.find_trigger(told.inbox.next_event(20), 0) is not None
    assert line.opened == 2
    trigger.close()
    assert told.faults() == set()


def test_a_beat_that_fails_in_an_unforeseen_way_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Trigger()
    configuration = IntervalTriggerConfiguration(interval_ms=5)
    trigger = IntervalTrigger(configuration, told.inbox, told.clock, told.health)
    post = told.inbox.post

    def fail_once(event: object) -> None:
        monkeypatch.setattr(told.inbox, "post", post)
        raise MemoryError

    monkeypatch.setattr(told.inbox, "post", fail_once)
    trigger.start()
    wait_until("the fault", lambda: "thread-interval-trigger" in told.faults())
    assert isinstance(told.inbox.next_event(20), IntervalElapsed)
    trigger.close()
    assert told.faults() == set()


def test_a_step_that_fails_in_an_unforeseen_way_is_answered_and_the_next_is_carried_out(
    start_station: StartStation, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = start_station(clock=MachineClock())
    with monkeypatch.context() as patched:
        patched.setitem(station.capture._commissioning._steps, "calibrate", fail)
        failed = find_step(station, send_command(station, "calibrate", camera="cam1"))
    assert (failed.result, failed.text) == (
        "failed",
        "An unforeseen error: KeyError: 'odd'. Please report the log.",
    )
    wait_until("the fault", lambda: "thread-commissioning" in station.faults)
    again = find_step(station, send_command(station, "calibrate", camera="cam1", forget=True))
    assert again.result == "done"


def test_a_look_that_fails_in_an_unforeseen_way_does_not_end_the_live_view(
    start_station: StartStation, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = start_station(clock=MachineClock())
    station.trigger(1)
    as_ever = station.capture._cameras.latest

    def fail_once() -> object:
        monkeypatch.setattr(station.capture._cameras, "latest", as_ever)
        raise RuntimeError("odd")

    monkeypatch.setattr(station.capture._cameras, "latest", fail_once)
    send_command(station, "live_view")
    wait_until("the fault", lambda: "thread-commissioning" in station.faults)
    await_views(station, 1)


def fail(_: object) -> object:
    """As nobody foresaw."""
    raise KeyError("odd")


def test_cameras_that_fail_in_an_unforeseen_way_cost_the_part_its_pictures_and_no_more(
    station: CaptureUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("capture.cameras.write_frames", lambda *_: fail(_))
        station.trigger(1)
    station.trigger(2)
    assert station.numbers == [1, 2]
    assert len(station.captured[0].missing_cameras) == 4
    assert len(station.captured[1].frames) == 4
