"""What a station engineer sees in a browser: scores, the way to the gate, a report to sign."""

from pathlib import Path

import cv2
import pytest

from capture.commissioning.scale_estimation import estimate_scale
from sightline.imaging.calibration_target import CalibrationTarget
from sightline.messaging.messages import (
    CameraCalibration,
    CameraView,
    CommissioningStep,
    GateTrial,
    StageTimings,
)
from sightline.messaging.topics import CAMERA_VIEW, COMMISSIONING_STEP, STATION_HEALTH
from tests.cloud.browser import CHROMIUM, extract_text, rendered, screenshot
from tests.cloud.example_records import THING, health, record
from tests.cloud.site_processes import RecordPublisher, SiteProcess, wait_for
from tests.cloud.test_page import ATTACK

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
MM_PER_PIXEL_ON_SCREEN = 25.4 / 96


def a_view(site: SiteProcess, camera: str, **changes: object) -> CameraView:
    """A calibrated camera, seen now."""
    values = {
        "device": f"/dev/video-{camera}",
        "sequence": 3,
        "focus": 120.0,
        "mm_per_pixel": 0.2,
        "reprojection_px": 0.05,
        "calibration_version": "cal-7",
        "reference_version": "ref-3",
        **changes,
    }
    return CameraView(
        station_id=THING,
        camera=camera,
        seen_utc_ns=site.summary()["now_utc_ns"] + 60_000_000_000,
        width=1280,
        height=720,
        brightness=118.0,
        picture_key=f"live/{THING}/{camera}.jpg",
        **values,  # type: ignore[arg-type]
    )


def steps() -> tuple[CommissioningStep, CommissioningStep]:
    """A camera that was calibrated, and a gate that was tried."""
    calibration = CameraCalibration(
        camera="cam1",
        mm_per_pixel=0.2,
        reprojection_px=0.05,
        tilt_deg=1.5,
        points=54,
        calibrated_utc_ns=1_790_000_000_000_000_000,
    )
    trial = GateTrial(
        number=1,
        ordered="ok",
        echoed=1,
        acted="passed",
        order_to_echo_ms=21.0,
        order_to_act_ms=402.0,
        cause="ok",
    )
    return (
        step("calibrate", "cam1: 0.2000 mm a pixel", calibrations=(calibration,)),
        step("gate_dry_run", "1 trials: each echoed", trials=(trial,)),
    )


def step(kind: str, text: str, **more: object) -> CommissioningStep:
    return CommissioningStep(
        station_id=THING,
        command_id=f"c-{kind}",
        kind=kind,
        component="com.sightline.Capture",
        result="done",
        at_utc_ns=1_790_000_000_000_000_000,
        text=text,
        **more,  # type: ignore[arg-type]
    )


def prepare(site: SiteProcess, sender: RecordPublisher, *views: CameraView) -> None:
    """A station with two parts, a fault, these views and both steps, all received."""
    timings = StageTimings(
        model_ms=80.0,
        trigger_to_verdict_ms=110.0,
        trigger_to_gate_ms=1500.0,
        trigger_to_deadline_ms=1510.0,
    )
    for part_number in (1, 2):
        sender.send(record(part_number, timings=timings))
    now_ns = site.summary()["now_utc_ns"]
    sender.send(health("com.sightline.Equipment", now_ns, fault=f"no PLC {ATTACK}"), STATION_HEALTH)
    for view in views:
        sender.send(view, CAMERA_VIEW)
    for told in steps():
        sender.send(told, COMMISSIONING_STEP)
    wait_for(lambda: len(site.get(f"/api/bench/{THING}")["steps"]) == 2)
    site.wait_received(2)


def test_the_page_shows_scores_scale_the_way_to_the_gate_and_what_was_done(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    bad = a_view(site, "cam2", out_of_range=("sharpness",), mm_per_pixel=None, device=ATTACK)
    prepare(site, sender, a_view(site, "cam1"), bad)
    markup = rendered(f"{site.page}/commissioning", tmp_path / "profile")
    text = extract_text(markup)
    for words in (
        "120.0 peak 120.0",
        "118 of 255",
        "0.2000 mm/px, reprojection error 0.05 px (cal-7)",
        "Out of range: sharpness",
        "Not calibrated",
        "Verdict: median 110, p95 110, max 110 ms · gate: median 1500",
        "min margin to the deadline 1400 ms",
        "Calibrate Done cam1: 0.2000 mm a pixel",
        "Gate dry run Done 1 trials: each echoed",
    ):
        assert words in text
    assert f'src="/evidence/live/{THING}/cam1.jpg?sequence=3"' in markup
    assert markup.count('class="verdict-dot"') == 2
    assert 'class="deadline" d="M' in markup
    assert "<title>Commissioning" in markup
    assert "<img src=x" not in markup.replace('="<img src=x', "")


def test_the_report_names_what_is_open_what_was_measured_and_who_signs(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    prepare(site, sender, a_view(site, "cam1"), a_view(site, "cam2", mm_per_pixel=None))
    text = extract_text(rendered(f"{site.page}/commissioning/report", tmp_path / "profile"))
    for words in (
        f"Hand-over report: {THING}",
        "plant-a, line-1",
        "cam2 is not calibrated",
        "Equipment: no PLC <img",
        "cam1 /dev/video-cam1 120.0 118 within limits ref-3",
        "cam1 0.2000 0.05 1.5°",
        "1 ok 1 passed 21 ms 402 ms",
        "Model surface – " + "ab" * 32,
        "Equipment 0.1.0",
        "Handed over by Accepted by",
    ):
        assert words in text
    assert "cam1 is not calibrated" not in text
    assert "dry run is not done" not in text


def test_the_printed_target_is_the_one_that_capture_looks_for(
    site: SiteProcess, tmp_path: Path
) -> None:
    picture = tmp_path / "target.png"
    address = f"{site.page}/commissioning/target.svg?square_mm=15"
    screenshot(address, tmp_path / "profile", picture, (760, 560))
    luma = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    assert luma is not None
    found = estimate_scale(luma, CalibrationTarget(15.0))
    assert found.mm_per_pixel == pytest.approx(MM_PER_PIXEL_ON_SCREEN, rel=0.005)
