"""The pictures of parts, written off the critical path into the spool that the publisher empties."""

import logging
import queue
from dataclasses import dataclass
from pathlib import Path

import cv2

from inference.configuration import EvidencePictureConfiguration
from sightline.kernel.background import lower_priority
from sightline.kernel.health import ComponentHealth
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.messages import EvidencePicture, Part
from sightline.storage.station_folder import evidence_key, put_into_spool
from sightline.vision.preprocess import FramePyramid

log = logging.getLogger(__name__)
MAX_CLOSE_S = 10.0


@dataclass(frozen=True)
class _PictureToWrite:
    key: str
    frame: FramePyramid
    half: bool


class EvidenceWriter:
    """Encodes and writes in a thread of its own; pictures that would pile up are dropped and counted."""

    def __init__(
        self,
        spool: Path,
        configuration: EvidencePictureConfiguration,
        cameras: int,
        health: ComponentHealth,
    ) -> None:
        self._spool = spool
        self._jpeg_quality = configuration.jpeg_quality
        self._health = health
        self._pictures: queue.Queue[_PictureToWrite | None] = queue.Queue()
        self._max_pictures = configuration.max_backlog * cameras
        self._thread = SupervisedThread("evidence", self._run, health)
        self._thread.start()

    def check_room(self, pictures: int) -> bool:
        """Whether so many pictures can be taken now; if not, they are counted as dropped."""
        if self._pictures.qsize() + pictures <= self._max_pictures:
            return True
        self._health.count("evidence_dropped", pictures)
        return False

    def queue_pictures(
        self, station_id: str, part: Part, frames: dict[str, FramePyramid], half: bool
    ) -> None:
        """Queue a part's frames; the keys are those of `build_evidence_pictures`."""
        for camera, frame in frames.items():
            self._pictures.put(_PictureToWrite(evidence_key(station_id, part, camera), frame, half))

    @property
    def is_writing(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    def finish(self) -> None:
        """Accept no more; write what was queued, in the thread."""
        self._pictures.put(None)

    def close(self) -> None:
        """Wait until all that was queued is written, after `finish`."""
        self._thread.join(timeout=MAX_CLOSE_S)

    def _run(self) -> None:
        lower_priority()
        while (work := self._pictures.get()) is not None:
            try:
                self._write_picture(work)
            except (OSError, cv2.error) as error:
                self._health.count("evidence_failed")
                text = f"Cannot write the picture {work.key}: {error}. This picture is lost."
                self._health.raise_fault("evidence-spool", text, "warning")
            else:
                self._health.clear_fault("evidence-spool")

    def _write_picture(self, work: _PictureToWrite) -> None:
        width, height = work.frame.size
        rgb = (
            work.frame.at_size(width // 2, height // 2)
            if work.half
            else work.frame.at_size(width, height)
        )
        picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        encoded, content = cv2.imencode(
            ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._jpeg_quality]
        )
        if not encoded:
            raise OSError("the picture cannot be encoded")
        put_into_spool(self._spool, work.key, content.tobytes())


def build_evidence_pictures(
    station_id: str, part: Part, cameras: list[str]
) -> tuple[EvidencePicture, ...]:
    """The pictures of a part as its record names them."""
    return tuple(
        EvidencePicture(camera=camera, key=evidence_key(station_id, part, camera))
        for camera in cameras
    )
