"""Packing of pixels: what cameras deliver (UYVY and others), and what files and detectors have."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from sightline.messaging.messages import PixelFormat

Pixels = NDArray[np.uint8]
RAW_FRAME_SUFFIX = ".uyvy.png"  # a file with `uyvy_to_planes` as a grey PNG: a frame to the bit

_TO_RGB: dict[PixelFormat, int] = {
    "UYVY": cv2.COLOR_YUV2RGB_UYVY,
    "YUYV": cv2.COLOR_YUV2RGB_YUYV,
    "GREY": cv2.COLOR_GRAY2RGB,
    "NV12": cv2.COLOR_YUV2RGB_NV12,
}


def bgr_to_uyvy(picture: Pixels) -> Pixels:
    """(height, width, 3) BGR to (height, width, 2) UYVY, BT.601; the width must be even."""
    packed: Pixels = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_UYVY)
    return packed


def to_rgb(frame: Pixels, pixel_format: PixelFormat) -> Pixels:
    """A camera's frame to (height, width, 3) RGB; PictureError for a format that is not read here.

    NV12 comes as (height * 3 / 2, width): the luma, then U and V in turn at half the size.
    RGB24 is the frame itself, no copy of it.
    """
    if pixel_format == "RGB24":
        return frame
    code = _TO_RGB.get(pixel_format)
    if code is None:
        raise PictureError(f"pixel format {pixel_format}: allowed are RGB24, {', '.join(_TO_RGB)}")
    rgb: Pixels = cv2.cvtColor(frame, code)
    return rgb


def uyvy_to_planes(frame: Pixels) -> Pixels:
    """(height, width, 2) UYVY to (2 * height, width): the luma above, below it U beside V."""
    luma, chroma = frame[..., 1], frame[..., 0]
    return np.vstack([luma, np.hstack([chroma[:, 0::2], chroma[:, 1::2]])])


def planes_to_uyvy(planes: Pixels) -> Pixels:
    """The way back; PictureError if the sides are odd."""
    height, width = planes.shape[0] // 2, planes.shape[1]
    if planes.shape[0] % 2 or width % 2:
        raise PictureError(f"planes of {planes.shape}; both sides must be even")
    frame = np.empty((height, width, 2), np.uint8)
    frame[..., 1] = planes[:height]
    frame[:, 0::2, 0], frame[:, 1::2, 0] = (
        planes[height:, : width // 2],
        planes[height:, width // 2 :],
    )
    return frame
