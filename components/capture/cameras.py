"""The cameras of the station and the ring their frames go into, opened again when they were away."""

import logging
from collections.abc import Collection

from msgspec.structs import replace

from capture.camera_positions import CameraPositions
from capture.configuration import CaptureConfiguration, FrameConfiguration
from capture.frame_set import FrameSet, empty_frame_set, write_frames
from capture.reference_comparison import ReferenceComparison, ReferenceFeatureCache
from capture.ring_size import count_ring_slots, count_slot_bytes
from capture.sources.registry import open_source
from capture.sources.source import (
    AdjustableSource,
    CameraFault,
    CameraFrame,
    FrameSource,
    PreviewSource,
    SizedSource,
)
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.errors import CameraError
from sightline.imaging.frame_ring import RingWriter, ring_path
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import CaptureConditions

log = logging.getLogger(__name__)

CAMERAS_AWAY = "cameras"
NO_RING = "frame-ring"
UNKNOWN_POSITION = "position-unknown"


class StationCameras:
    """Gives a part's frame set, always; what is wrong stands in it and in the health report."""

    def __init__(
        self,
        configuration: CaptureConfiguration,
        station_id: str,
        health: ComponentHealth,
        clock: Clock,
    ) -> None:
        self._given = configuration
        self._configuration = configuration  # with the size of the frames, once that is known
        self._station_id = station_id
        self._health = health
        self._clock = clock
        self._source: FrameSource | None = None
        self._ring: RingWriter | None = None
        self._gave_frames = True
        self._expected_part = 1
        self._feature_cache = ReferenceFeatureCache(health)
        self._comparison = ReferenceComparison(configuration, health, self._feature_cache)
        self._positions = CameraPositions({})
        self._no_source_reason = "The cameras are not opened yet"
        self._no_ring_reason = "The frame ring is not made yet"

    def configure(self, configuration: CaptureConfiguration) -> None:
        """Put new values into force; cameras and ring begin anew only where theirs changed."""
        before, self._given = self._given, configuration
        in_force, self._configuration = self._configuration, configuration
        if _source_values(before) == _source_values(configuration):
            self._configuration = replace(configuration, frame=in_force.frame)  # of the pictures
        if not self._adjust_controls(before, configuration):
            self._close_source()
            for camera in before.cameras:
                self._health.clear_fault(f"camera-{camera}")
                self._health.clear_fault(f"camera-at-{camera}")
        self._comparison = ReferenceComparison(
            self._configuration, self._health, self._feature_cache
        )
        if _ring_values(in_force) != _ring_values(self._configuration):
            self._close_ring()
        self.open()

    def _adjust_controls(self, before: CaptureConfiguration, after: CaptureConfiguration) -> bool:
        """Whether the source needs nothing more to be as asked; other controls are set as it runs."""
        if _source_values(before) == _source_values(after):
            return True
        old, new = before.source, after.source
        if not isinstance(old, V4l2Configuration) or not isinstance(new, V4l2Configuration):
            return False
        same = (before.cameras, before.frame) == (after.cameras, after.frame)
        if not same or old.without_controls() != new.without_controls():
            return False
        source = self._source
        if isinstance(source, AdjustableSource):
            source.adjust(new)
        return isinstance(source, AdjustableSource)

    def open(self) -> None:
        """Make the ring and open the cameras, where they are not; faults say what cannot be had."""
        if (
            not self._gave_frames
            and self._source is not None
            and not self._source.reconnects_itself
        ):
            self._close_source()  # cameras of which none answers are opened anew
        if self._source is None:
            self._open_source()
        self._comparison.load()
        if self._ring is None:
            self._make_ring()
        self._health.set_ready(self._ring is not None and self._source is not None)

    def expect(self, part_number: int) -> None:
        """Get ready for this part."""
        self._expected_part = part_number
        if self._source is not None:
            self._source.expect(part_number)

    def capture(self, part_number: int, triggered_monotonic_ns: int) -> FrameSet:
        """The part's frames in the ring, and which cameras gave none and why."""
        seen = self._collect_frames(part_number, triggered_monotonic_ns)
        for ref in seen.frames:
            self._health.clear_fault(self._fault_code(ref.camera))
        for fault in seen.faults:
            self._health.count("camera_faults")
            if self._source is None or self._ring is None:
                continue  # one fault says it for all of them
            if self._health.raise_fault(self._fault_code(fault.camera), fault.text):
                log.error("no frame", extra={"camera": fault.camera, "reason": fault.text})
        self._gave_frames = bool(seen.frames)
        return seen

    @property
    def finds_frames_late(self) -> bool:
        """Whether a part's frames are found, or none, also when they are asked for late."""
        return self._source is None or self._source.finds_frames_late

    def latest(self) -> tuple[CameraFrame | CameraFault, ...]:
        """What each position's camera sees now, part or not; nothing of a source that cannot."""
        source = self._source
        return self._positions.arrange(source.latest()) if isinstance(source, PreviewSource) else ()

    def measure(self, frame: CameraFrame) -> CaptureConditions:
        """How a camera saw, within the limits and against its reference; and whether it stands there."""
        measured = self._comparison.measure(frame)
        if self._positions.is_known:
            return measured
        return replace(measured, out_of_range=(*measured.out_of_range, UNKNOWN_POSITION))

    def prefetch_references(self, folders: Collection[str]) -> None:
        """Have reference pictures decoded that a next part may be held against."""
        self._feature_cache.prefetch(folders, self._configuration)

    def device_at(self, position: str) -> str:
        """The node of the camera that stands at a position, or the source's own name of it."""
        return self.device_name(self._positions.device_for(position))

    def device_name(self, device: str) -> str:
        """What a camera of the source is called outside: its node, where it has one."""
        source = self._configuration.source
        if isinstance(source, V4l2Configuration) and device in source.cameras:
            return source.cameras[device].node
        return device

    def assign_positions(self, positions: CameraPositions) -> None:
        """Let other cameras stand at the positions, from the next part on."""
        for camera in self._configuration.cameras:
            self._health.clear_fault(self._fault_code(camera))
        self._positions = positions

    @property
    def positions(self) -> CameraPositions:
        """Which camera stands where."""
        return self._positions

    def _fault_code(self, position: str) -> str:
        """A camera's own faults bear its name; a position's, where another camera stands there, do not."""
        stands_elsewhere = self._positions.device_for(position) != position
        return f"camera-at-{position}" if stands_elsewhere else f"camera-{position}"

    @property
    def configuration(self) -> CaptureConfiguration:
        """The values in force."""
        return self._configuration

    def close(self) -> None:
        """Let the cameras go and remove the ring."""
        self._close_source()
        self._close_ring()
        self._feature_cache.close()

    def _collect_frames(self, part_number: int, triggered_monotonic_ns: int) -> FrameSet:
        cameras = self._configuration.cameras
        if self._ring is None:
            return empty_frame_set(cameras, self._no_ring_reason)
        if self._source is None:
            return empty_frame_set(cameras, self._no_source_reason)
        try:
            seen = self._positions.arrange(
                self._source.collect_frames(part_number, triggered_monotonic_ns)
            )
            return write_frames(self._ring, seen, part_number, self.measure, self._clock)
        except CameraError as error:
            return empty_frame_set(cameras, str(error))
        except Exception as error:
            log.exception("unforeseen error of the cameras")
            return empty_frame_set(cameras, f"An unforeseen error: {type(error).__name__}: {error}")

    def _make_ring(self) -> None:
        configuration = self._configuration
        path = ring_path(self._station_id)
        try:
            self._ring = RingWriter(
                path,
                configuration.cameras,
                count_ring_slots(configuration),
                count_slot_bytes(configuration),
            )
        except OSError as error:
            self._no_ring_reason = (
                f"Cannot make the frame ring: no room for the frames at {path}: "
                f"{error.strerror or error}"
            )
            if self._health.raise_fault(NO_RING, self._no_ring_reason):
                log.error("no frame ring", extra={"reason": self._no_ring_reason})
        else:
            self._health.clear_fault(NO_RING)

    def _open_source(self) -> None:
        self._gave_frames = True
        try:
            self._source = open_source(self._given, self._health, self._clock)
        except (CameraError, OSError) as error:
            self._no_source_reason = str(error)
            if self._health.raise_fault(CAMERAS_AWAY, self._no_source_reason):
                log.error("cameras are away", extra={"reason": self._no_source_reason})
        else:
            self._health.clear_fault(CAMERAS_AWAY)
            self._source.expect(self._expected_part)
            if isinstance(self._source, SizedSource):
                self._use_frame(self._source.frame)

    def _use_frame(self, frame: FrameConfiguration) -> None:
        """The frames are of this size from now on, and so are ring and references."""
        before = self._configuration
        self._configuration = replace(before, frame=frame)
        if _ring_values(before) != _ring_values(self._configuration):
            self._close_ring()
        if before.frame_size != frame:
            self._comparison = ReferenceComparison(
                self._configuration, self._health, self._feature_cache
            )

    def _close_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _close_ring(self) -> None:
        ring, self._ring = self._ring, None
        if ring is not None:
            ring.close()


def _source_values(configuration: CaptureConfiguration) -> tuple[object, ...]:
    return (configuration.source, configuration.cameras, configuration.frame)


def _ring_values(configuration: CaptureConfiguration) -> tuple[object, ...]:
    return (configuration.cameras, count_slot_bytes(configuration), count_ring_slots(configuration))
