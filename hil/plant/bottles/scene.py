"""Renders the conveyor and background, and simulates the camera."""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from hil.plant.bottles.number_plate import Picture, draw_part_number
from hil.plant.bottles.severity import NOISE_GREY_LEVELS
from hil.plant.bottles.shape import BOTTLE_HEIGHT_PX, PATCH_WIDTH_PX, FloatImage

PICTURE_WIDTH_PX, PICTURE_HEIGHT_PX = 1280, 720
FLOOR_PX = 668
NOISE_PATCHES = 6
_CAMERA_TINT = ((1.02, 1.0, 0.97), (0.98, 1.0, 1.03), (1.0, 1.0, 1.0), (1.03, 0.99, 0.98))


@functools.cache
def render_empty_line(camera: int) -> Picture:
    """The conveyor as one camera sees it without a part, (720, 1280, 3) BGR."""
    random = np.random.default_rng(9_000 + camera)
    rows = np.linspace(0, 1, PICTURE_HEIGHT_PX, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, PICTURE_WIDTH_PX, dtype=np.float32)[None, :]
    wall = 88 - 26 * rows - 22 * columns**2 + 6 * np.sin(columns * 9 + camera)
    stain = cv2.resize(
        random.normal(0, 5, (9, 16)).astype(np.float32), (1280, 720), interpolation=cv2.INTER_CUBIC
    )
    grey = wall + stain
    for place in random.integers(60, PICTURE_WIDTH_PX - 60, 3):
        grey[: FLOOR_PX - 40, place : place + int(random.integers(12, 30))] -= 18
    grey[FLOOR_PX - 40 : FLOOR_PX - 24] = 128 - 20 * columns**2
    grey[FLOOR_PX - 24 :] = 52 + 10 * (np.arange(PICTURE_WIDTH_PX) // 44 % 2)[None, :]
    grey[FLOOR_PX - 24 : FLOOR_PX - 20] = 30
    tint = np.array(_CAMERA_TINT[camera % 4], np.float32) * np.array([1.06, 1.0, 0.94], np.float32)
    return np.asarray(np.clip(grey[:, :, None] * tint, 0, 255), dtype=np.uint8)


@functools.cache
def sensor_noise(index: int) -> NDArray[np.int16]:
    """One of a few noise fields larger than a picture, so that each picture cuts its own window."""
    random = np.random.default_rng(5_000 + index)
    field = np.empty((PICTURE_HEIGHT_PX + 64, PICTURE_WIDTH_PX + 64), np.int16)
    field[:] = np.round(random.normal(0, NOISE_GREY_LEVELS, field.shape))
    return field


def render_picture(
    body: FloatImage | None,
    opacity: FloatImage | None,
    camera: int,
    number: int,
    random: np.random.Generator,
) -> tuple[Picture, tuple[int, int]]:
    """A picture of one bottle (or none), BGR, and where the bottle's patch begins (x, y)."""
    picture = render_empty_line(camera).copy()
    place = _choose_place(random)
    if body is not None and opacity is not None:
        _draw_shadow(picture, place)
        _blend_bottle(picture, body, opacity, camera, place)
    picture = _apply_exposure(picture, random)
    draw_part_number(picture, number)
    return picture, place


def _choose_place(random: np.random.Generator) -> tuple[int, int]:
    x = (PICTURE_WIDTH_PX - PATCH_WIDTH_PX) // 2 + int(random.integers(-70, 71))
    y = FLOOR_PX - BOTTLE_HEIGHT_PX - 6 + int(random.integers(-6, 7))
    return x, y


def _blend_bottle(
    picture: Picture, body: FloatImage, opacity: FloatImage, camera: int, place: tuple[int, int]
) -> None:
    x, y = place
    window = picture[y : y + BOTTLE_HEIGHT_PX, x : x + PATCH_WIDTH_PX]
    tint = np.array(_CAMERA_TINT[camera % 4], np.float32)
    colour = np.clip(body, 4, 252)[:, :, None] * tint
    alpha = opacity[:, :, None]
    window[:] = np.clip(colour * alpha + window * (1 - alpha), 0, 255).astype(np.uint8)


def _draw_shadow(picture: Picture, place: tuple[int, int]) -> None:
    x, foot = place[0] + PATCH_WIDTH_PX // 2, place[1] + BOTTLE_HEIGHT_PX
    top, bottom = foot - 14, min(PICTURE_HEIGHT_PX, foot + 22)
    rows, columns = np.mgrid[top:bottom, x - 190 : x + 190].astype(np.float32)
    depth = np.exp(-(((columns - x) / 120) ** 2) - ((rows - foot) / 10) ** 2)
    window = picture[top:bottom, x - 190 : x + 190]
    window[:] = (window * (1 - 0.55 * depth[:, :, None])).astype(np.uint8)


def _apply_exposure(picture: Picture, random: np.random.Generator) -> Picture:
    gain = float(random.uniform(0.92, 1.08))
    noise = sensor_noise(int(random.integers(NOISE_PATCHES)))
    y, x = (int(value) for value in random.integers(0, 64, 2))
    window = noise[y : y + PICTURE_HEIGHT_PX, x : x + PICTURE_WIDTH_PX]
    exposed = cv2.convertScaleAbs(picture, alpha=gain)
    grey = cv2.merge([window, window, window])
    return np.asarray(cv2.add(exposed, grey, dtype=cv2.CV_8U), dtype=np.uint8)
