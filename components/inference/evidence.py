"""The pictures of parts, written off the critical path into the spool that the publisher empties."""

import logging
import queue
from dataclasses import dataclass
from pathlib import Path

import cv2

from inference.configuration import EvidenceConfiguration
from inference.preprocess import FramePyramid
from sightline.background import lower_priority
from sightline.health import Health
from sightline.kept_thread import KeptThread
from sightline.messages import EvidencePicture, Part
from sightline.station_folder import evidence_key, put_into_spool

log = logging.getLogger(__name__)
LONGEST_CLOSE_S = 10.0


@dataclass(frozen=True)
class _Work:
    key: str
    frame: FramePyramid
    half: bool


class EvidenceWriter:
    """Encodes and writes in a thread of its own; pictures that would pile up are dropped and counted."""

    def __init__(self, spool: Path, configuration: EvidenceConfiguration, health: Health) -> None:
        self._spool = spool
        self._quality = configuration.jpeg_quality
        self._health = health
        self._work: queue.Queue[_Work | None] = queue.Queue()
        self._greatest = configuration.greatest_backlog * 4
        self._thread = KeptThread("evidence", self._run, health)
        self._thread.start()

    def has_room(self, pictures: int) -> bool:
        """Whether so many pictures can be taken now; if not, they are counted as dropped."""
        if self._work.qsize() + pictures <= self._greatest:
            return True
        self._health.count("evidence_dropped", pictures)
        return False

    def keep(
        self, station_id: str, part: Part, frames: dict[str, FramePyramid], half: bool
    ) -> None:
        """Take a part's frames; the keys are those of `keys_of`."""
        for camera, frame in frames.items():
            self._work.put(_Work(evidence_key(station_id, part, camera), frame, half))

    @property
    def is_writing(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    def finish(self) -> None:
        """Take no more; write what was taken, in the thread."""
        self._work.put(None)

    def close(self) -> None:
        """Wait until all that was taken is written, after `finish`."""
        self._thread.join(timeout=LONGEST_CLOSE_S)

    def _run(self) -> None:
        lower_priority()
        while (work := self._work.get()) is not None:
            try:
                self._write(work)
            except (OSError, cv2.error) as error:
                self._health.count("evidence_failed")
                self._health.raise_fault("evidence-spool", f"{work.key}: {error}", "warning")
            else:
                self._health.clear_fault("evidence-spool")

    def _write(self, work: _Work) -> None:
        width, height = work.frame.size
        rgb = work.frame.at(width // 2, height // 2) if work.half else work.frame.at(width, height)
        picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        encoded, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        if not encoded:
            raise OSError("the picture cannot be encoded")
        put_into_spool(self._spool, work.key, content.tobytes())


def keys_of(station_id: str, part: Part, cameras: list[str]) -> tuple[EvidencePicture, ...]:
    """The pictures of a part as its record names them."""
    return tuple(
        EvidencePicture(camera=camera, key=evidence_key(station_id, part, camera))
        for camera in cameras
    )
