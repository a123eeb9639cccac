"""The frames of one part: into the ring, measured, with the cameras that are missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from capture.sources.source import CameraFault, CameraFrame
from sightline.clock import Clock
from sightline.errors import CameraError
from sightline.imaging.frame_ring import RingWriter
from sightline.messaging.messages import CaptureConditions, FrameRef


@dataclass(frozen=True)
class FrameSet:
    """One part's references and conditions, and the faults of the cameras that gave nothing."""

    frames: tuple[FrameRef, ...]
    conditions: tuple[CaptureConditions, ...]
    faults: tuple[CameraFault, ...]

    @property
    def missing_cameras(self) -> tuple[str, ...]:
        """The cameras without a frame."""
        return tuple(fault.camera for fault in self.faults)


def empty_frame_set(cameras: Sequence[str], why: str) -> FrameSet:
    """The frame set of a part that no camera saw."""
    return FrameSet((), (), tuple(CameraFault(camera, why) for camera in cameras))


def write_frames(
    ring: RingWriter,
    seen: Sequence[CameraFrame | CameraFault],
    part_number: int,
    measure: Callable[[CameraFrame], CaptureConditions],
    clock: Clock,
) -> FrameSet:
    """Copy a part's frames into the ring; a frame that does not fit makes its camera missing."""
    frames: list[FrameRef] = []
    conditions: list[CaptureConditions] = []
    faults: list[CameraFault] = []
    for frame in seen:
        if isinstance(frame, CameraFault):
            faults.append(frame)
            continue
        try:
            frames.append(_write_frame(ring, frame, part_number, clock))
        except CameraError as error:
            faults.append(CameraFault(frame.camera, str(error)))
        else:
            conditions.append(measure(frame))
    return FrameSet(tuple(frames), tuple(conditions), tuple(faults))


def _write_frame(ring: RingWriter, frame: CameraFrame, part_number: int, clock: Clock) -> FrameRef:
    return ring.write(
        frame.camera,
        frame.pixels,
        frame.pixel_format,
        width=frame.width,
        height=frame.height,
        sequence=part_number,
        captured_monotonic_ns=(
            clock.monotonic_ns()
            if frame.captured_monotonic_ns is None
            else frame.captured_monotonic_ns
        ),
    )
