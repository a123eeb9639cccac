"""What V4L2 nodes tell of themselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hil.bench.description import Frames
from sightline.frames import frame_shape
from sightline.pixels import to_rgb

FRAMES_UNTIL_IT_FOLLOWS = 6
FOURCC = {"UYVY": "UYVY", "YUYV": "YUYV", "GREY": "GREY", "RGB24": "RGB3", "NV12": "NV12"}


def identity_of(node: str) -> str:
    """Card, bus and driver of a node, in one line."""
    from linuxpy.video.device import Device

    with Device(node) as device:
        info = device.info
        return f"{info.card} {info.bus_info} {info.driver}"


def brightness_at(node: str, frames: Frames, control: str, values: tuple[int, ...]) -> list[float]:
    """The mean of the pictures that a node gives at each value of a control; it is set back after.

    Of each value the last of a few frames is taken: a sensor needs some until it follows.
    """
    from linuxpy.video.device import Device, VideoCapture

    with Device(node) as device:
        before = device.controls[control].value
        camera = VideoCapture(device)
        camera.set_format(frames.width, frames.height, FOURCC[frames.pixel_format])
        try:
            with camera:
                seen = iter(camera)
                return [_mean_at(device.controls, control, value, seen, frames) for value in values]
        finally:
            device.controls[control].value = before


def resolved(node: str) -> Path:
    """The node itself, behind its links."""
    return Path(node).resolve()


def _mean_at(controls: Any, control: str, value: int, seen: Iterator[Any], frames: Frames) -> float:
    controls[control].value = value
    for _ in range(FRAMES_UNTIL_IT_FOLLOWS):
        frame = next(seen)
    shape = frame_shape(frames.width, frames.height, frames.pixel_format)
    pixels = np.frombuffer(frame.data, np.uint8)[: int(np.prod(shape))].reshape(shape)
    return float(to_rgb(pixels, frames.pixel_format).mean())
