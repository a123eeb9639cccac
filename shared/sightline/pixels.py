"""Packing of pixels: what cameras deliver (UYVY) and what people and files have (BGR)."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def bgr_to_uyvy(picture: Picture) -> Picture:
    """(H, W, 3) BGR to (H, W, 2) UYVY as cameras deliver it; W must be even."""
    height, width = picture.shape[:2]
    if width % 2:
        raise ValueError(f"UYVY needs an even width; found {width}")
    yuv = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV)
    packed = np.empty((height, width, 2), np.uint8)
    packed[:, :, 1] = yuv[:, :, 0]
    chroma = yuv[:, 0::2, 1:].astype(np.uint16) + yuv[:, 1::2, 1:] + 1
    packed[:, 0::2, 0] = chroma[:, :, 0] >> 1
    packed[:, 1::2, 0] = chroma[:, :, 1] >> 1
    return packed


def uyvy_to_bgr(frame: Picture) -> Picture:
    """(H, W, 2) UYVY to (H, W, 3) BGR, full-range luma."""
    height, width = frame.shape[:2]
    yuv = np.empty((height, width, 3), np.uint8)
    yuv[:, :, 0] = frame[:, :, 1]
    yuv[:, :, 1] = np.repeat(frame[:, 0::2, 0], 2, axis=1)
    yuv[:, :, 2] = np.repeat(frame[:, 1::2, 0], 2, axis=1)
    return np.asarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR), dtype=np.uint8)
