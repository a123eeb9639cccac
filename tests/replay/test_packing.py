"""A recorded run becomes a segment whatever lies beside the pictures that its cameras played."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.sources.picture_files import read_picture
from hil.replay.frame_files import decode_frame, digest_frame, encode_raw
from hil.replay.recorder import RAW
from hil.replay.segment import FRAMES, MESSAGES, RecordedMessage, SegmentError, save_messages
from hil.replay.segment_recording import pack_segment
from hil.run.camera_pictures import read_cameras
from hil.run.run_arguments import parse_run_arguments
from sightline.imaging.picture_folder import assign_pictures

WIDTH, HEIGHT = 64, 48
CAMERAS = ("cam1", "cam2", "cam3", "cam4")


def lay_pictures(folder: Path) -> None:
    """A fitting picture beside a text, one of odd width, one in a folder below, and a raw frame."""
    random = np.random.default_rng(5)
    for name, width in (("cam1/b.jpg", WIDTH), ("cam2/a.png", 63), ("cam3/day 2/a.png", WIDTH)):
        (folder / name).parent.mkdir(parents=True)
        cv2.imwrite(str(folder / name), random.integers(0, 256, (HEIGHT, width, 3), np.uint8))
    (folder / "cam1" / "a README.txt").write_text("taken on Monday")
    (folder / "cam4").mkdir()
    frame = random.integers(0, 256, (HEIGHT, WIDTH, 2), np.uint8)
    (folder / "cam4" / "a.uyvy.png").write_bytes(encode_raw(frame))


def record_a_part(draft: Path, pictures: Path, cameras: tuple[str, ...] = CAMERAS) -> None:
    """What the recorder leaves of one part whose cameras played these pictures."""
    frames = {}
    for camera, (picture,) in assign_pictures(pictures, cameras).items():
        pixels = read_picture(picture, WIDTH, HEIGHT)
        place = draft / RAW / camera
        place.mkdir(parents=True)
        np.save(place / "000001.npy", pixels)
        frames[camera] = digest_frame(pixels)
    message = {
        "part": {"part_number": 1},
        "triggered_monotonic_ns": 5,
        "boot_id": "boot",
        "station_id": "station",
        "frames": [{"width": WIDTH, "height": HEIGHT}],
    }
    save_messages(draft / MESSAGES, [RecordedMessage("PartCaptured", 6, message, frames)])


def test_other_files_and_pictures_of_other_sizes_do_not_end_a_recording(tmp_path: Path) -> None:
    pictures, draft = tmp_path / "pictures", tmp_path / "draft"
    lay_pictures(pictures)
    record_a_part(draft, pictures)
    run = parse_run_arguments(["--parts", "1"])
    segment = pack_segment(draft, "monday", 0, pictures, run, CAMERAS)
    (part,) = segment.parts
    assert {camera: frame.file for camera, frame in part.frames.items()} == {
        "cam1": "cam1/000001.jpg",
        "cam2": "cam2/000001.uyvy.png",  # capture fitted it to the frame's size
        "cam3": "cam3/000001.png",
        "cam4": "cam4/000001.uyvy.png",
    }
    for frame in part.frames.values():
        assert digest_frame(decode_frame(draft / FRAMES / frame.file)) == frame.sha256


@pytest.mark.parametrize("number", [1, 8])
def test_a_station_with_one_to_eight_cameras_is_recorded(tmp_path: Path, number: int) -> None:
    pictures, draft = tmp_path / "pictures", tmp_path / "draft"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "only.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    run = parse_run_arguments(["--cameras", str(number)])
    cameras = read_cameras(run)
    assert len(cameras) == number
    record_a_part(draft, pictures, cameras)
    segment = pack_segment(draft, "monday", 0, pictures, run, cameras)
    assert segment.cameras == cameras
    assert set(segment.parts[0].frames) == set(cameras)


def test_a_recording_without_a_frame_is_refused_in_words(tmp_path: Path) -> None:
    message = {"part": {"part_number": 1}, "triggered_monotonic_ns": 5, "frames": []}
    tmp_path.joinpath("draft").mkdir()
    save_messages(tmp_path / "draft" / MESSAGES, [RecordedMessage("PartCaptured", 6, message)])
    run = parse_run_arguments([])
    with pytest.raises(SegmentError, match="1 parts, none with a frame"):
        pack_segment(tmp_path / "draft", "monday", 0, tmp_path, run, CAMERAS)
