"""Cameras that do as they are told, through the seam of `CameraDevice`.

They stand in because no V4L2 node is here: what a driver does (frames with a time and a number, damaged
ones, silence, errors, a node that vanishes, controls that do not hold) is scripted by the test, and all
logic above the seam is the station's own. tests/faults/test_v4l2_nodes.py does the same with linuxpy
and the kernel's test driver, where there are nodes.
"""

import functools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from capture.configuration import FrameConfiguration
from capture.sources.camera_device import RawFrame, StreamFormat
from capture.sources.streaming import StreamingSource
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import SystemClock
from sightline.configuration import load_configuration
from sightline.errors import CameraError
from sightline.imaging.frame_ring import frame_bytes
from sightline.kernel.health import ComponentHealth
from tests.unit.capture.capture_kit import wait_until

SIZE = FrameConfiguration(width=32, height=16)
MILLISECOND_NS = 1_000_000


class ScriptedControls:
    """Values by name; `refuses` raise when written, `stuck` report success and keep what they have."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self.values = dict(values)
        self.refuses: set[str] = set()
        self.stuck: set[str] = set()

    def __getitem__(self, name: str, /) -> int:
        if name not in self.values:
            raise CameraError(f"no control {name}")
        return self.values[name]

    def __setitem__(self, name: str, value: int, /) -> None:
        if name in self.refuses or name not in self.values:
            raise CameraError(f"control {name} is refused")
        if name not in self.stuck:
            self.values[name] = value


class ScriptedCamera:
    """The node: opened again and again; `push` gives frames to whoever has it open and streaming."""

    def __init__(self, node: str, **controls: int) -> None:
        self.node = node
        self.controls = ScriptedControls(controls)
        self.gives: StreamFormat | None = None
        self.why_away: str | None = None
        self.attempts = 0
        self.opened = 0
        self.closed = 0
        self.silences = 0
        self.streaming = threading.Event()
        self.at_start: Callable[[], None] = lambda: None
        self._events: queue.SimpleQueue[RawFrame | CameraError] = queue.SimpleQueue()
        self.sequence = 0

    def push(
        self,
        timestamp_ns: int,
        shade: int = 100,
        content: bytes | None = None,
        **flags: Any,
    ) -> None:
        """One frame, all bytes of one shade unless its content is given."""
        wanted = self.gives or StreamFormat(SIZE.width, SIZE.height, "UYVY")
        size = frame_bytes(wanted.width, wanted.height, wanted.pixel_format)
        raw = RawFrame(
            content=bytes([shade]) * size if content is None else content,
            timestamp_ns=timestamp_ns,
            sequence=self.sequence,
            **flags,
        )
        self.sequence += 1
        self._events.put(raw)

    def await_silence(self) -> None:
        """Until whoever has it open asked for a frame in vain."""
        before = self.silences
        wait_until("a silence", lambda: self.silences > before)

    def fail(self, why: str) -> None:
        """The next read fails."""
        self._events.put(CameraError(why))

    def open(self, wanted: StreamFormat) -> "ScriptedOpening":
        self.attempts += 1
        if self.why_away is not None:
            raise CameraError(self.why_away)
        self.opened += 1
        return ScriptedOpening(self, self.gives or wanted)

    def next_event(self, timeout_s: float) -> RawFrame | CameraError | None:
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def forget(self) -> None:
        """What was queued is gone with the stream."""
        while self.next_event(0.001) is not None:
            pass


class ScriptedOpening:
    """One opening of a scripted camera."""

    def __init__(self, camera: ScriptedCamera, stream_format: StreamFormat) -> None:
        self._camera = camera
        self.stream_format = stream_format
        self.controls = camera.controls

    def start(self) -> None:
        self._camera.at_start()
        self._camera.forget()
        self._camera.sequence = 0
        self._camera.streaming.set()

    def read(self, timeout_s: float) -> RawFrame | None:
        event = self._camera.next_event(timeout_s)
        if isinstance(event, CameraError):
            raise event
        self._camera.silences += event is None
        return event

    def close(self) -> None:
        self._camera.streaming.clear()
        self._camera.closed += 1


class ScriptedRig:
    """Scripted cameras behind the real source; times are of the machine's own monotonic clock."""

    def __init__(self, names: tuple[str, ...], **values: Any) -> None:
        self.names = names
        self.cameras = {name: ScriptedCamera(f"/dev/{name}") for name in names}
        self.clock = SystemClock()
        self.health = ComponentHealth("capture", "0", "test", self.clock)
        self.values: dict[str, Any] = {
            "cameras": {name: {"node": f"/dev/{name}"} for name in names},
            "droppedFirst": 0,
            "matching": {"freeRunning": False, "arrivalMs": 10_000},
            **values,
        }
        self._source: StreamingSource | None = None

    def start(self) -> StreamingSource:
        by_node = {camera.node: camera for camera in self.cameras.values()}
        self._source = StreamingSource(
            load_configuration(V4l2Configuration, self.values),
            self.names,
            SIZE,
            self.health,
            self.clock,
            lambda node, wanted, _: by_node[node].open(wanted),
        )
        return self._source

    @property
    def source(self) -> StreamingSource:
        assert self._source is not None
        return self._source

    def wait_until_streaming(self, *names: str) -> None:
        """Until these cameras (all, if none is named) are past their first frames."""
        for name in names or self.names:
            wait_until(f"{name} streams", functools.partial(self.streams, name))

    def streams(self, name: str) -> bool:
        return self.health.build_report().gauges.get(f"camera_streams_{name}") == 1.0

    @property
    def faults(self) -> dict[str, str]:
        return {fault.code: fault.text for fault in self.health.build_report().faults}

    def counter(self, name: str) -> int:
        return self.health.build_report().counters.get(name, 0)

    def now_ns(self) -> int:
        return self.clock.monotonic_ns()

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


@contextmanager
def open_rig(*names: str, **values: Any) -> Iterator[ScriptedRig]:
    """A rig that is closed when the test is over; every opening was closed then."""
    rig = ScriptedRig(names, **values)
    try:
        yield rig
    finally:
        rig.close()
    for camera in rig.cameras.values():
        assert camera.closed == camera.opened


def read_shade(frame: object) -> int:
    """The shade of a frame that was pushed."""
    pixels = getattr(frame, "pixels", np.zeros(1, np.uint8))
    return int(pixels.reshape(-1)[0])
