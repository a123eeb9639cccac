"""Cameras that stream: each in a thread of its own, a part's frames by the time of its trigger."""

import threading
from collections.abc import Sequence

from capture.configuration import FrameConfiguration
from capture.sources.camera_device import OpenDevice, StreamFormat
from capture.sources.camera_reader import CameraReader
from capture.sources.matching import window_of
from capture.sources.source import CameraFault, Frame
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.health import Health


class LiveSource:
    """Frames of the window around each trigger; a camera that is away holds up no other."""

    opens_again = True

    def __init__(
        self,
        configuration: V4l2Configuration,
        cameras: Sequence[str],
        frame: FrameConfiguration,
        health: Health,
        clock: Clock,
        open_device: OpenDevice,
    ) -> None:
        self._matching = configuration.matching
        self.finds_late = configuration.matching.free_running
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

    def frames(
        self, part_number: int, triggered_monotonic_ns: int
    ) -> tuple[Frame | CameraFault, ...]:
        """Each camera's frame of the trigger's time, as soon as all have it or cannot have it."""
        window = window_of(triggered_monotonic_ns, self._matching)
        with self._arrived:
            while not all(reader.is_decided(window) for reader in self._readers):
                left_ns = window.arrives_by_ns - self._clock.monotonic_ns()
                if left_ns <= 0:
                    break
                self._arrived.wait(left_ns / 1e9)
            return tuple(reader.take(window) for reader in self._readers)

    def latest(self) -> tuple[Frame | CameraFault, ...]:
        """Each camera's newest frame, whether a part took it or not."""
        with self._arrived:
            return tuple(reader.newest() for reader in self._readers)

    def adjust(self, configuration: V4l2Configuration) -> None:
        """Set these controls on the cameras whose own changed, while all stream on."""
        with self._arrived:
            for reader in self._readers:
                reader.adjust(configuration)

    def close(self) -> None:
        """Stop reading and give all nodes back."""
        for reader in self._readers:
            reader.end()
        for reader in self._readers:
            reader.join()
