"""Draws the part's number into a picture and reads it back."""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
DIGITS = 6
DIGIT_WIDTH_PX, DIGIT_HEIGHT_PX = 24, 36
PLATE_LEFT_PX, PLATE_TOP_PX = 16, 16


@functools.cache
def _draw_digit(digit: int) -> Picture:
    glyph = np.zeros((DIGIT_HEIGHT_PX, DIGIT_WIDTH_PX), np.uint8)
    cv2.putText(glyph, str(digit), (2, 31), cv2.FONT_HERSHEY_DUPLEX, 1.05, 255, 2, cv2.LINE_AA)
    return glyph


def draw_part_number(picture: Picture, number: int) -> None:
    """Write the number, six white digits on black, into the upper left corner, in place."""
    glyphs = np.hstack([_draw_digit(int(digit)) for digit in f"{number % 10**DIGITS:0{DIGITS}}"])
    height, width = glyphs.shape
    picture[
        PLATE_TOP_PX - 6 : PLATE_TOP_PX + height + 6, PLATE_LEFT_PX - 6 : PLATE_LEFT_PX + width + 6
    ] = 0
    picture[PLATE_TOP_PX : PLATE_TOP_PX + height, PLATE_LEFT_PX : PLATE_LEFT_PX + width] = glyphs[
        :, :, None
    ]


def read_part_number(picture: Picture) -> int | None:
    """Read the number in a BGR picture; None if it cannot be read with certainty."""
    plate = cv2.cvtColor(picture[: 2 * DIGIT_HEIGHT_PX, :200], cv2.COLOR_BGR2GRAY)
    number = 0
    for place in range(DIGITS):
        left = PLATE_LEFT_PX + place * DIGIT_WIDTH_PX
        cell = plate[PLATE_TOP_PX : PLATE_TOP_PX + DIGIT_HEIGHT_PX, left : left + DIGIT_WIDTH_PX]
        digit = _read_digit(cell.astype(np.float32))
        if digit is None:
            return None
        number = number * 10 + digit
    return number


def _read_digit(cell: NDArray[np.float32]) -> int | None:
    errors = [float(np.abs(cell - _draw_digit(digit)).mean()) for digit in range(10)]
    best = int(np.argmin(errors))
    return best if errors[best] < 30 else None
