"""Shows frames to virtual cameras: the test driver's HDMI outputs are looped to its capture inputs.

Each camera's node gets its HDMI input and the timings of 720p with the fewest frames a second (24), of
which the driver drops most: an emulated machine does not carry them all. What an output was given last is
seen, byte for byte, until it is given the next.
"""

import fcntl
from collections.abc import Sequence
from typing import Any

import numpy as np
from linuxpy.video import raw
from linuxpy.video.device import (
    BufferType,
    Device,
    VideoOutput,
    set_format,
    set_input,
    set_output,
)
from numpy.typing import NDArray

HDMI_INPUT, HDMI_OUTPUT = 1, 0
NO_TEXT = 2
DROPPED_PERCENT = 75
MAX_TIMINGS = 200
Pixels = NDArray[np.uint8]


class HdmiLoop:
    """A pair of nodes, an output and a capture, joined in the driver."""

    def __init__(self, output: str, capture: str, width: int, height: int) -> None:
        self._device = Device(output)
        self._device.open()
        with Device(capture) as camera:
            self._connect_output_to_camera(camera, width, height)
        set_format(self._device, BufferType.VIDEO_OUTPUT, width, height, "UYVY")
        self._output = VideoOutput(self._device, size=2)
        self._output.open()

    def show(self, frame: Pixels) -> None:
        """Show this UYVY frame to the camera."""
        self._output.write(np.ascontiguousarray(frame).tobytes())

    def close(self) -> None:
        """Stop showing frames."""
        self._output.close()
        self._device.close()

    def _connect_output_to_camera(self, camera: Any, width: int, height: int) -> None:
        set_output(self._device, HDMI_OUTPUT)
        set_input(camera, HDMI_INPUT)
        slowest = _find_slowest_timings(self._device, width, height)
        for node in (self._device, camera):
            timings = raw.v4l2_dv_timings.from_buffer_copy(slowest)
            fcntl.ioctl(node, raw.IOC.S_DV_TIMINGS, timings)
        set_format(camera, BufferType.VIDEO_CAPTURE, width, height, "UYVY")
        camera.controls["loop_video"].value = 1
        camera.controls["osd_text_mode"].value = NO_TEXT
        camera.controls["percentage_of_dropped_buffers"].value = DROPPED_PERCENT


def show_frames(loops: Sequence[HdmiLoop], frames: Sequence[Pixels]) -> None:
    """Show one frame on each loop."""
    for loop, frame in zip(loops, frames, strict=True):
        loop.show(frame)


def _find_slowest_timings(device: Any, width: int, height: int) -> bytes:
    found: list[tuple[float, bytes]] = []
    asked = raw.v4l2_enum_dv_timings()
    for index in range(MAX_TIMINGS):
        asked.index = index
        try:
            fcntl.ioctl(device, raw.IOC.ENUM_DV_TIMINGS, asked)
        except OSError:
            break
        bt = asked.timings.bt
        if (bt.width, bt.height) == (width, height):
            columns = width + bt.hfrontporch + bt.hsync + bt.hbackporch
            rows = height + bt.vfrontporch + bt.vsync + bt.vbackporch
            found.append((bt.pixelclock / (columns * rows), bytes(asked.timings)))
    if not found:
        raise ValueError(f"{device.filename} does not support {width}x{height}")
    return min(found)[1]
