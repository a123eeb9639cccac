"""A camera that was knocked, defocused, or lit otherwise is out of range against its reference."""

import threading
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from capture.conditions import extract_features, measure_against_reference, measure_shift
from capture.configuration import ConditionLimits, ReferenceConfiguration
from capture.reference_comparison import ReferenceFeatureCache, decode_reference_frame
from capture.sources.source import CameraFrame
from sightline.messaging.messages import CaptureConditions, PixelFormat
from tests.unit.capture.capture_kit import (
    CAMERAS,
    CaptureUnderTest,
    Picture,
    four_pictures,
    plain_picture,
    save_picture,
    wait_until,
)
from tests.unit.capture.changeover_kit import deploy
from tests.unit.capture.conftest import StartStation

WIDTH, HEIGHT = 640, 360
FORMATS: tuple[PixelFormat, ...] = get_args(PixelFormat)
ALLOWED = ReferenceConfiguration(folder="references", max_shift_px=24)


def scene(right: int = 0, down: int = 0) -> Picture:
    """A bench with a part on it, coloured and structured, seen from a camera moved by so much."""
    random = np.random.default_rng(5)
    picture = np.full((HEIGHT + 200, WIDTH + 200, 3), (90, 110, 100), np.uint8)
    for _ in range(60):
        x, y = random.integers(0, WIDTH + 150), random.integers(0, HEIGHT + 150)
        colour = tuple(int(level) for level in random.integers(40, 220, 3))
        cv2.rectangle(picture, (int(x), int(y)), (int(x) + 40, int(y) + 50), colour, -1)
    seen: Picture = picture[
        100 - down : 100 - down + HEIGHT, 100 - right : 100 - right + WIDTH
    ].copy()
    return seen


def as_frame(picture: Picture, pixel_format: PixelFormat) -> CameraFrame:
    """As a camera of this format gives it."""
    uyvy = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_UYVY)
    chroma = np.ascontiguousarray(uyvy[::2, :, 0])
    pixels = {
        "UYVY": uyvy,
        "YUYV": np.ascontiguousarray(uyvy[..., ::-1]),
        "NV12": np.vstack([uyvy[..., 1], chroma]),
        "RGB24": np.ascontiguousarray(picture[..., ::-1]),
        "GREY": np.ascontiguousarray(picture[..., 1]),
    }[pixel_format]
    return CameraFrame("cam1", np.asarray(pixels, np.uint8), pixel_format, WIDTH, HEIGHT)


def measured(picture: Picture, pixel_format: PixelFormat = "UYVY") -> CaptureConditions:
    """A picture against the scene as it was."""
    _, content = cv2.imencode(".png", scene())
    reference = decode_reference_frame("cam1", content.tobytes(), (WIDTH, HEIGHT), pixel_format)
    frame = as_frame(picture, pixel_format)
    return measure_against_reference(extract_features(reference), frame, ConditionLimits(), ALLOWED)


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_the_same_scene_is_within_range_in_every_format(pixel_format: PixelFormat) -> None:
    conditions = measured(scene(), pixel_format)
    assert conditions.out_of_range == ()
    assert conditions.shift_px is not None
    assert conditions.shift_px < 2
    assert conditions.saturation is not None
    assert (conditions.saturation > 5) is (pixel_format != "GREY")


@pytest.mark.parametrize(("right", "down"), [(8, 0), (0, -16), (30, 40), (-72, 8)])
def test_a_camera_that_was_knocked_is_known_by_how_far(right: int, down: int) -> None:
    conditions = measured(scene(right, down))
    assert conditions.shift_px == pytest.approx(np.hypot(right, down), abs=3)
    assert conditions.out_of_range == (("position",) if np.hypot(right, down) > 24 else ())


def test_a_lamp_that_fails_is_out_of_range_by_its_brightness() -> None:
    assert "brightness" in measured((scene() * 0.6).astype(np.uint8)).out_of_range


def test_a_lens_that_lost_its_focus_is_out_of_range_by_its_sharpness() -> None:
    assert measured(cv2.GaussianBlur(scene(), (0, 0), 12)).out_of_range == ("sharpness",)


@pytest.mark.parametrize("pixel_format", ["UYVY", "YUYV", "NV12", "RGB24"])
def test_colours_that_fade_are_out_of_range_by_their_saturation(pixel_format: PixelFormat) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(scene(), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    conditions = measured(grey, pixel_format)
    assert "saturation" in conditions.out_of_range
    assert conditions.saturation is not None
    assert conditions.saturation < 2


def test_of_another_scene_no_shift_is_told_and_its_position_is_out_of_range() -> None:
    noise = np.random.default_rng(9).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    conditions = measured(noise)
    assert conditions.shift_px is None
    assert "position" in conditions.out_of_range


def test_measuring_leaves_the_reference_as_it_is() -> None:
    luma = extract_features(as_frame(scene(), "UYVY")).luma
    before = luma.copy()
    measure_shift(luma, luma)
    assert np.array_equal(luma, before)


def _station_with_references(start_station: StartStation, folder: Path) -> CaptureUnderTest:
    for index in range(1, 5):
        save_picture(folder / f"cam{index}.png", scene())
        save_picture(folder.parent / "pictures" / f"cam{index}" / "part.png", scene())
    return start_station(
        frame={"width": WIDTH, "height": HEIGHT}, conditions={"reference": {"folder": str(folder)}}
    )


def test_each_part_is_held_against_the_references_of_its_cameras(
    start_station: StartStation, tmp_path: Path
) -> None:
    station = _station_with_references(start_station, tmp_path / "references")
    station.trigger(1)
    assert [seen.out_of_range for seen in station.captured[0].conditions] == [()] * 4
    assert station.faults == {}
    save_picture(tmp_path / "references" / "cam2.png", scene(90, 0))
    station.advance(1.1)
    station.trigger(2)
    out = {seen.camera: seen.out_of_range for seen in station.captured[1].conditions}
    assert out == {"cam1": (), "cam2": ("position",), "cam3": (), "cam4": ()}


def test_a_camera_whose_reference_is_lacking_is_never_within_range(
    start_station: StartStation, tmp_path: Path
) -> None:
    station = _station_with_references(start_station, tmp_path / "references")
    (tmp_path / "references" / "cam3.png").unlink()
    station.advance(1.1)
    station.trigger(1)
    out = {seen.camera: seen.out_of_range for seen in station.captured[0].conditions}
    assert out["cam3"] == ("reference",)
    assert out["cam1"] == ()
    assert "cam3: no reference picture" in station.faults["reference"]
    save_picture(tmp_path / "references" / "cam3.jpg", scene())
    station.advance(1.1)
    station.trigger(2)
    assert all(seen.out_of_range == () for seen in station.captured[1].conditions)
    assert station.faults == {}


def test_a_reference_of_another_size_or_that_is_no_picture_is_named(
    start_station: StartStation, tmp_path: Path
) -> None:
    station = _station_with_references(start_station, tmp_path / "references")
    save_picture(tmp_path / "references" / "cam1.png", scene()[::2, ::2])
    station.advance(1.1)
    assert "the reference is 320x180; the camera gives 640x360" in station.faults["reference"]
    (tmp_path / "references" / "cam1.png").write_bytes(b"no picture")
    station.advance(1.1)
    assert "cannot be decoded" in station.health.build_report().faults[0].text


def test_without_a_reference_the_limits_alone_decide(
    start_station: StartStation, tmp_path: Path
) -> None:
    four_pictures(tmp_path / "pictures")
    station = start_station()
    station.trigger(1)
    assert all(seen.saturation is None for seen in station.captured[0].conditions)
    assert station.captured[0].conditions[0].out_of_range == ("sharpness",)


def test_at_a_change_of_product_its_reference_was_decoded_before_the_part_came(
    begin_line: StartStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bottle", "can"):
        four_pictures(tmp_path / "pictures")
        for camera in CAMERAS:
            shade = plain_picture(90, 90, 90)
            save_picture(tmp_path / "references" / name / f"{camera}.png", shade)
        deploy(tmp_path, name, version="9", reference=name)
    decoded: list[str] = []
    looked_at: set[object] = set()
    look_of = ReferenceFeatureCache.load_features

    def watch(*arguments: Any) -> CameraFrame:
        decoded.append(threading.current_thread().name)
        return decode_reference_frame(*arguments)

    def note(cache: ReferenceFeatureCache, camera: str, picture: Any) -> Any:
        found = look_of(cache, camera, picture)
        looked_at.add(picture)
        return found

    monkeypatch.setattr("capture.reference_comparison.decode_reference_frame", watch)
    monkeypatch.setattr(ReferenceFeatureCache, "load_features", note)
    folder = str(tmp_path / "references")
    station = begin_line(conditions={"reference": {"folder": folder}})
    station.trigger(1, product="bottle")
    wait_until("both products' pictures", lambda: len(looked_at) >= 8)
    decoded.clear()
    station.trigger(2, product="can")
    station.trigger(3, product="bottle")
    assert decoded == []
    assert [part.product for part in station.captured] == ["bottle", "can", "bottle"]
    save_picture(tmp_path / "references" / "can" / "cam1.png", plain_picture(99, 99, 99))
    station.trigger(4, product="can")
    assert len(decoded) == 1  # it was changed a moment ago
