"""Pictures of the printed target as a camera would see it, at a scale that is known."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.imaging.calibration_target import CalibrationTarget

Luma = NDArray[np.uint8]
FOCAL_PX = 2000.0
PIXELS_A_SQUARE = 40
GROUND = 90.0


@dataclass(frozen=True)
class TargetView:
    """A camera before the target: its scale, and what makes the sight of it worse."""

    mm_per_pixel: float = 0.2
    square_mm: float = 15.0
    tilt_deg: float = 0.0
    tilt_axis_deg: float = 0.0
    turn_deg: float = 0.0
    right_px: float = 0.0
    noise: float = 0.0
    blur_px: float = 0.0
    size: tuple[int, int] = (1280, 720)


def render_target(sight: TargetView) -> Luma:
    """The luma of the frame; rendered at twice the size, so that edges are as soft as a camera's."""
    width, height = sight.size
    square = PIXELS_A_SQUARE
    board = CalibrationTarget(sight.square_mm).render(square)
    board = np.pad(board, square, constant_values=255)
    to_twice = np.diag([2.0, 2.0, 1.0]) @ _projection(sight, board.shape)
    whole = cv2.warpPerspective(
        board, to_twice, (2 * width, 2 * height), flags=cv2.INTER_AREA, borderValue=GROUND
    )
    picture = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)
    if sight.blur_px:
        picture = cv2.GaussianBlur(picture, (0, 0), sight.blur_px)
    noise = np.random.default_rng(1).normal(0, sight.noise, picture.shape)
    return np.asarray(np.clip(25 + 0.7 * picture + noise, 0, 255), np.uint8)


def _projection(sight: TargetView, board: tuple[int, ...]) -> NDArray[np.float64]:
    """From pixels of the board's picture to pixels of the frame."""
    width, height = sight.size
    mm = sight.square_mm / PIXELS_A_SQUARE
    to_mm = np.array([[mm, 0, -board[1] / 2 * mm], [0, mm, -board[0] / 2 * mm], [0, 0, 1]])
    axis = np.radians(sight.tilt_axis_deg)
    tilted = np.radians(sight.tilt_deg) * np.array([np.cos(axis), np.sin(axis), 0.0])
    turned = np.array([0.0, 0.0, np.radians(sight.turn_deg)])
    rotation = np.asarray(cv2.Rodrigues(tilted)[0]) @ np.asarray(cv2.Rodrigues(turned)[0])
    camera = np.array([[FOCAL_PX, 0, width / 2], [0, FOCAL_PX, height / 2], [0, 0, 1]], np.float64)
    away_mm = FOCAL_PX * sight.mm_per_pixel
    place = np.array([sight.right_px * sight.mm_per_pixel, 0.0, away_mm])
    return np.asarray(camera @ np.c_[rotation[:, 0], rotation[:, 1], place] @ to_mm)
