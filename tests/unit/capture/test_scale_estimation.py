"""The scale of a camera by the printed target: right within one in 200, or refused with the reason."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from capture.commissioning.scale_estimation import MAX_TILT_DEG, estimate_scale
from sightline.errors import CameraError
from sightline.imaging.calibration import load_calibration
from sightline.imaging.calibration_target import CalibrationTarget
from sightline.storage.station_folder import StationFolder
from tests.unit.capture.capture_kit import CAMERAS, CaptureUnderTest, save_picture
from tests.unit.capture.commissioning_kit import await_views, find_step, send_command
from tests.unit.capture.conftest import StartStation
from tests.unit.capture.target_kit import TargetView, render_target

SIZE = (640, 360)
PART_PER_200 = 0.005
sights = st.builds(
    TargetView,
    mm_per_pixel=st.floats(0.42, 0.55),
    tilt_deg=st.floats(0, MAX_TILT_DEG - 3),
    tilt_axis_deg=st.floats(0, 360),
    turn_deg=st.sampled_from([-7.0, 0.0, 5.0, 180.0]),
    right_px=st.floats(-30, 30),
    noise=st.floats(0, 6),
    size=st.just(SIZE),
)


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(sights)
def test_the_scale_is_that_of_the_camera_however_the_target_lies(sight: TargetView) -> None:
    found = estimate_scale(render_target(sight), CalibrationTarget(sight.square_mm))
    assert found.mm_per_pixel == pytest.approx(sight.mm_per_pixel, rel=PART_PER_200)
    assert found.tilt_deg == pytest.approx(sight.tilt_deg, abs=3.5)
    assert found.reprojection_px < 0.5
    assert found.points == 54


def test_another_size_of_print_is_another_scale() -> None:
    picture = render_target(TargetView(mm_per_pixel=0.4, size=SIZE))
    assert estimate_scale(picture, CalibrationTarget(30.0)).mm_per_pixel == pytest.approx(
        0.8, rel=PART_PER_200
    )


@pytest.mark.parametrize(
    ("sight", "word"),
    [
        (TargetView(blur_px=3), "blurred: its edges are"),
        (TargetView(blur_px=5), "blurred: its edges are"),
        (TargetView(mm_per_pixel=0.12), "points are visible; all of it must be in the picture"),
        (TargetView(right_px=400), "points are visible; all of it must be in the picture"),
        (TargetView(tilt_deg=30), "tilted by 30 degrees"),
        (TargetView(mm_per_pixel=9.0), "No target is visible"),
    ],
)
def test_a_blurred_partial_or_tilted_target_is_refused_with_the_reason(
    sight: TargetView, word: str
) -> None:
    with pytest.raises(CameraError, match=word):
        estimate_scale(render_target(sight), CalibrationTarget(sight.square_mm))


def test_a_target_with_something_before_it_is_refused() -> None:
    picture = render_target(TargetView())
    picture[300:420, 500:640] = 128
    with pytest.raises(CameraError, match="nothing before it"):
        estimate_scale(picture, CalibrationTarget())


def test_a_bent_target_is_refused() -> None:
    picture = render_target(TargetView())
    rows, columns = np.indices(picture.shape, np.float32)
    bent = cv2.remap(picture, columns, rows + 8 * np.sin(columns / 80), cv2.INTER_LINEAR)
    with pytest.raises(CameraError, match="off a plane"):
        estimate_scale(np.asarray(bent, np.uint8), CalibrationTarget())


@pytest.mark.parametrize("square_mm", [0.0, -3.0, 1000.0, float("nan")])
def test_a_target_that_nobody_could_print_is_refused(square_mm: float) -> None:
    with pytest.raises(ValueError, match="2 to 100 mm"):
        CalibrationTarget(square_mm)


@pytest.fixture
def station(start_station: StartStation, tmp_path: Path) -> CaptureUnderTest:
    """Two cameras that see the target at two scales, one that sees it badly, and one without it."""
    sights = {
        "cam1": render_target(TargetView(mm_per_pixel=0.4, size=SIZE)),
        "cam2": render_target(TargetView(mm_per_pixel=0.5, tilt_deg=8, noise=4, size=SIZE)),
        "cam3": render_target(TargetView(mm_per_pixel=0.4, right_px=250, size=SIZE)),
        "cam4": np.full(SIZE[::-1], 120, np.uint8),
    }
    for camera, luma in sights.items():
        save_picture(
            tmp_path / "pictures" / camera / "1.png",
            np.asarray(cv2.cvtColor(luma, cv2.COLOR_GRAY2BGR), np.uint8),
        )
    return start_station(frame={"width": SIZE[0], "height": SIZE[1]})


def test_a_calibrated_camera_stamps_the_parts_shows_its_scale_and_keeps_it(
    station: CaptureUnderTest, start_station: StartStation, tmp_path: Path
) -> None:
    station.trigger(1)
    assert station.captured[-1].calibration_version == ""
    step = find_step(station, send_command(station, "calibrate", camera="cam1"))
    assert (step.result, step.version[:4]) == ("done", "cal-")
    assert step.calibrations[0].mm_per_pixel == pytest.approx(0.4, rel=PART_PER_200)
    station.clock.advance(1)
    second = find_step(station, send_command(station, "calibrate", camera="cam2"))
    assert second.version > step.version
    station.trigger(2)
    assert station.captured[-1].calibration_version == second.version
    send_command(station, "live_view")
    shown = {view.camera: view for view in await_views(station, len(CAMERAS))}
    assert shown["cam2"].mm_per_pixel == pytest.approx(0.5, rel=PART_PER_200)
    assert shown["cam2"].calibration_version == second.version
    assert (shown["cam3"].mm_per_pixel, shown["cam3"].calibration_version) == (None, "")
    kept = load_calibration(StationFolder(tmp_path / "station").calibration)
    assert kept.version == second.version
    assert set(kept.mm_per_pixel()) == {"cam1", "cam2"}
    again = start_station(frame={"width": SIZE[0], "height": SIZE[1]})
    again.trigger(3)
    assert again.captured[-1].calibration_version == second.version


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"camera": "cam3"}, "cam3: Only "),
        ({"camera": "cam4"}, "cam4: No target is visible"),
        ({"camera": "cam9"}, "No camera is called cam9"),
        ({"camera": "cam1", "squareMm": 0.0}, "squareMm"),
    ],
)
def test_what_cannot_be_calibrated_is_said_and_changes_nothing(
    station: CaptureUnderTest, arguments: dict[str, Any], word: str, tmp_path: Path
) -> None:
    station.trigger(1)
    step = find_step(station, send_command(station, "calibrate", **arguments))
    assert step.result == "failed"
    assert word in step.text
    assert not StationFolder(tmp_path / "station").calibration.exists()


def test_a_camera_at_another_position_or_of_another_size_is_to_be_calibrated_anew(
    station: CaptureUnderTest, tmp_path: Path
) -> None:
    station.trigger(1)
    for camera in ("cam1", "cam2"):
        find_step(station, send_command(station, "calibrate", camera=camera))
        station.clock.advance(1)
    step = find_step(station, send_command(station, "map_cameras", cam2="cam3", cam3="cam2"))
    assert "calibrate again: cam2" in step.text
    kept = load_calibration(StationFolder(tmp_path / "station").calibration)
    assert set(kept.cameras) == {"cam1"}
    station.configure(frame={"width": 320, "height": 180})
    station.trigger(2)
    assert station.captured[-1].calibration_version == ""


def test_a_damaged_calibration_is_a_fault_and_the_parts_go_on(
    start_station: StartStation, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "station").mkdir()
    (tmp_path / "station" / "calibration.json").write_text('{"version": 5}')
    station = start_station()
    assert "Sizes in mm are unknown" in station.faults["calibration"]
    station.trigger(1)
    assert station.captured[-1].calibration_version == ""
