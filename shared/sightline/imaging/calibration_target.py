"""The printed target of the calibration: a ChArUco board, as capture looks for it and as it is printed.

Ten by seven squares; each white one carries a marker with a number of its own, so that a target that
is partly hidden, upside down or another one shows as such. Printed at 100 %: the squares have a size.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 10, 7
MARKER_SHARE = 0.75
MODULES = 6  # a marker's width: four bits and the frame around them
POINTS = (COLUMNS - 1) * (ROWS - 1)
MIN_SQUARE_MM, MAX_SQUARE_MM = 2.0, 100.0
DEFAULT_SQUARE_MM = 15.0
QUIET_SQUARES = 1.0


@dataclass(frozen=True)
class CalibrationTarget:
    """The target with squares of this size in mm; ValueError if nobody could print it."""

    square_mm: float = DEFAULT_SQUARE_MM

    def __post_init__(self) -> None:
        if not MIN_SQUARE_MM <= self.square_mm <= MAX_SQUARE_MM:
            raise ValueError(
                f"a square is {self.square_mm} mm; {MIN_SQUARE_MM:g} to {MAX_SQUARE_MM:g} mm "
                "are allowed"
            )

    @cached_property
    def board(self) -> Any:
        """The board as OpenCV has it, in mm."""
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        marker_mm = MARKER_SHARE * self.square_mm
        return cv2.aruco.CharucoBoard((COLUMNS, ROWS), self.square_mm, marker_mm, dictionary)

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the squares together."""
        return COLUMNS * self.square_mm, ROWS * self.square_mm

    def render(self, pixels_a_square: int) -> NDArray[np.uint8]:
        """The squares as a grey picture, without anything around them."""
        size = (COLUMNS * pixels_a_square, ROWS * pixels_a_square)
        return np.asarray(self.board.generateImage(size), np.uint8)


def build_target_svg(target: CalibrationTarget) -> str:
    """The target as SVG in mm, with its size and a ruler to check the print by."""
    square, quiet = target.square_mm, QUIET_SQUARES * target.square_mm
    width, height = (side + 2 * quiet for side in target.size_mm)
    foot = 14.0
    shapes = [*_build_black_squares_svg(square), *_build_markers_svg(target)]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height + foot:g}mm" '
        f'viewBox="0 0 {width:g} {height + foot:g}">\n'
        f'<rect width="{width:g}" height="{height + foot:g}" fill="#fff"/>\n'
        f'<g transform="translate({quiet:g} {quiet:g})" fill="#000" shape-rendering="crispEdges">\n'
        + "\n".join(shapes)
        + f"\n</g>\n{_build_footer_svg(target, quiet, height)}\n</svg>\n"
    )


def _build_black_squares_svg(square: float) -> list[str]:
    return [
        _build_rect_svg(column * square, row * square, square)
        for row in range(ROWS)
        for column in range(COLUMNS)
        if (row + column) % 2 == 0
    ]


def _build_markers_svg(target: CalibrationTarget) -> list[str]:
    """The black modules of each marker, where the board has it."""
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    module = MARKER_SHARE * target.square_mm / MODULES
    shapes = []
    numbers = np.asarray(target.board.getIds()).reshape(-1)
    for number, corners in zip(numbers, target.board.getObjPoints(), strict=True):
        left, top = (float(side) for side in np.asarray(corners)[0][:2])
        bits = cv2.aruco.generateImageMarker(dictionary, int(number), MODULES)
        shapes += [
            _build_rect_svg(left + column * module, top + row * module, module)
            for row, column in zip(*np.nonzero(np.asarray(bits) == 0), strict=True)
        ]
    return shapes


def _build_rect_svg(x: float, y: float, side: float) -> str:
    return f'<rect x="{x:.4f}" y="{y:.4f}" width="{side:.4f}" height="{side:.4f}"/>'


def _build_footer_svg(target: CalibrationTarget, left: float, top: float) -> str:
    """What it is, and 50 mm to lay a ruler on."""
    ruler = f"M{left:g} {top:g}v3m0-1.5h50m0-1.5v3"
    words = (
        f"Sightline target, {COLUMNS} x {ROWS} squares of {target.square_mm:g} mm. "
        "Print at 100 %: the line above is 50 mm."
    )
    return (
        f'<path d="{ruler}" stroke="#000" stroke-width="0.3" fill="none"/>\n'
        f'<text x="{left:g}" y="{top + 8:g}" font-family="sans-serif" font-size="4">{words}</text>'
    )
