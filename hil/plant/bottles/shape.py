"""The bottle's shape in the picture: half width by row, and the angle of each surface point."""

import functools

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

BOTTLE_HEIGHT_PX = 590
HALF_WIDTH_PX = 118
CAP_HEIGHT_PX = 74
MARGIN_PX = 6
PATCH_WIDTH_PX = 2 * (HALF_WIDTH_PX + MARGIN_PX) + 1
_NECK = 0.40
_SHOULDER = (0.17, 0.32)


@functools.cache
def half_width_px() -> FloatImage:
    """Half the bottle's width for each row of the patch, (BOTTLE_HEIGHT_PX,) float32."""
    y = np.linspace(0.0, 1.0, BOTTLE_HEIGHT_PX, dtype=np.float32)
    rise = np.clip((y - _SHOULDER[0]) / (_SHOULDER[1] - _SHOULDER[0]), 0, 1)
    smooth = rise * rise * (3 - 2 * rise)
    foot = np.clip((y - 0.97) / 0.03, 0, 1)
    width = HALF_WIDTH_PX * (_NECK + (1 - _NECK) * smooth) * (1 - 0.12 * foot * foot)
    width[:CAP_HEIGHT_PX] = HALF_WIDTH_PX * _NECK * 1.16
    return np.asarray(width, dtype=np.float32)


@functools.cache
def position_across() -> FloatImage:
    """Each point's place across the bottle, -1 left edge to 1 right edge, (height, width)."""
    x = np.arange(PATCH_WIDTH_PX, dtype=np.float32) - PATCH_WIDTH_PX // 2
    return (x[None, :] / half_width_px()[:, None]).astype(np.float32)


@functools.cache
def surface_angle() -> FloatImage:
    """The angle of the surface to the camera in radians, (height, width)."""
    return np.arcsin(np.clip(position_across(), -1, 1)).astype(np.float32)


@functools.cache
def bottle_opacity() -> FloatImage:
    """1 where the bottle is, 0 beside it, with a soft edge, (height, width)."""
    x = np.abs(np.arange(PATCH_WIDTH_PX, dtype=np.float32) - PATCH_WIDTH_PX // 2)
    soft = np.clip(half_width_px()[:, None] - x[None, :] + 0.5, 0, 1)
    return np.asarray(soft, dtype=np.float32)


def defect_area() -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the body where defects are planted, in patch pixels."""
    top = int(BOTTLE_HEIGHT_PX * 0.36)
    half = int(HALF_WIDTH_PX * 0.72)
    centre = PATCH_WIDTH_PX // 2
    return centre - half, top, centre + half, int(BOTTLE_HEIGHT_PX * 0.93)
