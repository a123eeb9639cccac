"""Sizes in mm come from the calibration under which the part was captured, and from no other."""

from pathlib import Path

import msgspec
import pytest

from inference.verdicts.camera_scales import CameraScales
from sightline.clock import SystemClock
from sightline.imaging.calibration import StationCalibration, store_calibration
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import CameraCalibration, Detection
from sightline.messaging.topics import PART_CAPTURED
from sightline.storage.products import VerdictPolicy
from sightline.vision.tolerances import measure_detections
from tests.unit.inference.conftest import FRAME_HEIGHT, FRAME_WIDTH, InferenceUnderTest


def calibration(version: str, mm_per_pixel: float) -> StationCalibration:
    found = CameraCalibration(
        camera="cam1",
        mm_per_pixel=mm_per_pixel,
        reprojection_px=0.1,
        tilt_deg=1.0,
        points=54,
        calibrated_utc_ns=1,
        width=FRAME_WIDTH,
        height=FRAME_HEIGHT,
    )
    return StationCalibration(version=version, cameras={"cam1": found})


SIZES = {"cam1": (FRAME_WIDTH, FRAME_HEIGHT)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "calibration.json"


@pytest.fixture
def health() -> ComponentHealth:
    return ComponentHealth("inference", "0", "station-1", SystemClock())


def test_a_new_version_of_the_calibration_holds_from_the_part_that_names_it(
    file: Path, health: ComponentHealth
) -> None:
    scales = CameraScales(file, health)
    assert scales.find_scales("", SIZES) == {}
    store_calibration(file, calibration("cal-1", 0.5))
    assert scales.find_scales("cal-1", SIZES) == {"cam1": 0.5}
    store_calibration(file, calibration("cal-2", 0.25))
    assert scales.find_scales("cal-1", SIZES) == {"cam1": 0.5}  # of a part that was captured before
    assert scales.find_scales("cal-2", SIZES) == {"cam1": 0.25}
    assert scales.find_scales("cal-1", SIZES) == {}  # nobody knows any more
    assert scales.find_scales("", SIZES) == {}


@pytest.mark.parametrize(("size", "known"), [((1280, 720), True), ((640, 360), False)])
def test_a_scale_says_nothing_of_frames_of_another_size(
    file: Path, health: ComponentHealth, size: tuple[int, int], known: bool
) -> None:
    measured = calibration("cal-1", 0.5)
    on_large = msgspec.structs.replace(measured.cameras["cam1"], width=1280, height=720)
    store_calibration(file, msgspec.structs.replace(measured, cameras={"cam1": on_large}))
    assert ("cam1" in CameraScales(file, health).find_scales("cal-1", {"cam1": size})) == known


def test_a_damaged_calibration_is_a_fault_until_there_is_a_good_one(
    file: Path, health: ComponentHealth
) -> None:
    scales = CameraScales(file, health)
    file.write_text("{")
    assert scales.find_scales("cal-1", SIZES) == {}
    assert "sizes in mm are not known" in health.build_report().faults[0].text
    store_calibration(file, calibration("cal-2", 0.25))
    assert scales.find_scales("cal-2", SIZES) == {"cam1": 0.25}
    assert health.build_report().faults == ()


def test_the_measured_scale_goes_before_the_one_that_a_product_assumes() -> None:
    boxes = [
        Detection(
            camera=camera, label="dent", score=0.9, x=1, y=1, width=30, height=40, model="surface"
        )
        for camera in ("cam1", "cam2", "cam3")
    ]
    policy = VerdictPolicy(mm_per_pixel={"cam1": 1.0, "cam2": 1.0})
    sizes = [found.size_mm for found in measure_detections(boxes, policy, {"cam1": 0.5})]
    assert sizes == [25.0, 50.0, None]


def test_a_defect_has_its_size_by_the_calibration_that_its_part_names(
    running: InferenceUnderTest,
) -> None:
    store_calibration(running.folder / "station" / "calibration.json", calibration("cal-1", 0.5))
    sizes = []
    for number, version in enumerate(("cal-1", "", "cal-0"), start=1):
        captured = running.capture(number, scratches=("cam1", "cam2"))
        named = msgspec.structs.replace(captured, calibration_version=version)
        running.deliver(PART_CAPTURED, named)
        found = running.verdicts()[-1].detections
        sizes.append({d.camera: d.size_mm for d in found if d.label == "scratch"})
    diagonal_mm = 11.32  # of 16 by 16 pixels, rounded up
    assert sizes == [{"cam1": diagonal_mm, "cam2": None}, *[{"cam1": None, "cam2": None}] * 2]
