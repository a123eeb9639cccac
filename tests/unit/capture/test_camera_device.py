"""What a driver gives becomes the frame's array; a format that it adjusted in silence is refused."""

from typing import get_args

import numpy as np
import pytest

from capture.sources.camera_device import StreamFormat, check_stream_format, decode_pixels
from sightline.errors import CameraError
from sightline.imaging.frame_ring import frame_bytes, frame_shape
from sightline.messaging.messages import PixelFormat

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
    pixels = decode_pixels(padded.tobytes() + b"more of the buffer", layout)
    assert pixels.shape == SHAPES[pixel_format]
    assert np.array_equal(pixels.reshape(lines.shape), lines)
    last_line_not_padded = padded.tobytes()[: padded.size - padding]
    assert np.array_equal(decode_pixels(last_line_not_padded, layout), pixels)


def test_a_frame_that_lacks_bytes_is_refused() -> None:
    with pytest.raises(CameraError, match="95 bytes is incomplete; 1 are lacking"):
        decode_pixels(bytes(95), StreamFormat(8, 6, "UYVY"))


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
    check_stream_format(wanted, StreamFormat(4208, 3120, "UYVY", bytes_per_line=8448))
    with pytest.raises(CameraError, match="UYVY 4208x3120 was requested"):
        check_stream_format(wanted, found)
