"""Cameras that stream: one frame a part from each, of the trigger's time, settings that hold."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from capture.cameras import StationCameras
from capture.configuration import CaptureConfiguration
from capture.reference_comparison import ReferenceComparison
from capture.sources.camera_device import StreamFormat
from capture.sources.source import CameraFault, CameraFrame
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.configuration import load_configuration
from sightline.errors import CameraError
from tests.unit.capture.capture_kit import wait_until
from tests.unit.capture.conftest import StartStation
from tests.unit.capture.scripted_camera import (
    MILLISECOND_NS,
    SIZE,
    ScriptedRig,
    open_rig,
    read_shade,
)

FREE = {"freeRunning": True, "beforeMs": 20, "afterMs": 20, "arrivalMs": 2000}


def test_each_camera_gives_its_frame_of_the_trigger_in_the_cameras_order() -> None:
    with open_rig("cam1", "cam2", "cam3") as rig:
        rig.start()
        rig.wait_until_streaming()
        triggered_ns = rig.now_ns()
        for late_ms, name in ((15, "cam3"), (0, "cam1"), (10, "cam2")):
            rig.cameras[name].push(triggered_ns + late_ms * MILLISECOND_NS, shade=late_ms)
        frames = rig.source.collect_frames(1, triggered_ns)
        assert [read_shade(frame) for frame in frames] == [0, 10, 15]
        assert [frame.camera for frame in frames] == ["cam1", "cam2", "cam3"]
        captured = [
            frame.captured_monotonic_ns for frame in frames if isinstance(frame, CameraFrame)
        ]
        assert captured == [triggered_ns + late * MILLISECOND_NS for late in (0, 10, 15)]


def test_a_frame_that_comes_after_it_was_asked_for_is_waited_for() -> None:
    with open_rig("cam1") as rig:
        rig.start()
        rig.wait_until_streaming()
        triggered_ns = rig.now_ns() + 20 * MILLISECOND_NS
        camera = rig.cameras["cam1"]
        camera.push(triggered_ns - 400 * MILLISECOND_NS, shade=1)
        camera.push(triggered_ns + MILLISECOND_NS, shade=2)
        assert read_shade(rig.source.collect_frames(1, triggered_ns)[0]) == 2


def test_frames_of_parts_asked_for_late_are_still_their_own() -> None:
    with open_rig("cam1", keptFrames=4) as rig:
        rig.start()
        rig.wait_until_streaming()
        first_ns = rig.now_ns()
        times_ns = [first_ns + index * 100 * MILLISECOND_NS for index in range(3)]
        for index, time_ns in enumerate(times_ns):
            rig.cameras["cam1"].push(time_ns, shade=index)
        seen = [read_shade(rig.source.collect_frames(n, t)[0]) for n, t in enumerate(times_ns)]
        assert seen == [0, 1, 2]


def test_one_frame_is_never_given_to_two_parts() -> None:
    with open_rig("cam1") as rig:
        rig.start()
        rig.wait_until_streaming()
        triggered_ns = rig.now_ns()
        rig.cameras["cam1"].push(triggered_ns + MILLISECOND_NS, shade=9)
        rig.cameras["cam1"].push(triggered_ns + 900 * MILLISECOND_NS, shade=10)
        first, second = (rig.source.collect_frames(n, triggered_ns)[0] for n in (1, 2))
        assert read_shade(first) == 9
        assert isinstance(second, CameraFault)
        assert "no frame of the time of the trigger" in second.text


def test_a_camera_whose_driver_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture.sources.camera_reader.CAMERA_JOIN_TIMEOUT_S", 0.05)
    goes_on, closed = threading.Event(), threading.Event()
    with open_rig("cam1", "cam2") as rig:
        hanging = rig.cameras["cam1"]

        def hang() -> None:
            goes_on.wait(20)

        hanging.at_start = hang
        rig.start()
        rig.wait_until_streaming("cam2")

        def close() -> None:
            rig.close()
            closed.set()

        threading.Thread(target=close, daemon=True).start()
        is_closed = closed.wait(5)
        goes_on.set()
        assert is_closed
        wait_until("it is given back", lambda: hanging.closed == hanging.opened)


def test_the_first_frames_are_dropped() -> None:
    with open_rig("cam1", droppedFirst=3, matching=FREE) as rig:
        rig.start()
        camera = rig.cameras["cam1"]
        assert camera.streaming.wait(20)
        triggered_ns = rig.now_ns()
        for shade in range(4):  # one shows that the stream runs, three are dropped
            camera.push(triggered_ns + shade * MILLISECOND_NS, shade=shade)
        rig.wait_until_streaming()
        camera.push(triggered_ns + 9 * MILLISECOND_NS, shade=77)
        assert read_shade(rig.source.collect_frames(1, triggered_ns)[0]) == 77


def test_before_its_first_frames_are_through_a_camera_is_missing_with_that_reason() -> None:
    with open_rig("cam1", droppedFirst=3, matching=FREE) as rig:
        rig.start()
        (fault,) = rig.source.collect_frames(1, rig.now_ns())
        assert fault == CameraFault("cam1", "the camera is not open yet")


def test_frames_that_the_driver_dropped_are_counted_by_sequence_and_matched_by_time() -> None:
    with open_rig("cam1") as rig:
        rig.start()
        rig.wait_until_streaming()
        camera, triggered_ns = rig.cameras["cam1"], rig.now_ns()
        camera.push(triggered_ns, shade=1)
        camera.sequence += 5
        camera.push(triggered_ns + 200 * MILLISECOND_NS, shade=2)
        assert read_shade(rig.source.collect_frames(2, triggered_ns + 200 * MILLISECOND_NS)[0]) == 2
        assert rig.counter("frames_dropped_cam1") == 5


def test_the_exposure_that_a_camera_tells_is_in_the_conditions_of_its_frames() -> None:
    with open_rig("cam1", "cam2") as rig:
        rig.cameras["cam1"].controls.values["0x9a0902"] = 25  # times 100 us
        rig.start()
        rig.wait_until_streaming()
        triggered_ns = rig.now_ns()
        for camera in rig.cameras.values():
            camera.push(triggered_ns)
        references = ReferenceComparison(load_configuration(CaptureConfiguration, {}), rig.health)
        frames = rig.source.collect_frames(1, triggered_ns)
        measured = [references.measure(frame) for frame in frames if isinstance(frame, CameraFrame)]
        assert [condition.exposure_us for condition in measured] == [2500, None]


def test_controls_of_all_cameras_and_of_each_are_set_by_name_and_by_number() -> None:
    nodes = {
        "cam1": {"node": "/dev/cam1", "controls": {"exposure_auto": 1}},
        "cam2": {"node": "/dev/cam2", "controls": {"frame_sync": 0}},
    }
    controls = {"frame_sync": 1, "0x9a092a": 1}
    with open_rig("cam1", "cam2", cameras=nodes, controls=controls) as rig:
        for camera in rig.cameras.values():
            camera.controls.values.update({"frame_sync": 0, "0x9a092a": 0, "exposure_auto": 0})
        rig.start()
        rig.wait_until_streaming()
        first, second = (rig.cameras[name].controls.values for name in ("cam1", "cam2"))
        assert first == {"frame_sync": 1, "0x9a092a": 1, "exposure_auto": 1}
        assert second == {"frame_sync": 0, "0x9a092a": 1, "exposure_auto": 0}


def _single(rig: ScriptedRig, **controls: int) -> None:
    rig.values["controls"] = controls
    rig.cameras["cam1"].controls.values = dict.fromkeys(controls, 0)


def test_a_control_that_is_taken_only_before_the_stream_holds() -> None:
    with open_rig("cam1") as rig:
        _single(rig, frame_sync=1)
        camera = rig.cameras["cam1"]
        camera.at_start = lambda: camera.controls.refuses.add("frame_sync")
        rig.start()
        rig.wait_until_streaming()
        assert camera.controls["frame_sync"] == 1


def test_a_control_that_a_sleeping_sensor_lost_is_set_again_while_it_streams() -> None:
    with open_rig("cam1") as rig:
        _single(rig, frame_sync=1)
        camera = rig.cameras["cam1"]
        camera.at_start = lambda: camera.controls.values.update(frame_sync=0)
        rig.start()
        rig.wait_until_streaming()
        assert camera.controls["frame_sync"] == 1


def test_a_control_that_reports_success_and_does_not_hold_keeps_the_camera_out() -> None:
    with open_rig("cam1") as rig:
        _single(rig, frame_sync=1)
        rig.cameras["cam1"].controls.stuck.add("frame_sync")
        rig.start()
        wait_until("the fault", lambda: "camera-cam1" in rig.faults)
        assert rig.faults["camera-cam1"] == "the control frame_sync reads 0; 1 was set"
        (fault,) = rig.source.collect_frames(1, rig.now_ns())
        assert isinstance(fault, CameraFault)
        rig.cameras["cam1"].controls.stuck.clear()
        rig.wait_until_streaming()
        assert rig.faults == {}


def test_a_control_freed_by_another_may_be_named_in_any_order() -> None:
    with open_rig("cam1") as rig:
        _single(rig, a_exposure_time=50, exposure_auto=1)
        values = rig.cameras["cam1"].controls

        class OnlyWhenManual(dict[str, int]):
            def __setitem__(self, name: str, value: int) -> None:
                if name == "a_exposure_time" and self["exposure_auto"] != 1:
                    raise CameraError("inactive")
                super().__setitem__(name, value)

        values.values = OnlyWhenManual(values.values)
        rig.start()
        rig.wait_until_streaming()
        assert values["a_exposure_time"] == 50


def adjusted(rig: ScriptedRig, **controls: int) -> None:
    """Ask for other controls while the cameras stream."""
    rig.values["controls"] = controls
    rig.source.adjust(load_configuration(V4l2Configuration, rig.values))


def test_other_controls_are_set_while_it_streams_and_no_part_gets_a_frame_from_before() -> None:
    with open_rig("cam1", droppedFirst=1, matching=FREE) as rig:
        _single(rig, gain=1)
        rig.start()
        camera, began_ns = rig.cameras["cam1"], rig.now_ns()
        assert camera.streaming.wait(20)
        for shade in range(3):
            camera.push(began_ns, shade=shade)
        rig.wait_until_streaming()
        adjusted(rig, gain=9)
        (fault,) = rig.source.collect_frames(1, began_ns)
        assert fault == CameraFault("cam1", "the camera's controls are being set")
        wait_until("the control is set", lambda: camera.controls["gain"] == 9)
        triggered_ns = rig.now_ns()
        for shade in range(3):  # two were exposed before it held
            camera.push(triggered_ns, shade=10 + shade)
        wait_until("frames come", lambda: isinstance(rig.source.latest()[0], CameraFrame))
        assert read_shade(rig.source.collect_frames(2, triggered_ns)[0]) == 12
        assert camera.opened == 1


def test_cameras_whose_controls_only_change_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_rig("cam1") as rig:
        _single(rig, gain=1)
        monkeypatch.setattr("capture.cameras.open_source", lambda *_: rig.start())
        values: dict[str, Any] = {"cameras": ["cam1"], "source": {"kind": "v4l2", **rig.values}}
        cameras = StationCameras(configured(values), "test", rig.health, rig.clock)
        try:
            cameras.open()
            rig.wait_until_streaming()
            camera = rig.cameras["cam1"]
            source = {**values["source"], "controls": {"gain": 9}}
            cameras.configure(configured({**values, "source": source}))
            wait_until("the control is set", lambda: camera.controls["gain"] == 9)
            assert (camera.opened, camera.closed) == (1, 0)
            cameras.configure(configured({**values, "source": {**source, "buffers": 3}}))
            wait_until("opened anew", lambda: camera.opened == 2)
        finally:
            cameras.close()


def configured(values: dict[str, Any]) -> CaptureConfiguration:
    """The configuration with small frames."""
    frame = {"width": SIZE.width, "height": SIZE.height}
    return load_configuration(CaptureConfiguration, {"frame": frame, **values})


def test_a_control_that_does_not_hold_when_it_is_changed_keeps_the_camera_out() -> None:
    with open_rig("cam1") as rig:
        _single(rig, gain=1)
        rig.start()
        rig.wait_until_streaming()
        camera = rig.cameras["cam1"]
        camera.controls.stuck.add("gain")
        adjusted(rig, gain=9)
        wait_until("the fault", lambda: "camera-cam1" in rig.faults)
        assert rig.faults["camera-cam1"] == "the control gain reads 1; 9 was set"
        camera.controls.stuck.clear()
        rig.wait_until_streaming()
        assert camera.controls["gain"] == 9


def test_a_format_that_the_driver_adjusted_keeps_the_camera_out() -> None:
    with open_rig("cam1") as rig:
        rig.cameras["cam1"].gives = StreamFormat(640, 480, "YUYV")
        rig.start()
        wait_until("the fault", lambda: "camera-cam1" in rig.faults)
        assert "the camera gives YUYV 640x480; UYVY 32x16 was requested" in str(rig.faults)


def test_the_library_is_imported_where_it_is_chosen_and_nowhere_else() -> None:
    folder = Path(__file__).resolve().parents[3] / "components"
    importers = {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*.py")
        if "import linuxpy" in file.read_text() or "from linuxpy" in file.read_text()
    }
    assert importers == {"capture/sources/v4l2.py"}
    at_import = [
        line
        for line in (folder / "capture/sources/v4l2.py").read_text().splitlines()
        if line.startswith(("import linuxpy", "from linuxpy"))
    ]
    assert at_import == []


def test_without_the_library_the_fault_names_the_extra_that_has_it(
    start_station: StartStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "linuxpy.video.device", None)
    source = {"kind": "v4l2", "cameras": {"cam1": {"node": "/dev/video0"}}}
    station = start_station(cameras=["cam1"], source=source)
    assert "the extra `cameras`" in station.faults["cameras"]
    station.trigger(1)
    assert station.captured[0].missing_cameras == ("cam1",)
