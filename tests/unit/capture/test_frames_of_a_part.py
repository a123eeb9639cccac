"""What inference gets to see of a part: true pixels, and for what is missing a reason in words."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import FrameOverwrittenError
from sightline.imaging.frame_ring import RingReader, ring_path
from tests.unit.capture.capture_kit import (
    CAMERAS,
    HEIGHT,
    WIDTH,
    CaptureUnderTest,
    four_pictures,
    plain_picture,
    save_picture,
)
from tests.unit.capture.conftest import StartStation
from tests.unit.shared.picture_bytes import claim_size, encode


def test_each_camera_plays_the_pictures_of_its_own_folder(station: CaptureUnderTest) -> None:
    station.trigger(1)
    (part,) = station.captured
    assert [ref.camera for ref in part.frames] == list(CAMERAS)
    assert part.missing_cameras == ()
    for index, camera in enumerate(CAMERAS):
        assert abs(float(station.pixels(part, camera).mean()) - (60 + 40 * index)) < 3


def test_a_flat_folder_is_dealt_to_the_cameras_in_turn_and_begins_again(
    start_station: StartStation, tmp_path: Path
) -> None:
    for index in range(8):
        shade = 20 + 25 * index
        picture = plain_picture(shade, shade, shade)
        save_picture(tmp_path / "pictures" / f"{index:02}.png", picture)
    station = start_station()
    for counter in (1, 2, 3):
        station.trigger(counter)
        part = station.captured[-1]
        seen = [station.pixels(part, camera).mean() for camera in CAMERAS]
        first = 4 * ((counter - 1) % 2)
        expected = [20 + 25 * index for index in range(first, first + 4)]
        assert np.allclose(seen, expected, atol=3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG"])
def test_pixels_in_the_ring_are_those_of_the_picture(
    start_station: StartStation, tmp_path: Path, suffix: str
) -> None:
    ramp = np.linspace(30, 220, WIDTH, dtype=np.uint8)
    picture = np.dstack([np.tile(ramp, (HEIGHT, 1))] * 3)
    picture[: HEIGHT // 2, :, 2] = 128
    save_picture(tmp_path / "pictures" / f"one.{suffix}", picture)
    station = start_station()
    station.trigger(1)
    read = station.pixels(station.captured[0], "cam3")
    difference = np.abs(read.astype(int) - picture.astype(int))
    assert read.shape == picture.shape
    assert difference.mean() < 4


@pytest.mark.parametrize(("width", "height"), [(200, 200), (65, 47), (640, 48), (20, 300)])
def test_the_frames_have_the_pictures_size_and_no_black_beside_them(
    start_station: StartStation, tmp_path: Path, width: int, height: int
) -> None:
    picture = plain_picture(200, 200, 200, width, height)
    for name in ("one.png", "two.png"):
        save_picture(tmp_path / "pictures" / name, picture)
    station = start_station(frame=None, cameras=["cam1"])
    station.trigger(1)
    (ref,) = station.captured[0].frames
    assert (ref.width, ref.height) == (width + width % 2, height + height % 2)
    read = station.pixels(station.captured[0], "cam1")
    assert read.shape == (ref.height, ref.width, 3)
    assert read.min() > 190


def test_a_picture_of_the_same_shape_is_stretched_to_the_size_of_most(
    start_station: StartStation, tmp_path: Path
) -> None:
    for name, size in (("1.png", (64, 48)), ("2.png", (128, 96)), ("3.png", (128, 96))):
        save_picture(tmp_path / "pictures" / name, plain_picture(200, 200, 200, *size))
    station = start_station(frame=None, cameras=["cam1"])
    station.trigger(1)
    assert station.pixels(station.captured[0], "cam1").shape == (96, 128, 3)
    assert station.pixels(station.captured[0], "cam1").min() > 190


def test_pictures_of_several_shapes_are_a_fault_that_says_what_to_do(
    start_station: StartStation, tmp_path: Path
) -> None:
    for name, size in (("a.png", (64, 48)), ("b.png", (200, 200)), ("c.png", (64, 48))):
        save_picture(tmp_path / "pictures" / name, plain_picture(9, 9, 9, *size))
    station = start_station(frame=None)
    assert "64x48 (2, such as a.png), 200x200 (1, such as b.png)" in station.faults["cameras"]
    assert "a folder of their own" in station.faults["cameras"]
    assert not station.health.build_report().ready
    (tmp_path / "pictures" / "b.png").unlink()
    station.advance(1)
    station.trigger(1)
    assert station.faults == {}
    assert station.captured[-1].missing_cameras == ()


def test_a_configured_frame_of_another_shape_is_a_fault_that_says_to_leave_it_out(
    start_station: StartStation, tmp_path: Path
) -> None:
    save_picture(tmp_path / "pictures" / "a.png", plain_picture(9, 9, 9, 200, 200))
    station = start_station(frame={"width": 1280, "height": 720})
    assert "are 200x200" in station.faults["cameras"]
    assert "leave `frame` out" in station.faults["cameras"]


def test_a_picture_that_comes_later_in_another_shape_costs_its_part_only(
    start_station: StartStation, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        save_picture(tmp_path / "pictures" / name, plain_picture(90, 90, 90, 64, 48))
    station = start_station(frame=None, cameras=["cam1"])
    save_picture(tmp_path / "pictures" / "b.png", plain_picture(90, 90, 90, 48, 64))
    station.trigger(1, 2, 3)
    assert [len(part.frames) for part in station.captured] == [1, 0, 1]


def test_a_change_of_product_leaves_frames_and_ring_as_they_are(
    start_station: StartStation, tmp_path: Path
) -> None:
    save_picture(tmp_path / "pictures" / "a.png", plain_picture(90, 90, 90, 200, 200))
    station = start_station(frame=None, cameras=["cam1"])
    station.trigger(1)
    station.configure(frame=None, cameras=["cam1"], deadlineMs=1500)
    station.trigger(2)
    first, second = (part.frames[0] for part in station.captured)
    assert (second.width, second.incarnation) == (200, first.incarnation)


def test_large_pictures_take_bounded_memory(start_station: StartStation, tmp_path: Path) -> None:
    save_picture(tmp_path / "pictures" / "a.png", plain_picture(90, 90, 90, 4000, 3000))
    station = start_station(frame=None, ringSlots=256)
    assert ring_path(station.name).stat().st_size <= 512 << 20
    eight = [f"cam{number}" for number in range(1, 9)]
    save_picture(tmp_path / "pictures" / "a.png", plain_picture(90, 90, 90, 8000, 6000))
    station.configure(frame=None, cameras=eight)
    assert "at most 512 are used" in station.faults["cameras"]


def test_a_corrupt_picture_is_a_missing_camera_with_its_reason_and_the_others_see(
    station: CaptureUnderTest, pictures: Path
) -> None:
    file = pictures / "cam2" / "part.png"
    file.write_bytes(file.read_bytes()[:40])
    station.trigger(1, 2)
    part = station.captured[-1]
    assert part.missing_cameras == ("cam2",)
    assert [ref.camera for ref in part.frames] == ["cam1", "cam3", "cam4"]
    assert [seen.camera for seen in part.conditions] == ["cam1", "cam3", "cam4"]
    assert "part.png cannot be decoded" in station.faults["camera-cam2"]
    assert station.counter("camera_faults") >= 1
    save_picture(file, plain_picture(90, 90, 90))
    station.trigger(3, 4)
    assert station.captured[-1].missing_cameras == ()
    assert station.faults == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            claim_size(encode(plain_picture(9, 9, 9), ".jpg"), 65_500, 65_500),
            "65500 x 65500 px; at most",
        ),
        (encode(plain_picture(9, 9, 9), ".bmp")[:-9], "cut off after"),
        (encode(np.full((8, 8), 4_095, np.uint16), ".png"), "a camera of 12 bits"),
    ],
)
def test_no_picture_of_the_folder_is_played_half_or_nearly_black_or_takes_all_memory(
    station: CaptureUnderTest, pictures: Path, content: bytes, reason: str
) -> None:
    (pictures / "cam2" / "part.png").write_bytes(content)
    station.trigger(1, 2)
    assert station.captured[-1].missing_cameras == ("cam2",)
    assert reason in station.faults["camera-cam2"]


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".webp", ".JPG"])
def test_pictures_of_all_usual_formats_are_played_and_files_of_macos_are_not(
    start_station: StartStation, tmp_path: Path, suffix: str
) -> None:
    save_picture(tmp_path / "pictures" / f"part{suffix}", plain_picture(90, 90, 90))
    (tmp_path / "pictures" / f"._part{suffix}").write_bytes(b"\0\5\x16\7")
    station = start_station()
    station.trigger(1, 2)
    assert station.captured[-1].missing_cameras == ()
    assert abs(float(station.pixels(station.captured[-1], "cam1").mean()) - 90) < 3


def test_without_the_folder_parts_go_out_unseen_until_it_appears(
    start_station: StartStation, tmp_path: Path
) -> None:
    station = start_station()
    station.trigger(1)
    assert station.captured[0].missing_cameras == CAMERAS
    assert station.captured[0].frames == ()
    assert "no folder of pictures" in station.faults["cameras"]
    assert not station.health.build_report().ready
    four_pictures(tmp_path / "pictures")
    station.advance(1)
    assert station.health.build_report().ready
    station.trigger(2)
    assert station.captured[1].missing_cameras == ()
    assert station.faults == {}


def test_a_folder_that_goes_away_and_comes_back_with_others_is_opened_anew(
    station: CaptureUnderTest, pictures: Path
) -> None:
    station.trigger(1)
    shutil.rmtree(pictures)
    station.trigger(2, 3)
    *_, unseen = station.captured
    assert unseen.missing_cameras == CAMERAS
    station.advance(1)
    assert "no folder of pictures" in station.faults["cameras"]
    save_picture(pictures / "other.jpg", plain_picture(150, 150, 150))
    station.advance(1)
    station.trigger(4)
    *_, seen = station.captured
    assert seen.missing_cameras == ()
    assert station.faults == {}


def test_an_empty_folder_names_the_camera_that_has_nothing(
    start_station: StartStation, pictures: Path
) -> None:
    (pictures / "cam4" / "part.png").unlink()
    station = start_station()
    assert "cam4 has no pictures" in station.faults["cameras"]


def test_a_frame_whose_slot_was_written_again_is_known_to_be_gone(
    station: CaptureUnderTest,
) -> None:
    station.trigger(1, 2)
    first = station.captured[0]
    station.pixels(first, "cam1")
    station.trigger(3)  # the ring of this station has two slots a camera
    with pytest.raises(FrameOverwrittenError, match="slot"):
        station.pixels(first, "cam1")


def test_a_frame_that_is_overwritten_while_it_is_used_is_known_to_be_gone(
    station: CaptureUnderTest,
) -> None:
    station.trigger(1)
    (ref, *_) = station.captured[0].frames
    reader = RingReader(ring_path(station.name), CAMERAS)
    with pytest.raises(FrameOverwrittenError):
        reader.read(ref, lambda pixels: station.trigger(2, 3))


def test_the_deadline_is_the_way_to_the_gate_at_the_speed_of_the_belt(
    start_station: StartStation, pictures: Path
) -> None:
    station = start_station(distanceToGateMm=600, beltSpeedMps=0.5, deadlineMs=1800)
    station.trigger(1)
    station.trigger(2, belt_speed_mps=1.0)
    station.trigger(3, belt_speed_mps=0.1)
    station.trigger(4, belt_speed_mps=0.0)
    ways_ms = [
        (part.deadline_monotonic_ns - part.triggered_monotonic_ns) / 1e6
        for part in station.captured
    ]
    assert ways_ms == [1200, 600, 1200, 1200]  # a slow belt may speed up


def test_a_dark_or_blurred_camera_is_out_of_range_by_name(
    start_station: StartStation, pictures: Path
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    save_picture(pictures / "cam1" / "part.png", noise)
    save_picture(pictures / "cam2" / "part.png", plain_picture(0, 0, 0))
    station = start_station()
    station.trigger(1)
    seen = {conditions.camera: conditions for conditions in station.captured[0].conditions}
    assert seen["cam1"].out_of_range == ()
    assert seen["cam2"].out_of_range == ("sharpness",)  # video black is luma 16, not 0
    assert seen["cam3"].out_of_range == ("sharpness",)
