"""Raw frames in files come back as they were, for replays and for the cameras that play them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from capture.sources.picture_files import read_picture
from hil.replay.frame_files import decode_frame, digest_frame, encode_raw
from hil.replay.segment import SegmentError
from sightline.errors import PictureError
from sightline.imaging.pixels import planes_to_uyvy, uyvy_to_planes

Pixels = NDArray[np.uint8]
sides = st.integers(1, 20).map(lambda n: 2 * n)


@given(st.tuples(sides, sides).flatmap(lambda s: arrays(np.uint8, (*s, 2))))
def test_planes_and_back_are_the_same_bytes(frame: Pixels) -> None:
    assert np.array_equal(planes_to_uyvy(uyvy_to_planes(frame)), frame)


@pytest.fixture
def raw(tmp_path: Path) -> tuple[Path, Pixels]:
    """A frame of noise, which no lossy form survives, and its file."""
    frame = np.random.default_rng(3).integers(0, 256, (48, 64, 2), np.uint8)
    file = tmp_path / "000001.uyvy.png"
    file.write_bytes(encode_raw(frame))
    return file, frame


def test_a_camera_that_plays_a_raw_frame_gives_its_very_bytes(raw: tuple[Path, Pixels]) -> None:
    file, frame = raw
    assert np.array_equal(read_picture(file, 64, 48), frame)
    assert digest_frame(decode_frame(file)) == digest_frame(frame)


def test_a_raw_frame_of_another_size_is_refused_with_both(raw: tuple[Path, Pixels]) -> None:
    with pytest.raises(PictureError, match=r"96, 64.*128x48"):
        read_picture(raw[0], 128, 48)


def test_a_picture_is_read_as_the_camera_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "000001.jpg"
    picture = np.random.default_rng(4).integers(0, 256, (48, 64, 3), np.uint8)
    cv2.imwrite(str(file), picture)
    assert np.array_equal(decode_frame(file), read_picture(file, 64, 48))


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    for name in ("a.png", "b.png"):
        with pytest.raises(SegmentError, match=name):
            decode_frame(tmp_path / name)
