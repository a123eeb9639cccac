"""Cameras that stream: each in a thread of its own, a part's frames by the time of its trigger."""

import threading
from collections.abc import Sequence

from capture.configuration import FrameConfiguration
from capture.sources.camera_device import OpenDevice, StreamFormat
from capture.sources.camera_reader import CameraReader
from capture.sources.frame_matching import build_match_window
from capture.sources.source import CameraFault, CameraFrame
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth


class StreamingSource:
    """Frames of the window around each trigger; a camera that is away holds up no other."""

    reconnects_itself = True

    def __init__(
        self,
        configuration: V4l2Configuration,
        cameras: Sequence[str],
        frame: FrameConfiguration,
        health: ComponentHealth,
        clock: Clock,
        open_device: OpenDevice,
    ) -> None:
        self._matching = configuration.matching
        self.finds_frames_late = configuration.matching.free_running
        self._clock = clock
        self._arrived = threading.Condition()
        wanted = StreamFormat(frame.width, frame.height, configuration.pixel_format)
        self._readers = tuple(
            CameraReader(camera, wanted, configuration, open_device, self._arrived, health)
            for camera in cameras
        )
        for reader in self._readers:
            reader.start()

    def expect(self, part_number: int) -> None:
        """Nothing to prepare: the cameras stream."""

    def collect_frames(
        self, part_number: int, triggered_monotonic_ns: int
    ) -> tuple[CameraFrame | CameraFault, ...]:
        """Each camera's frame of the trigger's time, as soon as all have it or cannot have it."""
        window = build_match_window(triggered_monotonic_ns, self._matching)
        with self._arrived:
            while not all(reader.is_decided(window) for reader in self._readers):
                left_ns = window.arrives_by_ns - self._clock.monotonic_ns()
                if left_ns <= 0:
                    break
                self._arrived.wait(left_ns / 1e9)
            return tuple(reader.match_frame(window) for reader in self._readers)

    def latest(self) -> tuple[CameraFrame | CameraFault, ...]:
        """Each camera's newest frame, whether a part took it or not."""
        with self._arrived:
            return tuple(reader.newest_frame() for reader in self._readers)

    def adjust(self, configuration: V4l2Configuration) -> None:
        """Set these controls on the cameras whose own changed, while all stream on."""
        with self._arrived:
            for reader in self._readers:
                reader.adjust(configuration)

    def close(self) -> None:
        """Stop reading and give all nodes back."""
        for reader in self._readers:
            reader.stop()
        for reader in self._readers:
            reader.join()
