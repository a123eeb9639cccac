"""Flaws painted on normal castings as X-rays show them: pores, sponge, cracks.

A cavity lets more through, so most flaws are brighter than what is about them. What cannot be seen after
clipping is no flaw.
"""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Field = NDArray[np.float32]

BRIGHTER = 0.85  # of the flaws
STRENGTHS = (4.0, 90.0)  # grey levels
LEAST_BY_NOISE = 1.2
LEAST_CHANGE = 2.0  # grey levels that are seen
NEAR = np.ones((15, 15), np.uint8)  # how far a flaw goes on where nothing of it is seen
MATERIAL = (25, 232)  # grey levels between the darkest and the blank film
TRIES = 4
PORES, SPONGES = 0.6, 0.25  # of the flaws; the rest are cracks
LEAST_PORE_PX, LEAST_SPONGE_PX, LEAST_CRACK_PX = 4.0, 16.0, 8.0


def flawed(
    image: Image, random: np.random.Generator, most: int, largest_px: float
) -> tuple[Image, Mask]:
    """With 1 to `most` flaws of up to about this size, and where they are (H, W)."""
    grey = image.mean(axis=2, dtype=np.float32)
    result, where = grey.copy(), np.zeros(grey.shape, bool)
    least = LEAST_BY_NOISE * noise_of(grey)
    for _ in range(int(np.exp(random.uniform(0, np.log(most + 0.99))))):
        change, extent = _flaw(random, largest_px, grey.shape)
        strength = max(_between(STRENGTHS, random), least)
        change = change * strength * (1 if random.random() < BRIGHTER else -1)
        place = _place(grey, change.shape, random)
        before = result[place]
        after = np.clip(before + change, 0, 255)
        clear = 0.2 * strength
        seen = np.abs(after - before) > max(LEAST_CHANGE, clear)
        if seen.sum() >= 0.3 * max(1, (np.abs(change) > clear).sum()):
            result[place] = after
            where[place] |= extent & (cv2.dilate(seen.astype(np.uint8), NEAR) > 0)
    changed = np.rint(image + (result - grey)[:, :, None])
    return np.clip(changed, 0, 255).astype(np.uint8), where


def noise_of(grey: Field) -> float:
    """The spread of the noise in grey levels, from the differences to the mean of the neighbours."""
    return float(np.median(np.abs(grey - cv2.blur(grey, (3, 3))))) * 1.6


def _flaw(
    random: np.random.Generator, largest_px: float, shape: tuple[int, ...]
) -> tuple[Field, Mask]:
    """A change in 0..1 and its extent, no larger than this shape."""
    kind = random.random()
    if kind < PORES:
        field, extent = _pore(_between((LEAST_PORE_PX, largest_px / 2.5), random), random)
    elif kind < PORES + SPONGES:
        field, extent = _sponge(_between((LEAST_SPONGE_PX, largest_px), random), random)
    else:
        field, extent = _crack(_between((LEAST_CRACK_PX, largest_px), random), random)
    return _fitted(field, shape), _fitted(extent, shape)


def _pore(size: float, random: np.random.Generator) -> tuple[Field, Mask]:
    """An uneven bubble."""
    field = _spot(size, random, random.uniform(0.15, 1.2))
    field = _highest_one(cv2.GaussianBlur(field, (0, 0), random.uniform(0.5, 1.5)))
    return field, field > 0.25


def _sponge(size: float, random: np.random.Generator) -> tuple[Field, Mask]:
    """A region full of small pores; all of it is the flaw."""
    region = _spot(size, random, random.uniform(0.2, 0.8))
    side = region.shape[0]
    grains = _rough(max(3, int(side / random.uniform(1.5, 5))), side, random)
    field = np.clip((grains - random.uniform(-0.5, 1.0)) / random.uniform(0.3, 1.5), 0, 1) * region
    field = _highest_one(cv2.GaussianBlur(field, (0, 0), random.uniform(0.4, 1.0)))
    return field, region > 0.3


def _crack(size: float, random: np.random.Generator) -> tuple[Field, Mask]:
    """A thin crooked line."""
    side = int(size) + 9
    steps = np.cumsum(random.normal(random.normal(size=2), 0.6, (8, 2)), axis=0)
    steps -= (steps.max(axis=0) + steps.min(axis=0)) / 2
    points = steps / max(float(np.abs(steps).max()), 1e-3) * size / 2 + side / 2
    field = np.zeros((side, side), np.float32)
    thickness = int(random.integers(1, 4))
    cv2.polylines(field, [np.rint(points).astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
    field = _highest_one(cv2.GaussianBlur(field, (0, 0), random.uniform(0.5, 1.2)))
    return field, cv2.dilate((field > 0.25).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _spot(size: float, random: np.random.Generator, softness: float) -> Field:
    """An uneven ellipse of about this size, 1 within, softly 0 without."""
    stretch = _between((1, 2.5), random) ** 0.5
    side = int(size * stretch * (1.4 + softness)) + 7
    y, x = np.mgrid[:side, :side].astype(np.float32) - (side - 1) / 2
    angle = random.uniform(0, np.pi)
    across = (x * np.cos(angle) + y * np.sin(angle)) * stretch
    along = (y * np.cos(angle) - x * np.sin(angle)) / stretch
    uneven = _rough(5, side, random) * random.uniform(0, 0.3)
    distance = np.sqrt(across**2 + along**2) / (size / 2) + uneven
    return np.asarray(np.clip((1 - distance) / softness + 0.5, 0, 1), np.float32)


def _rough(cells: int, side: int, random: np.random.Generator) -> Field:
    """Smooth noise of so many cells each way."""
    cells_each_way = np.asarray(random.normal(size=(cells, cells)), np.float32)
    smooth = cv2.resize(cells_each_way, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _highest_one(field: Field) -> Field:
    return np.asarray(field / max(float(field.max()), 1e-3), np.float32)


def _between(bounds: tuple[float, float], random: np.random.Generator) -> float:
    """As often between 4 and 8 as between 8 and 16."""
    low, high = bounds
    return float(np.exp(random.uniform(np.log(low), np.log(max(low, high)))))


Some = TypeVar("Some", Field, Mask)


def _fitted(field: Some, shape: tuple[int, ...]) -> Some:
    """The middle, no larger than this shape."""
    spare = (max(0, a - b) // 2 for a, b in zip(field.shape, shape, strict=True))
    return field[tuple(slice(s, s + b) for s, b in zip(spare, shape, strict=True))]


def _place(grey: Field, shape: tuple[int, ...], random: np.random.Generator) -> tuple[slice, slice]:
    """Where a flaw of this shape goes: on material if some is found."""
    for _ in range(TRIES):
        top, left = (
            int(random.integers(0, a - b + 1)) for a, b in zip(grey.shape, shape, strict=True)
        )
        middle = float(grey[top + shape[0] // 2, left + shape[1] // 2])
        if MATERIAL[0] < middle < MATERIAL[1]:
            break
    return slice(top, top + shape[0]), slice(left, left + shape[1])
