"""What a driver gives becomes the frame's array; a format that it adjusted in silence is refused."""

from typing import get_args

import numpy as np
import pytest

from capture.sources.camera_device import StreamFormat, pixels_of, refuse_other_format
from sightline.errors import CameraError
from sightline.frames import frame_bytes, frame_shape
from sightline.messages import PixelFormat

FORMATS: tuple[PixelFormat, ...] = get_args(PixelFormat)
SHAPES = {
    "UYVY": (6, 8, 2),
    "YUYV": (6, 8, 2),
    "GREY": (6, 8),
    "RGB24": (6, 8, 3),
    "NV12": (9, 8),
}


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("padding", [0, 5])
def test_lines_come_without_their_padding(pixel_format: PixelFormat, padding: int) -> None:
    shape = frame_shape(8, 6, pixel_format)
    line = frame_bytes(8, 6, pixel_format) // shape[0]
    lines = np.random.default_rng(3).integers(0, 255, (shape[0], line), dtype=np.uint8)
    padded = np.pad(lines, ((0, 0), (0, padding)), constant_values=255)
    layout = StreamFormat(8, 6, pixel_format, bytes_per_line=line + padding)
    pixels = pixels_of(padded.tobytes() + b"more of the buffer", layout)
    assert pixels.shape == SHAPES[pixel_format]
    assert np.array_equal(pixels.reshape(lines.shape), lines)
    last_line_not_padded = padded.tobytes()[: padded.size - padding]
    assert np.array_equal(pixels_of(last_line_not_padded, layout), pixels)


def test_a_frame_that_lacks_bytes_is_refused() -> None:
    with pytest.raises(CameraError, match="95 bytes is incomplete; 1 are lacking"):
        pixels_of(bytes(95), StreamFormat(8, 6, "UYVY"))


@pytest.mark.parametrize(
    "found",
    [
        StreamFormat(3840, 2160, "UYVY"),
        StreamFormat(4208, 3118, "UYVY"),
        StreamFormat(4208, 3120, "YUYV"),
    ],
)
def test_a_format_that_the_driver_adjusted_is_refused_in_words(found: StreamFormat) -> None:
    wanted = StreamFormat(4208, 3120, "UYVY")
    refuse_other_format(wanted, StreamFormat(4208, 3120, "UYVY", bytes_per_line=8448))
    with pytest.raises(CameraError, match="UYVY 4208x3120 was asked for"):
        refuse_other_format(wanted, found)
