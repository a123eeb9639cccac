"""Controls of a camera: set before the stream, set again and verified while it runs.

A camera may report success while its sensor is off and take nothing, or take a value only before or
only during the stream. So what counts is what it reads back while frames flow.
"""

import contextlib
from collections.abc import Mapping

from capture.sources.camera_device import CameraControls
from sightline.errors import CameraError


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
