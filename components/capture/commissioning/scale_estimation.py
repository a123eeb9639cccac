"""From a picture of the printed target to mm per pixel: pure. What is no good is refused in words.

The target lies where the parts' surface is, and about square to the camera. The scale is that of the
target's middle along the direction that its tilt does not shorten; the tilt is limited, for a part
that stands nearer or farther has another scale.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import CameraError
from sightline.imaging.calibration_target import MARKER_SHARE, POINTS, CalibrationTarget

Floats = NDArray[np.float64]
MAX_TILT_DEG = 20.0
MAX_REPROJECTION_PX = 1.0
MIN_SQUARE_PX = 12.0
MAX_EDGE_SHARE = 0.18  # of a square, over which black turns to white
MAX_EDGE_PX = 6.0


@dataclass(frozen=True)
class TargetScale:
    """What a target showed: mm per pixel, how well it fits (RMS), its tilt, how many points were seen."""

    mm_per_pixel: float
    reprojection_px: float
    tilt_deg: float
    points: int


def estimate_scale(luma: NDArray[np.uint8], target: CalibrationTarget) -> TargetScale:
    """The scale by the target in the picture; CameraError says what is wrong with the sight of it."""
    corners, points = _find_corners(luma, target)
    to_pixels = _homography(points, corners)
    middle = np.array([side / 2 for side in target.size_mm])
    jacobian = _jacobian(to_pixels, middle)
    longest, shortest = (float(value) for value in np.linalg.svd(jacobian, compute_uv=False))
    tilt_deg = float(np.degrees(np.arccos(np.clip(shortest / longest, 0.0, 1.0))))
    reprojection_px = _reprojection_rms(to_pixels, points, corners)
    _refuse_bad(luma, corners, longest * target.square_mm, tilt_deg, reprojection_px)
    return TargetScale(1 / longest, reprojection_px, tilt_deg, len(corners))


def _find_corners(luma: NDArray[np.uint8], target: CalibrationTarget) -> tuple[Floats, Floats]:
    """The inner corners in pixels and in mm; CameraError unless all are in sight."""
    detector = cv2.aruco.CharucoDetector(target.board)
    corners, numbers, markers, _ = detector.detectBoard(luma)
    if markers is None or len(markers) == 0:
        raise CameraError("No target is visible. Check that it is in the picture, lit and in focus")
    if numbers is None or len(numbers) < POINTS:
        _refuse_blurred_markers(luma, [np.asarray(marker).reshape(-1, 2) for marker in markers])
        seen = 0 if numbers is None else len(numbers)
        raise CameraError(
            f"Only {seen} of the target's {POINTS} points are visible; all of it must be in the "
            "picture, nothing before it, in focus and without glare"
        )
    all_points = np.asarray(target.board.getChessboardCorners(), np.float64)[:, :2]
    chosen = all_points[np.asarray(numbers).reshape(-1)]
    return np.asarray(corners, np.float64).reshape(-1, 2), chosen


def _homography(points: Floats, corners: Floats) -> Floats:
    found, _ = cv2.findHomography(points, corners, 0)
    if found is None:
        raise CameraError("The target's points do not lie in a plane. Check that it is not bent")
    return np.asarray(found, np.float64)


def _project(to_pixels: Floats, points: Floats) -> Floats:
    projected = np.c_[points, np.ones(len(points))] @ to_pixels.T
    return np.asarray(projected[:, :2] / projected[:, 2:], np.float64)


def _jacobian(to_pixels: Floats, point: Floats) -> Floats:
    """Pixels per mm at a point of the target, as a matrix."""
    u, v, w = to_pixels @ np.append(point, 1.0)
    upper = to_pixels[:2, :2] * w - np.outer([u, v], to_pixels[2, :2])
    return np.asarray(upper / w**2, np.float64)


def _reprojection_rms(to_pixels: Floats, points: Floats, corners: Floats) -> float:
    offsets = _project(to_pixels, points) - corners
    return float(np.sqrt((offsets**2).sum(axis=1).mean()))


def _refuse_bad(
    luma: NDArray[np.uint8],
    corners: Floats,
    square_px: float,
    tilt_deg: float,
    reprojection_px: float,
) -> None:
    if square_px < MIN_SQUARE_PX:
        raise CameraError(
            f"The target is too small in the picture: a square is {square_px:.1f} px wide, "
            f"at least {MIN_SQUARE_PX:.0f} are needed; take a larger one"
        )
    _refuse_blurred(luma, corners, square_px)
    if tilt_deg > MAX_TILT_DEG:
        raise CameraError(
            f"The target is tilted by {tilt_deg:.0f} degrees against the camera; "
            f"at most {MAX_TILT_DEG:.0f} are allowed"
        )
    if reprojection_px > MAX_REPROJECTION_PX:
        raise CameraError(
            f"The target's points are {reprojection_px:.2f} px off a plane; at most "
            f"{MAX_REPROJECTION_PX:.1f} are allowed. Check that it is not bent, and the lens for distortion"
        )


def _refuse_blurred(luma: NDArray[np.uint8], corners: Floats, square_px: float) -> None:
    edge_px = measure_edge_width_px(luma, corners, square_px)
    if edge_px > min(MAX_EDGE_PX, MAX_EDGE_SHARE * square_px):
        raise CameraError(
            f"The target is blurred: its edges are {edge_px:.1f} px wide; turn the lens to the "
            "highest focus score first"
        )


def _refuse_blurred_markers(luma: NDArray[np.uint8], markers: list[Floats]) -> None:
    """Say so if those markers that were read are blurred, for then that is what hides the others."""
    sides = [float(np.linalg.norm(marker[1] - marker[0])) for marker in markers]
    _refuse_blurred(luma, np.concatenate(markers), float(np.median(sides)) / MARKER_SHARE)


def measure_edge_width_px(luma: NDArray[np.uint8], corners: Floats, square_px: float) -> float:
    """How many pixels an edge between black and white takes: contrast over the steepest step.

    Looked at in small windows around the target's points; the median of them.
    """
    half = max(3, round(square_px / 3))
    grey = luma.astype(np.float32)
    widths = []
    for x, y in np.rint(corners).astype(int):
        window = grey[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
        if min(window.shape) < 4:
            continue
        contrast = float(np.percentile(window, 95) - np.percentile(window, 5))
        right = cv2.Sobel(window, cv2.CV_32F, 1, 0, ksize=3) / 8
        down = cv2.Sobel(window, cv2.CV_32F, 0, 1, ksize=3) / 8
        steepest = float(np.percentile(np.hypot(right, down), 98))
        widths.append(contrast / max(steepest, 1e-3))
    return float(np.median(widths)) if widths else float("inf")
