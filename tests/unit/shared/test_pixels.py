"""Packed as cameras deliver it, a picture still looks like itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import PictureError
from sightline.imaging.pixels import Pixels, bgr_to_uyvy, to_rgb
from sightline.messaging.messages import PixelFormat


def smooth_picture(width: int, height: int) -> Pixels:
    columns = np.linspace(0, 255, width, dtype=np.uint8)
    rows = np.linspace(0, 255, height, dtype=np.uint8)
    blue, green = np.tile(columns, (height, 1)), np.tile(rows[:, None], (1, width))
    return np.dstack([blue, green, np.full((height, width), 90, np.uint8)])


def greatest_difference(rgb: Pixels, bgr: Pixels) -> int:
    return int(np.abs(rgb[:, :, ::-1].astype(int) - bgr).max())


def test_a_smooth_picture_survives_packing_within_a_few_levels() -> None:
    picture = smooth_picture(320, 240)
    packed = bgr_to_uyvy(picture)
    assert packed.shape == (240, 320, 2)
    assert greatest_difference(to_rgb(packed, "UYVY"), picture) <= 6


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_one_colour_stays_that_colour(colour: tuple[int, int, int]) -> None:
    picture = np.full((4, 6, 3), colour, np.uint8)
    assert greatest_difference(to_rgb(bgr_to_uyvy(picture), "UYVY"), picture) <= 4


def test_the_other_order_of_luma_and_chroma_is_read_as_such() -> None:
    picture = smooth_picture(32, 8)
    uyvy = bgr_to_uyvy(picture)
    yuyv = np.ascontiguousarray(uyvy[:, :, ::-1])
    np.testing.assert_array_equal(to_rgb(yuyv, "YUYV"), to_rgb(uyvy, "UYVY"))


def test_luma_and_chroma_in_planes_of_their_own_are_read_as_such() -> None:
    picture = smooth_picture(32, 8)
    uyvy = bgr_to_uyvy(picture)
    chroma = np.ascontiguousarray(uyvy[::2, :, 0])  # U and V in turn, of every second row
    read = to_rgb(np.vstack([uyvy[:, :, 1], chroma]), "NV12")
    assert read.shape == (8, 32, 3)
    difference = np.abs(read.astype(int) - to_rgb(uyvy, "UYVY"))
    assert difference[::2].max() <= 2  # rows whose own chroma it is
    assert difference.mean() < 12


@pytest.mark.parametrize(("pixel_format", "shape"), [("GREY", (4, 6)), ("RGB24", (4, 6, 3))])
def test_grey_and_rgb_keep_their_values(pixel_format: PixelFormat, shape: tuple[int, ...]) -> None:
    frame = np.full(shape, 77, np.uint8)
    np.testing.assert_array_equal(to_rgb(frame, pixel_format), np.full((4, 6, 3), 77))


def test_a_format_that_is_not_read_is_named_with_those_that_are() -> None:
    with pytest.raises(PictureError, match="pixel format MJPG: allowed are RGB24, UYVY"):
        to_rgb(np.zeros((6, 4), np.uint8), "MJPG")  # type: ignore[arg-type]
