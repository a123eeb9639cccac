"""V4L2 cameras by linuxpy, which is GPL: a station imports it here only, where this is chosen."""

import contextlib
import errno
from collections.abc import Iterator, Sequence
from typing import Any

from capture.configuration import FrameConfiguration
from capture.sources.camera_device import RawFrame, StreamFormat
from capture.sources.streaming import StreamingSource
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.errors import CameraError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import PixelFormat

MIN_BUFFERS = 2
FOURCC: dict[PixelFormat, str] = {
    "UYVY": "UYVY",
    "YUYV": "YUYV",
    "GREY": "GREY",
    "RGB24": "RGB3",
    "NV12": "NV12",
}


def open_v4l2(
    configuration: V4l2Configuration,
    cameras: Sequence[str],
    frame: FrameConfiguration,
    health: ComponentHealth,
    clock: Clock,
) -> StreamingSource:
    """The configured nodes as a source; CameraError where linuxpy is not installed."""
    try:
        import linuxpy.video.device  # noqa: F401
    except ImportError as error:
        raise CameraError(
            "the source v4l2 needs linuxpy, which com.sightline.driver.Cameras brings "
            f"(on a development machine the extra `cameras`): {error}"
        ) from error
    return StreamingSource(configuration, cameras, frame, health, clock, LinuxpyDevice)


class LinuxpyDevice:
    """One open node; see `CameraDevice`."""

    def __init__(self, node: str, wanted: StreamFormat, buffers: int) -> None:
        from linuxpy.video.device import Device, VideoCapture

        self._node = node
        self._device = Device(node)
        self._capture = VideoCapture(self._device, size=buffers)
        try:
            with _camera_errors(node):
                self._device.open()
                self._capture.set_format(wanted.width, wanted.height, FOURCC[wanted.pixel_format])
                self.stream_format = _stream_format(self._capture.get_format())
        except CameraError:
            self.close()
            raise
        self.controls = LinuxpyControls(self._device, node)

    def start(self) -> None:
        """Map and queue the buffers, then let the frames flow."""
        with _camera_errors(self._node):
            self._arm()
            self._capture.stream_on()

    def read(self, timeout_s: float) -> RawFrame | None:
        """The next frame, copied out of its buffer; None when none came in time."""
        from linuxpy.video.device import BufferFlag

        with _camera_errors(self._node):
            frame = self._capture.buffer.frame_reader.read(timeout=timeout_s)
        if frame is None:
            return None
        flags, stamp = frame.buff.flags, frame.buff.timestamp
        return RawFrame(
            content=frame.data,
            timestamp_ns=stamp.secs * 1_000_000_000 + stamp.usecs * 1000,
            sequence=frame.frame_nb,
            is_damaged=bool(flags & BufferFlag.ERROR),
            is_monotonic=flags & BufferFlag.TIMESTAMP_MASK == BufferFlag.TIMESTAMP_MONOTONIC,
        )

    def close(self) -> None:
        """Give the node back; each step by itself, for any of them fails on a camera that is gone."""
        from linuxpy.video.device import Memory

        if self._device.closed:
            return
        mapped = self._capture.buffer
        with contextlib.suppress(OSError):
            self._capture.stream_off()
        for buffer in (mapped.buffers if mapped is not None else None) or ():
            with contextlib.suppress(OSError, BufferError):
                buffer.close()  # one that stays mapped keeps the node busy
        with contextlib.suppress(OSError):
            self._capture.free_buffers(Memory.MMAP)
        with contextlib.suppress(OSError):
            self._device.close()

    def _arm(self) -> None:
        while True:
            try:
                self._capture.arm()
            except OSError as error:
                if error.errno != errno.EINVAL or self._capture.size <= MIN_BUFFERS:
                    raise
                self._capture.size -= (
                    1  # the driver gives fewer, and the library asks after them all
                )
            else:
                return


class LinuxpyControls:
    """A node's controls; see `CameraControls`."""

    def __init__(self, device: Any, node: str) -> None:
        self._device = device
        self._node = node

    def __getitem__(self, name: str) -> int:
        with _camera_errors(f"{self._node}: control {name}"):
            value = self._find(name).value
        if value is None:
            raise CameraError(
                f"{self._node}: control {name} cannot be read, so it cannot be verified"
            )
        return int(value)

    def __setitem__(self, name: str, value: int) -> None:
        with _camera_errors(f"{self._node}: control {name}"):
            self._find(name).value = value

    def _find(self, name: str) -> Any:
        controls = self._device.controls
        try:
            control = controls[int(name, 16) if name.startswith("0x") else name]
        except KeyError:
            raise CameraError(f"{self._node} has no control {name}") from None
        if not hasattr(type(control), "value"):
            raise CameraError(f"{self._node}: control {name} is a button and has no value")
        return control


def _stream_format(found: Any) -> StreamFormat:
    names = {fourcc: name for name, fourcc in FOURCC.items()}
    fourcc = int(found.pixel_format).to_bytes(4, "little").decode("latin-1")
    if fourcc not in names:
        raise CameraError(f"the camera gives {fourcc} {found.width}x{found.height}")
    return StreamFormat(found.width, found.height, names[fourcc], found.bytes_per_line)


@contextlib.contextmanager
def _camera_errors(subject: str) -> Iterator[None]:
    """What the library raises when a camera fails, as CameraError."""
    from linuxpy.video.device import V4L2Error

    try:
        yield
    except OSError as error:
        raise CameraError(f"{subject}: {error.strerror or error}") from error
    except (V4L2Error, ValueError, AttributeError, RuntimeWarning) as error:
        raise CameraError(f"{subject}: {error}") from error
