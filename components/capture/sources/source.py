"""What every source of frames does: it is told what comes next, and gives a part's frames."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from capture.configuration import FrameConfiguration
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.messaging.messages import PixelFormat


@dataclass(frozen=True)
class CameraFrame:
    """One camera's frame: `pixels` as the format lays them, (height, width, channels) uint8.

    `captured_monotonic_ns` is the driver's time of it, where there is a driver; `exposure_us` is what the
    camera told of its exposure, within the last second.
    """

    camera: str
    pixels: NDArray[np.uint8]
    pixel_format: PixelFormat
    width: int
    height: int
    captured_monotonic_ns: int | None = None
    exposure_us: int | None = None


@dataclass(frozen=True)
class CameraFault:
    """A camera that gave no frame for this part, and why."""

    camera: str
    text: str


class FrameSource(Protocol):
    """The cameras of a station; making one raises CameraError while it cannot be had.

    `finds_frames_late`: a part's frames are found also when they are asked for late; else what it gives then
    may show another part. `reconnects_itself`: it looks after cameras that are away by itself; else it is
    closed and made anew when none of its cameras gave a frame.
    """

    @property
    def reconnects_itself(self) -> bool: ...

    @property
    def finds_frames_late(self) -> bool: ...

    def expect(self, part_number: int) -> None:
        """Get ready for this part, which is likely to come next; returns at once."""

    def collect_frames(
        self, part_number: int, triggered_monotonic_ns: int
    ) -> tuple[CameraFrame | CameraFault, ...]:
        """What each camera saw of the part that triggered then, in the cameras' order."""

    def close(self) -> None:
        """Let the cameras go."""


@runtime_checkable
class PreviewSource(Protocol):
    """A source that shows what its cameras see also where no part is; used by other threads."""

    def latest(self) -> tuple[CameraFrame | CameraFault, ...]:
        """Each camera's newest frame, in the cameras' order; takes nothing away from a part."""


@runtime_checkable
class SizedSource(FrameSource, Protocol):
    """A source that knows itself how large its frames are."""

    @property
    def frame(self) -> FrameConfiguration: ...


@runtime_checkable
class AdjustableSource(FrameSource, Protocol):
    """A source whose cameras take other controls while they stream."""

    def adjust(self, configuration: V4l2Configuration) -> None:
        """Set these controls; until they hold, the cameras that change give no frame."""
