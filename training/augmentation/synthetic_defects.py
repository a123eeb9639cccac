"""Synthetic defects on X-ray pictures of normal castings: pores, sponge, cracks.

A cavity absorbs less, so most defects are brighter than their surroundings. A defect that clipping hides
or another defect hides is not marked.
"""

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Field = NDArray[np.float32]

BRIGHTER_SHARE = 0.85  # of the defects
DEFECT_STRENGTHS = (4.0, 90.0)  # grey levels
MIN_STRENGTH_BY_NOISE = 1.2
MIN_VISIBLE_CHANGE = 2.0  # grey levels
EXTENT_KERNEL = np.ones(
    (15, 15), np.uint8
)  # how far a defect's mask reaches beyond its visible part
MATERIAL_LEVELS = (25, 232)  # grey levels between the darkest and the blank film
LOCATION_TRIES = 4
PORE_SHARE, SPONGE_SHARE = 0.6, 0.25  # of the defects; the rest are cracks
MIN_PORE_PX, MIN_SPONGE_PX, MIN_CRACK_PX = 4.0, 16.0, 8.0


def add_defects(
    image: Image, random: np.random.Generator, max_count: int, max_size_px: float
) -> tuple[Image, Mask]:
    """With 1 to `max_count` defects of up to about `max_size_px`, and their mask (H, W)."""
    grey = image.mean(axis=2, dtype=np.float32)
    result, added = grey.copy(), []
    least = MIN_STRENGTH_BY_NOISE * estimate_noise(grey)
    for _ in range(int(np.exp(random.uniform(0, np.log(max_count + 0.99))))):
        change, extent = _make_defect(random, max_size_px, grey.shape)
        strength = max(_draw_log_uniform(DEFECT_STRENGTHS, random), least)
        change = change * strength * (1 if random.random() < BRIGHTER_SHARE else -1)
        region = _choose_location(grey, change.shape, random)
        before = result[region]
        after = np.clip(before + change, 0, 255)
        clear = 0.2 * strength
        seen = np.abs(after - before) > max(MIN_VISIBLE_CHANGE, clear)
        if seen.sum() >= 0.3 * max(1, (np.abs(change) > clear).sum()):
            result[region] = after
            added.append((region, extent, seen))
    changed = np.rint(image + (result - grey)[:, :, None])
    return np.clip(changed, 0, 255).astype(np.uint8), _mark_visible(result - grey, added)


def _mark_visible(change: Field, added: Sequence[tuple[tuple[slice, slice], Mask, Mask]]) -> Mask:
    """The mask of the defects (region, extent, seen part) as far as the whole change still shows them.

    A darker and a brighter defect in the same place can cancel each other.
    """
    visible, where = np.abs(change) > MIN_VISIBLE_CHANGE, np.zeros(change.shape, bool)
    for region, extent, seen in added:
        still = seen & visible[region]
        where[region] |= extent & (cv2.dilate(still.astype(np.uint8), EXTENT_KERNEL) > 0)
    return where


def estimate_noise(grey: Field) -> float:
    """The noise's standard deviation in grey levels, from the differences to the local mean."""
    return float(np.median(np.abs(grey - cv2.blur(grey, (3, 3))))) * 1.6


def _make_defect(
    random: np.random.Generator, max_size_px: float, shape: tuple[int, ...]
) -> tuple[Field, Mask]:
    """A change in 0..1 and its mask, no larger than this shape."""
    kind = random.random()
    if kind < PORE_SHARE:
        field, extent = _make_pore(
            _draw_log_uniform((MIN_PORE_PX, max_size_px / 2.5), random), random
        )
    elif kind < PORE_SHARE + SPONGE_SHARE:
        field, extent = _make_sponge(
            _draw_log_uniform((MIN_SPONGE_PX, max_size_px), random), random
        )
    else:
        field, extent = _make_crack(_draw_log_uniform((MIN_CRACK_PX, max_size_px), random), random)
    return _crop_to_shape(field, shape), _crop_to_shape(extent, shape)


def _make_pore(size: float, random: np.random.Generator) -> tuple[Field, Mask]:
    """An uneven bubble."""
    field = _make_spot(size, random, random.uniform(0.15, 1.2))
    field = _normalize_peak(cv2.GaussianBlur(field, (0, 0), random.uniform(0.5, 1.5)))
    return field, field > 0.25


def _make_sponge(size: float, random: np.random.Generator) -> tuple[Field, Mask]:
    """A region full of small pores; all of it is the defect."""
    region = _make_spot(size, random, random.uniform(0.2, 0.8))
    side = region.shape[0]
    grains = _make_smooth_noise(max(3, int(side / random.uniform(1.5, 5))), side, random)
    field = np.clip((grains - random.uniform(-0.5, 1.0)) / random.uniform(0.3, 1.5), 0, 1) * region
    field = _normalize_peak(cv2.GaussianBlur(field, (0, 0), random.uniform(0.4, 1.0)))
    return field, region > 0.3


def _make_crack(size: float, random: np.random.Generator) -> tuple[Field, Mask]:
    """A thin crooked line."""
    side = int(size) + 9
    steps = np.cumsum(random.normal(random.normal(size=2), 0.6, (8, 2)), axis=0)
    steps -= (steps.max(axis=0) + steps.min(axis=0)) / 2
    points = steps / max(float(np.abs(steps).max()), 1e-3) * size / 2 + side / 2
    field = np.zeros((side, side), np.float32)
    thickness = int(random.integers(1, 4))
    cv2.polylines(field, [np.rint(points).astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
    field = _normalize_peak(cv2.GaussianBlur(field, (0, 0), random.uniform(0.5, 1.2)))
    return field, cv2.dilate((field > 0.25).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _make_spot(size: float, random: np.random.Generator, softness: float) -> Field:
    """An uneven ellipse of about this size: 1 inside, 0 outside, with a soft edge."""
    stretch = _draw_log_uniform((1, 2.5), random) ** 0.5
    side = int(size * stretch * (1.4 + softness)) + 7
    y, x = np.mgrid[:side, :side].astype(np.float32) - (side - 1) / 2
    angle = random.uniform(0, np.pi)
    across = (x * np.cos(angle) + y * np.sin(angle)) * stretch
    along = (y * np.cos(angle) - x * np.sin(angle)) / stretch
    uneven = _make_smooth_noise(5, side, random) * random.uniform(0, 0.3)
    distance = np.sqrt(across**2 + along**2) / (size / 2) + uneven
    return np.asarray(np.clip((1 - distance) / softness + 0.5, 0, 1), np.float32)


def _make_smooth_noise(cells: int, side: int, random: np.random.Generator) -> Field:
    """Smooth noise with this many cells in each direction."""
    cells_each_way = np.asarray(random.normal(size=(cells, cells)), np.float32)
    smooth = cv2.resize(cells_each_way, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _normalize_peak(field: Field) -> Field:
    return np.asarray(field / max(float(field.max()), 1e-3), np.float32)


def _draw_log_uniform(bounds: tuple[float, float], random: np.random.Generator) -> float:
    """A log-uniform random number: as often between 4 and 8 as between 8 and 16."""
    low, high = bounds
    return float(np.exp(random.uniform(np.log(low), np.log(max(low, high)))))


ArrayT = TypeVar("ArrayT", Field, Mask)


def _crop_to_shape(field: ArrayT, shape: tuple[int, ...]) -> ArrayT:
    """The central part, no larger than this shape."""
    spare = (max(0, a - b) // 2 for a, b in zip(field.shape, shape, strict=True))
    return field[tuple(slice(s, s + b) for s, b in zip(spare, shape, strict=True))]


def _choose_location(
    grey: Field, shape: tuple[int, ...], random: np.random.Generator
) -> tuple[slice, slice]:
    """A random place for a defect of this shape, on material if possible."""
    for _ in range(LOCATION_TRIES):
        top, left = (
            int(random.integers(0, a - b + 1)) for a, b in zip(grey.shape, shape, strict=True)
        )
        middle = float(grey[top + shape[0] // 2, left + shape[1] // 2])
        if MATERIAL_LEVELS[0] < middle < MATERIAL_LEVELS[1]:
            break
    return slice(top, top + shape[0]), slice(left, left + shape[1])
