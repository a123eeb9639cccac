"""How large the ring of frames is: memory that is bounded, whatever pictures are played."""

from capture.configuration import CaptureConfiguration, FrameConfiguration
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.errors import CameraError
from sightline.imaging.frame_ring import frame_bytes

MAX_PICTURE_RING_BYTES = 512 << 20  # of a folder's pictures; that of cameras is as configured
MIN_RING_SLOTS = 2


def count_slot_bytes(configuration: CaptureConfiguration) -> int:
    """The bytes of one frame."""
    frame = configuration.frame_size
    return frame_bytes(frame.width, frame.height, configuration.pixel_format)


def count_ring_slots(configuration: CaptureConfiguration) -> int:
    """The frames of each camera that the ring holds: `ringSlots`, of large pictures fewer."""
    if isinstance(configuration.source, V4l2Configuration):
        return configuration.ring_slots
    of_all_cameras = count_slot_bytes(configuration) * len(configuration.cameras)
    fitting = MAX_PICTURE_RING_BYTES // of_all_cameras
    return max(MIN_RING_SLOTS, min(configuration.ring_slots, fitting))


def check_pictures_fit(frame: FrameConfiguration, cameras: int) -> None:
    """CameraError if not even two pictures of each camera fit."""
    needed = frame_bytes(frame.width, frame.height, "UYVY") * cameras * MIN_RING_SLOTS
    if needed > MAX_PICTURE_RING_BYTES:
        raise CameraError(
            f"pictures of {frame.width}x{frame.height} on {cameras} cameras take {needed >> 20} MiB of "
            f"memory; at most {MAX_PICTURE_RING_BYTES >> 20} are used: scale the pictures down, or play them "
            "on fewer cameras"
        )
