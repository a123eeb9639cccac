"""The cameras of the station and the ring their frames go into, opened again when they were away."""

import logging
from collections.abc import Collection

from msgspec.structs import replace

from capture.commissioning.positions import Positions
from capture.configuration import CaptureConfiguration
from capture.frameset import FrameSet, nothing_seen, write_frames
from capture.references import LookCache, References
from capture.sources.registry import open_source
from capture.sources.source import CameraFault, Frame, FrameSource, LooksAnyTime, TakesControls
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.clock import Clock
from sightline.errors import CameraError
from sightline.frames import RingWriter, frame_bytes, ring_path
from sightline.health import Health
from sightline.messages import CaptureConditions

log = logging.getLogger(__name__)

CAMERAS_AWAY = "cameras"
NO_RING = "frame-ring"
UNKNOWN_POSITION = "position-unknown"


class Cameras:
    """Gives a part's frame set, always; what is wrong stands in it and in the health report."""

    def __init__(
        self, configuration: CaptureConfiguration, station_id: str, health: Health, clock: Clock
    ) -> None:
        self._configuration = configuration
        self._station_id = station_id
        self._health = health
        self._clock = clock
        self._source: FrameSource | None = None
        self._ring: RingWriter | None = None
        self._answers = True
        self._expected = 1
        self._looks = LookCache(health)
        self._references = References(configuration, health, self._looks)
        self._positions = Positions({})
        self._why_no_source = "not opened yet"
        self._why_no_ring = "not made yet"

    def configure(self, configuration: CaptureConfiguration) -> None:
        """Take new values; cameras and ring begin anew only where theirs changed."""
        before, self._configuration = self._configuration, configuration
        if not self._adjusted(before, configuration):
            self._close_source()
            for camera in before.cameras:
                self._health.clear_fault(f"camera-{camera}")
                self._health.clear_fault(f"camera-at-{camera}")
        self._references = References(configuration, self._health, self._looks)
        if _ring_values(before) != _ring_values(configuration):
            self._close_ring()
        self.open()

    def _adjusted(self, before: CaptureConfiguration, after: CaptureConfiguration) -> bool:
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
        if isinstance(source, TakesControls):
            source.adjust(new)
        return isinstance(source, TakesControls)

    def open(self) -> None:
        """Make the ring and open the cameras, where they are not; faults say what cannot be had."""
        self._references.load()
        if self._ring is None:
            self._make_ring()
        if not self._answers and self._source is not None and not self._source.opens_again:
            self._close_source()  # cameras of which none answers are opened anew
        if self._source is None:
            self._open_source()
        self._health.set_ready(self._ring is not None and self._source is not None)

    def expect(self, part_number: int) -> None:
        """Get ready for this part."""
        self._expected = part_number
        if self._source is not None:
            self._source.expect(part_number)

    def capture(self, part_number: int, triggered_monotonic_ns: int) -> FrameSet:
        """The part's frames in the ring, and which cameras gave none and why."""
        seen = self._see(part_number, triggered_monotonic_ns)
        for ref in seen.frames:
            self._health.clear_fault(self._fault_code(ref.camera))
        for fault in seen.faults:
            self._health.count("camera_faults")
            if self._source is None or self._ring is None:
                continue  # one fault says it for all of them
            if self._health.raise_fault(self._fault_code(fault.camera), fault.text):
                log.error("no frame", extra={"camera": fault.camera, "reason": fault.text})
        self._answers = bool(seen.frames)
        return seen

    @property
    def finds_late(self) -> bool:
        """Whether a part's frames are found, or none, also when they are asked for late."""
        return self._source is None or self._source.finds_late

    def latest(self) -> tuple[Frame | CameraFault, ...]:
        """What each position's camera sees now, part or not; nothing of a source that cannot."""
        source = self._source
        return self._positions.placed(source.latest()) if isinstance(source, LooksAnyTime) else ()

    def measure(self, frame: Frame) -> CaptureConditions:
        """How a camera saw, within the limits and against its reference; and whether it stands there."""
        measured = self._references.measure(frame)
        if self._positions.is_known:
            return measured
        return replace(measured, out_of_range=(*measured.out_of_range, UNKNOWN_POSITION))

    def foresee_references(self, folders: Collection[str]) -> None:
        """Have reference pictures decoded that a next part may be held against."""
        self._looks.foresee(folders, self._configuration)

    def device_at(self, position: str) -> str:
        """The node of the camera that stands at a position, or the source's own name of it."""
        return self.name_of(self._positions.device_of(position))

    def name_of(self, device: str) -> str:
        """What a camera of the source is called outside: its node, where it has one."""
        source = self._configuration.source
        if isinstance(source, V4l2Configuration) and device in source.cameras:
            return source.cameras[device].node
        return device

    def place(self, positions: Positions) -> None:
        """Let other cameras stand at the positions, from the next part on."""
        for camera in self._configuration.cameras:
            self._health.clear_fault(self._fault_code(camera))
        self._positions = positions

    @property
    def positions(self) -> Positions:
        """Which camera stands where."""
        return self._positions

    def _fault_code(self, position: str) -> str:
        """A camera's own faults bear its name; a position's, where another camera stands there, do not."""
        stands_elsewhere = self._positions.device_of(position) != position
        return f"camera-at-{position}" if stands_elsewhere else f"camera-{position}"

    @property
    def configuration(self) -> CaptureConfiguration:
        """The values in force."""
        return self._configuration

    def close(self) -> None:
        """Let the cameras go and remove the ring."""
        self._close_source()
        self._close_ring()
        self._looks.close()

    def _see(self, part_number: int, triggered_monotonic_ns: int) -> FrameSet:
        cameras = self._configuration.cameras
        if self._ring is None:
            return nothing_seen(cameras, self._why_no_ring)
        if self._source is None:
            return nothing_seen(cameras, self._why_no_source)
        try:
            seen = self._positions.placed(self._source.frames(part_number, triggered_monotonic_ns))
            return write_frames(self._ring, seen, part_number, self.measure, self._clock)
        except CameraError as error:
            return nothing_seen(cameras, str(error))
        except Exception as error:
            log.exception("the cameras failed in a way that nobody foresaw")
            return nothing_seen(cameras, f"unforeseen: {type(error).__name__}: {error}")

    def _make_ring(self) -> None:
        configuration = self._configuration
        slot_bytes = _slot_bytes(configuration)
        path = ring_path(self._station_id)
        try:
            self._ring = RingWriter(
                path, configuration.cameras, configuration.ring_slots, slot_bytes
            )
        except OSError as error:
            self._why_no_ring = f"no room for the frames at {path}: {error.strerror or error}"
            if self._health.raise_fault(NO_RING, self._why_no_ring):
                log.error("no frame ring", extra={"reason": self._why_no_ring})
        else:
            self._health.clear_fault(NO_RING)

    def _open_source(self) -> None:
        configuration = self._configuration
        self._answers = True
        try:
            self._source = open_source(
                configuration.source,
                configuration.cameras,
                configuration.frame,
                self._health,
                self._clock,
            )
        except (CameraError, OSError) as error:
            self._why_no_source = str(error)
            if self._health.raise_fault(CAMERAS_AWAY, self._why_no_source):
                log.error("cameras are away", extra={"reason": self._why_no_source})
        else:
            self._health.clear_fault(CAMERAS_AWAY)
            self._source.expect(self._expected)

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
    return (configuration.cameras, _slot_bytes(configuration), configuration.ring_slots)


def _slot_bytes(configuration: CaptureConfiguration) -> int:
    frame = configuration.frame
    return frame_bytes(frame.width, frame.height, configuration.pixel_format)
