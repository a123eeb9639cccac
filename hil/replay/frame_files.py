"""Stores frames losslessly: the picture that a camera played, or the raw frame as a grey PNG.

The raw form of a UYVY frame of width w and height h is a grey PNG of w x 2h (`uyvy_to_planes`). It
compresses well and can be viewed.
"""

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hil.replay.segment import SegmentError
from sightline.imaging.pixels import RAW_FRAME_SUFFIX, bgr_to_uyvy, planes_to_uyvy, uyvy_to_planes

Pixels = NDArray[np.uint8]


def digest_frame(pixels: Pixels) -> str:
    """SHA-256 of a frame's bytes."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def encode_raw(pixels: Pixels) -> bytes:
    """Encode a UYVY frame, (height, width, 2) uint8, as a grey PNG."""
    planes = uyvy_to_planes(pixels)
    done, content = cv2.imencode(".png", planes, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    assert done
    return content.tobytes()


def decode_frame(path: Path) -> Pixels:
    """Decode a file to a UYVY frame, (height, width, 2) uint8; SegmentError if it is not a picture."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise SegmentError(f"{path}: {error.strerror or error}") from error
    is_raw = path.name.endswith(RAW_FRAME_SUFFIX)
    flag = cv2.IMREAD_GRAYSCALE if is_raw else cv2.IMREAD_COLOR
    picture = _decode_picture(content, flag)
    if picture is None:
        raise SegmentError(f"{path} cannot be decoded as a picture")
    if is_raw:
        return planes_to_uyvy(np.asarray(picture, np.uint8))
    if picture.shape[1] % 2:
        raise SegmentError(f"{path} is {picture.shape[1]} px wide; an even width is required")
    return bgr_to_uyvy(np.asarray(picture, np.uint8))


def _decode_picture(content: Pixels, flag: int) -> Pixels | None:
    if not content.size:
        return None
    try:
        return cv2.imdecode(content, flag)
    except cv2.error:
        return None  # such as a picture of absurd size


def to_bgr(pixels: Pixels) -> Pixels:
    """Convert a UYVY frame to BGR."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_UYVY), np.uint8)
