"""From a frame to a model's input: the same steps when serving, training and evaluating.

A preprocessing has a name, which the model file carries. `area-halves-1`: RGB, halved by area while
it is at least twice as large as wanted, then the rest by area. An area filter keeps fine scratches;
the halves are shared by all models of a frame.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.imaging.pixels import to_rgb
from sightline.messaging.messages import PixelFormat

Image = NDArray[np.uint8]
AREA_HALVES = "area-halves-1"


class FramePyramid:
    """One frame as RGB in all sizes asked for so far; (height, width, 3) uint8."""

    def __init__(self, rgb: Image) -> None:
        self._levels: dict[tuple[int, int], Image] = {(rgb.shape[1], rgb.shape[0]): rgb}
        self._whole = rgb

    @classmethod
    def from_frame(cls, frame: Image, pixel_format: PixelFormat) -> "FramePyramid":
        """From a frame as the camera delivered it; nothing of the frame's own memory is kept."""
        rgb = to_rgb(frame, pixel_format)
        return cls(rgb.copy() if np.may_share_memory(rgb, frame) else rgb)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole frame."""
        return self._whole.shape[1], self._whole.shape[0]

    def at_size(self, width: int, height: int) -> Image:
        """The frame at this size."""
        found = self._levels.get((width, height))
        if found is not None:
            return found
        level, size = self._whole, self.size
        while size[0] >= 2 * width and size[1] >= 2 * height:
            size = (size[0] // 2, size[1] // 2)
            level = self._get_or_resize_level(level, size)
        if size != (width, height):
            level = self._resize_level(level, (width, height))
        return level

    def _get_or_resize_level(self, level: Image, size: tuple[int, int]) -> Image:
        found = self._levels.get(size)
        return found if found is not None else self._resize_level(level, size)

    def _resize_level(self, level: Image, size: tuple[int, int]) -> Image:
        resized: Image = cv2.resize(level, size, interpolation=cv2.INTER_AREA)
        self._levels[size] = resized
        return resized


Preprocessing = Callable[[FramePyramid, int, int], Image]
PREPROCESSINGS: dict[str, Preprocessing] = {AREA_HALVES: FramePyramid.at_size}
