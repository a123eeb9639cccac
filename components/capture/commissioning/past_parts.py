"""The frames of a part that went by: from the ring while they lie there, else from its kept pictures."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from capture.sources.source import CameraFrame
from sightline.errors import CameraError, FrameOverwrittenError
from sightline.imaging.frame_ring import RingReader, ring_path
from sightline.imaging.pixels import bgr_to_uyvy
from sightline.messaging.messages import FrameRef, Part
from sightline.storage.station_folder import evidence_key


@dataclass(frozen=True)
class PastPart:
    """A part, what it was, and where its frames lay."""

    part: Part
    product: str
    frames: tuple[FrameRef, ...]


@dataclass(frozen=True)
class PastFrames:
    """A part's frames by camera, the product it was, and in words where they were found."""

    frames: dict[str, CameraFrame]
    product: str
    where: str


class PastParts:
    """The main thread adds, the thread of the commissioning asks."""

    def __init__(self, station_id: str, kept: int) -> None:
        self._station_id = station_id
        self._parts: deque[PastPart] = deque(maxlen=kept)

    def append(self, past: PastPart) -> None:
        """A part went by."""
        self._parts.append(past)

    def last(self) -> PastPart:
        """The last part; CameraError if none went by."""
        if not self._parts:
            raise CameraError("No part has passed since the component started")
        return self._parts[-1]

    def find_product(self, part: Part) -> str | None:
        """The product that a part was, if it is remembered."""
        return next((past.product for past in list(self._parts) if past.part == part), None)

    def read_from_ring(self, part: Part, cameras: Sequence[str]) -> dict[str, CameraFrame]:
        """The part's frames as they were taken; FrameOverwrittenError if they are gone."""
        past = next((past for past in list(self._parts) if past.part == part), None)
        if past is None:
            raise FrameOverwrittenError(f"Part {part.part_number} is no longer in the ring")
        reader = RingReader(ring_path(self._station_id), cameras)
        return {
            ref.camera: CameraFrame(
                ref.camera, reader.copy(ref), ref.pixel_format, ref.width, ref.height
            )
            for ref in past.frames
        }

    def read_stored_pictures(
        self, part: Part, cameras: Sequence[str], size: tuple[int, int], folders: Sequence[Path]
    ) -> tuple[dict[str, CameraFrame], bool]:
        """The part's kept pictures in the frames' size, and whether one of them was smaller."""
        frames: dict[str, CameraFrame] = {}
        smaller = False
        for camera in cameras:
            key = evidence_key(self._station_id, part, camera)
            file = next((f / key for f in folders if (f / key).is_file()), None)
            picture = None if file is None else _read_picture_file(file)
            if picture is None:
                continue
            smaller |= picture.shape[1] < size[0]
            if (picture.shape[1], picture.shape[0]) != size:
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
            frames[camera] = CameraFrame(camera, bgr_to_uyvy(picture), "UYVY", *size)
        return frames, smaller


def _read_picture_file(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    try:
        picture = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    return None if picture is None else np.asarray(picture, np.uint8)
