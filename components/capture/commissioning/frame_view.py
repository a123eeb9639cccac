"""What a person turns a lens by: focus and brightness of a whole frame, and a small picture of it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.sources.source import CameraFrame
from sightline.errors import PictureError
from sightline.imaging.pixels import to_rgb
from sightline.messaging.messages import PixelFormat

MAX_PICTURE_WIDTH = 1000
JPEG_QUALITY = 80
_LUMA_CHANNEL: dict[PixelFormat, int] = {"UYVY": 1, "YUYV": 0, "RGB24": 1}
LumaPlane = NDArray[np.uint8]


def extract_luma(frame: CameraFrame) -> LumaPlane:
    """The luma of every pixel, (height, width); of RGB the green one stands for it."""
    rows = frame.pixels[: frame.height]
    luma = rows if rows.ndim == 2 else rows[..., _LUMA_CHANNEL[frame.pixel_format]]
    return np.ascontiguousarray(luma)


def measure_focus(luma: LumaPlane) -> float:
    """Variance of the Laplacian of all pixels: fine detail counts, so it peaks where the lens is sharp."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2


def frame_to_bgr(frame: CameraFrame) -> LumaPlane:
    """The whole frame as files have it, (height, width, 3) BGR."""
    rgb = to_rgb(frame.pixels, frame.pixel_format)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)


def encode_small_picture(frame: CameraFrame) -> bytes:
    """The frame as JPEG, halved at least once and until it is at most 1,000 pixels wide."""
    picture = to_rgb(frame.pixels, frame.pixel_format)
    while True:
        size = (picture.shape[1] // 2, picture.shape[0] // 2)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        if size[0] <= MAX_PICTURE_WIDTH:
            break
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise PictureError(f"{frame.camera}: the live picture cannot be encoded")
    return bytes(content.tobytes())
