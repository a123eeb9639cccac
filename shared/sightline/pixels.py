"""Packing of pixels: what cameras deliver (UYVY and others), and what files and detectors have."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from sightline.messages import PixelFormat

Pixels = NDArray[np.uint8]

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
    """
    if pixel_format == "RGB24":
        return frame
    code = _TO_RGB.get(pixel_format)
    if code is None:
        raise PictureError(f"pixel format {pixel_format}: allowed are RGB24, {', '.join(_TO_RGB)}")
    rgb: Pixels = cv2.cvtColor(frame, code)
    return rgb
