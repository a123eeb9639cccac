"""Controls of a camera: set before the stream, set again and verified while it runs.

A camera may report success while its sensor is off and take nothing, or take a value only before or
only during the stream. So what counts is what it reads back while frames flow.
"""

import contextlib
from collections.abc import Mapping

from capture.sources.camera_device import CameraControls
from sightline.errors import CameraError

EXPOSURE_TIME = "0x9a0902"  # V4L2_CID_EXPOSURE_ABSOLUTE
EXPOSURE_UNIT_US = 100
EXPOSURE_READ_INTERVAL_S = (
    1.0  # with automatic exposure it changes; a question may take a camera milliseconds
)


def set_controls(controls: CameraControls, asked: Mapping[str, int]) -> None:
    """Write each value; what is refused now is refused again when it is verified."""
    for name, value in asked.items():
        with contextlib.suppress(CameraError):
            controls[name] = value


def verify_controls(controls: CameraControls, asked: Mapping[str, int]) -> None:
    """Write and read back while frames flow; CameraError names the control that does not hold.

    Written twice: one control may free another (manual exposure the exposure time), in any order.
    """
    set_controls(controls, asked)
    for name, value in asked.items():
        if controls[name] != value:
            controls[name] = value
    for name, value in asked.items():
        found = controls[name]
        if found != value:
            raise CameraError(f"the control {name} reads {found}; {value} was set")


class ExposureTime:
    """How long a camera exposes; None where it does not tell."""

    def __init__(self, controls: CameraControls) -> None:
        self._controls: CameraControls | None = controls
        self._exposure_us: int | None = None
        self._read_at_s = float("-inf")

    def read_us(self, now_s: float) -> int | None:
        """Microseconds, as the camera said within the last second."""
        if self._controls is not None and now_s - self._read_at_s >= EXPOSURE_READ_INTERVAL_S:
            self._read_at_s = now_s
            try:
                self._exposure_us = self._controls[EXPOSURE_TIME] * EXPOSURE_UNIT_US
            except CameraError:
                self._controls, self._exposure_us = None, None
        return self._exposure_us
