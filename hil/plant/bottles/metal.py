"""Renders brushed aluminium under two lamps, and the cap or the bare thread."""

import functools

import cv2
import numpy as np

from hil.plant.bottles.shape import (
    BOTTLE_HEIGHT_PX,
    CAP_HEIGHT_PX,
    PATCH_WIDTH_PX,
    FloatImage,
    surface_angle,
)

TEXTURES = 12


@functools.cache
def brushed_texture(index: int) -> FloatImage:
    """One of a few brushed textures, zero mean, grey levels, (height, width)."""
    random = np.random.default_rng(7_000 + index)
    fine = random.normal(0, 1, (BOTTLE_HEIGHT_PX, PATCH_WIDTH_PX)).astype(np.float32)
    brushed = cv2.blur(fine, (61, 1)) * 9 + cv2.blur(fine, (15, 3)) * 3
    return np.asarray(brushed - brushed.mean(), dtype=np.float32)


def render_body(random: np.random.Generator) -> FloatImage:
    """The bottle without its cap, grey levels, (height, width)."""
    first, second = 0.55 + random.uniform(-0.12, 0.12), 0.85 + random.uniform(-0.1, 0.1)
    lamps = 85 * np.exp(-(((surface_angle() + first) / 0.32) ** 2)) + 50 * np.exp(
        -(((surface_angle() - second) / 0.17) ** 2)
    )
    body = 42 + 62 * np.cos(surface_angle()) + lamps
    texture = brushed_texture(int(random.integers(TEXTURES)))
    if random.random() < 0.5:
        texture = texture[:, ::-1]
    return np.asarray(body + texture * random.uniform(0.7, 1.3), dtype=np.float32)


def draw_cap(body: FloatImage, random: np.random.Generator) -> None:
    """Draw a dark ribbed cap onto the neck, in place."""
    rows = body[:CAP_HEIGHT_PX]
    ribs = 9 * np.sin(
        surface_angle()[:CAP_HEIGHT_PX] * random.integers(26, 34) + random.uniform(0, 6)
    )
    rows[:] = 26 + 44 * np.cos(surface_angle()[:CAP_HEIGHT_PX]) + ribs
    rows[:10] *= 1.35
    rows[-4:] *= 0.55


def draw_thread(body: FloatImage, opacity: FloatImage, random: np.random.Generator) -> None:
    """Draw the bare thread of a bottle without cap, in place; its mouth is lower and narrower."""
    bare = CAP_HEIGHT_PX - int(random.integers(14, 22))
    turns = np.sin(np.arange(CAP_HEIGHT_PX)[:, None] / 3.2 + surface_angle()[:CAP_HEIGHT_PX] * 0.6)
    body[:CAP_HEIGHT_PX] += 26 * turns
    opacity[: CAP_HEIGHT_PX - bare] = 0
    centre = PATCH_WIDTH_PX // 2
    narrow = int(40 + random.integers(-2, 3))
    opacity[:CAP_HEIGHT_PX, : centre - narrow] = 0
    opacity[:CAP_HEIGHT_PX, centre + narrow + 1 :] = 0
    top = CAP_HEIGHT_PX - bare
    body[top : top + 7] *= 0.35
