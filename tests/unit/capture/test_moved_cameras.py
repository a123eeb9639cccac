"""Cameras that stand at other positions: settings and faults are those of the camera that is meant."""

from pathlib import Path
from typing import Any

import pytest

from capture.sources.source import CameraFault, CameraFrame, FrameSource
from capture.sources.v4l2_configuration import V4l2Configuration
from tests.unit.capture.capture_kit import CaptureUnderTest, MachineClock, wait_until
from tests.unit.capture.changeover_kit import command, deploy
from tests.unit.capture.commissioning_kit import find_step, send_command
from tests.unit.capture.conftest import StartStation
from tests.unit.capture.scripted_camera import SIZE, ScriptedRig, open_rig

NAMES = ("cam1", "cam2")
SWAPPED: dict[str, Any] = {"cam1": "cam2", "cam2": "cam1"}


def begin(
    rig: ScriptedRig, start_station: StartStation, monkeypatch: pytest.MonkeyPatch
) -> CaptureUnderTest:
    """A station whose two cameras are the rig's."""
    source = rig.start()
    monkeypatch.setattr("capture.cameras.open_source", lambda *_: source)
    return start_station(
        clock=MachineClock(),
        cameras=list(NAMES),
        frame={"width": SIZE.width, "height": SIZE.height},
        source={"kind": "v4l2", **rig.values},
    )


def test_a_products_settings_go_to_the_camera_that_stands_at_the_position(
    start_station: StartStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(tmp_path, "dark", cameras={"cam1": {"controls": {"gain": 40}}})
    with open_rig(*NAMES) as rig:
        for camera in rig.cameras.values():
            camera.controls.values["gain"] = 1
        station = begin(rig, start_station, monkeypatch)
        command(station, "c-1", "change_product", product="dark")
        wait_until("gain at cam1", lambda: rig.cameras["cam1"].controls["gain"] == 40)
        assert find_step(station, send_command(station, "map_cameras", **SWAPPED)).result == "done"
        station.trigger(1)
        configured = station.capture._cameras.configuration.source
        assert isinstance(configured, V4l2Configuration)
        assert configured.cameras["cam2"].controls == {"gain": 40}
        assert configured.cameras["cam1"].controls == {}
        wait_until("gain at cam2", lambda: rig.cameras["cam2"].controls["gain"] == 40)
        station.capture._cameras._source = None


class Seen:
    """A source of which one camera sees."""

    reconnects_itself, finds_frames_late = True, True

    def expect(self, part_number: int) -> None:
        pass

    def collect_frames(self, _: int, triggered_ns: int) -> tuple[CameraFrame | CameraFault, ...]:
        return (CameraFault("cam1", "unplugged"), CameraFault("cam2", "no frame came"))

    def close(self) -> None:
        pass


def test_the_fault_of_a_position_leaves_the_fault_of_a_camera_of_that_name_alone(
    start_station: StartStation, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source: FrameSource = Seen()
    monkeypatch.setattr("capture.cameras.open_source", lambda *_: source)
    station = start_station(clock=MachineClock(), cameras=list(NAMES))
    assert find_step(station, send_command(station, "map_cameras", **SWAPPED)).result == "done"
    station.health.raise_fault("camera-cam1", "as the camera's own reader says")
    station.trigger(1)
    assert station.faults["camera-cam1"] == "as the camera's own reader says"
    assert station.faults["camera-at-cam2"] == "unplugged"
    assert station.faults["camera-at-cam1"] == "no frame came"
    back = find_step(station, send_command(station, "map_cameras"))
    assert back.result == "done"
    assert "camera-at-cam1" not in station.faults
