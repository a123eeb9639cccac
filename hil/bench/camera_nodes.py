"""Reads V4L2 device nodes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hil.bench.bench_description import FrameSettings
from sightline.imaging.frame_ring import frame_shape
from sightline.imaging.pixels import to_rgb

CONTROL_DELAY_FRAMES = 6
FOURCC = {"UYVY": "UYVY", "YUYV": "YUYV", "GREY": "GREY", "RGB24": "RGB3", "NV12": "NV12"}


def read_identity(node: str) -> str:
    """A node's card, bus and driver, as one line."""
    from linuxpy.video.device import Device

    with Device(node) as device:
        info = device.info
        return f"{info.card} {info.bus_info} {info.driver}"


def measure_brightness(
    node: str, frames: FrameSettings, control: str, values: tuple[int, ...]
) -> list[float]:
    """The mean brightness at each value of a control, which is restored afterwards.

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
                return [
                    _measure_mean(device.controls, control, value, seen, frames) for value in values
                ]
        finally:
            device.controls[control].value = before


def resolve_node(node: str) -> Path:
    """Resolve a node's symbolic links."""
    return Path(node).resolve()


def _measure_mean(
    controls: Any, control: str, value: int, seen: Iterator[Any], frames: FrameSettings
) -> float:
    controls[control].value = value
    for _ in range(CONTROL_DELAY_FRAMES):
        frame = next(seen)
    shape = frame_shape(frames.width, frames.height, frames.pixel_format)
    pixels = np.frombuffer(frame.data, np.uint8)[: int(np.prod(shape))].reshape(shape)
    return float(to_rgb(pixels, frames.pixel_format).mean())
