"""The seam to a camera: what its reader needs of it, whatever library is behind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sightline.errors import CameraError
from sightline.imaging.frame_ring import frame_bytes, frame_shape
from sightline.messaging.messages import PixelFormat


@dataclass(frozen=True)
class StreamFormat:
    """Size in pixels and format of the frames; `bytes_per_line` of 0: lines without padding."""

    width: int
    height: int
    pixel_format: PixelFormat
    bytes_per_line: int = 0


@dataclass(frozen=True)
class RawFrame:
    """A frame as the driver gave it: its bytes, its time and number, and what its flags say.

    `is_damaged`: the ERROR flag; `is_monotonic`: `timestamp_ns` is of CLOCK_MONOTONIC.
    """

    content: bytes
    timestamp_ns: int
    sequence: int
    is_damaged: bool = False
    is_monotonic: bool = True


class CameraControls(Protocol):
    """A camera's own values, read from it and written to it at once, by name or 0x number."""

    def __getitem__(self, name: str, /) -> int: ...

    def __setitem__(self, name: str, value: int, /) -> None: ...


class CameraDevice(Protocol):
    """An open camera; every method raises CameraError when the camera fails or is gone.

    `stream_format` is the format as the driver gives it back.
    """

    @property
    def stream_format(self) -> StreamFormat: ...

    @property
    def controls(self) -> CameraControls: ...

    def start(self) -> None:
        """Let the frames flow."""

    def read(self, timeout_s: float) -> RawFrame | None:
        """The next frame; None when none came in time."""

    def close(self) -> None:
        """Give the node back, whatever state it is in; never raises."""


OpenDevice = Callable[[str, StreamFormat, int], CameraDevice]  # node, wanted format, buffers


def check_stream_format(wanted: StreamFormat, found: StreamFormat) -> None:
    """CameraError if the driver adjusted the format: it does so in silence."""
    if (wanted.width, wanted.height, wanted.pixel_format) != (
        found.width,
        found.height,
        found.pixel_format,
    ):
        raise CameraError(
            f"the camera gives {_describe_format(found)}; {_describe_format(wanted)} was requested"
        )


def decode_pixels(content: bytes, layout: StreamFormat) -> NDArray[np.uint8]:
    """The frame's array without the padding of its lines; CameraError if bytes are lacking."""
    width, height, pixel_format = layout.width, layout.height, layout.pixel_format
    shape = frame_shape(width, height, pixel_format)
    line = frame_bytes(width, height, pixel_format) // shape[0]
    stride = max(layout.bytes_per_line, line)
    lacking = stride * (shape[0] - 1) + line - len(content)
    if lacking > 0:
        raise CameraError(f"a frame of {len(content)} bytes is incomplete; {lacking} are lacking")
    if stride == line:
        return np.frombuffer(content, np.uint8, line * shape[0]).reshape(shape)
    padded = np.zeros(stride * shape[0], np.uint8)
    padded[: min(len(content), padded.size)] = np.frombuffer(content, np.uint8)[: padded.size]
    return np.ascontiguousarray(padded.reshape(shape[0], stride)[:, :line]).reshape(shape)


def _describe_format(stream_format: StreamFormat) -> str:
    return f"{stream_format.pixel_format} {stream_format.width}x{stream_format.height}"
