"""What every source of frames does: it is told what comes next, and gives a part's frames."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sightline.messages import PixelFormat


@dataclass(frozen=True)
class Frame:
    """One camera's frame: `pixels` as the format lays them, (height, width, channels) uint8."""

    camera: str
    pixels: NDArray[np.uint8]
    pixel_format: PixelFormat
    width: int
    height: int


@dataclass(frozen=True)
class CameraFault:
    """A camera that gave no frame for this part, and why."""

    camera: str
    text: str


class FrameSource(Protocol):
    """The cameras of a station; making one raises CameraError while it cannot be had."""

    def expect(self, part_number: int) -> None:
        """Get ready for this part, which is likely to come next; returns at once."""

    def frames(self, part_number: int) -> tuple[Frame | CameraFault, ...]:
        """What each camera saw of the part, in the cameras' order."""

    def close(self) -> None:
        """Let the cameras go."""
