"""What the models see on a part's frames: all of them through all models.

A processor takes one image after the other, as many processors as there are side by side; a GPU all at once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from inference.answers import (
    Answer,
    Crowd,
    ServingModel,
    Timings,
    ask,
    milliseconds_covered,
    milliseconds_since,
    read_with_crowds,
)
from inference.device_examiner import device_of, look_on_device
from inference.preprocess import FramePyramid
from sightline.frames import RingReader, ring_path
from sightline.messages import Detection, FrameRef
from sightline.side_by_side import SideBySide


@dataclass(frozen=True)
class Examined:
    """A part's detections, its frames as RGB by camera, and how many of them were looked at at once.

    `crowds`: where there was more to be found than is looked at.
    """

    detections: tuple[Detection, ...]
    frames: dict[str, FramePyramid]
    timings: Timings
    images_at_once: int
    crowds: tuple[Crowd, ...] = ()


@dataclass(frozen=True)
class Look:
    """What the models answered to one frame."""

    pyramid: FramePyramid
    answers: list[Answer]
    timings: Timings


class Examiner:
    """Reads a station's ring; at most so many images of a part are looked at side by side."""

    def __init__(self, station_id: str, cameras: Sequence[str], images_at_once: int) -> None:
        self._ring = RingReader(ring_path(station_id), cameras)
        self._side_by_side = SideBySide(images_at_once)

    def examine(
        self,
        frames: Sequence[FrameRef],
        models: Sequence[ServingModel],
        score_threshold: float,
    ) -> Examined:
        """Run all models on all frames; FrameOverwrittenError if one is gone, ModelError if one fails."""
        timings, at_once = Timings(), len(frames)
        gpu = device_of(models, frames)
        if gpu is None:
            at_once = min(self._side_by_side.at_once, len(frames))
            seen, answers = self._look(frames, models, timings)
        else:
            pyramids, raw = look_on_device(gpu, self._ring, frames, models, timings)
            seen = {ref.camera: pyramid for ref, pyramid in zip(frames, pyramids, strict=True)}
            answers = [
                Answer(model, ref.camera, seen[ref.camera].size, answer)
                for ref, of_frame in zip(frames, raw, strict=True)
                for model, answer in zip(models, of_frame, strict=True)
            ]
        started = time.perf_counter()
        reading = read_with_crowds(answers, score_threshold)
        timings.decode = milliseconds_since(started)
        timings.per_image = [
            image_ms + timings.decode / len(timings.per_image) for image_ms in timings.per_image
        ]
        detections = sorted(reading.detections, key=lambda detection: -detection.score)
        return Examined(tuple(detections), seen, timings, at_once, reading.crowds)

    def close(self) -> None:
        """End what looks."""
        self._side_by_side.close()

    def _look(
        self, frames: Sequence[FrameRef], models: Sequence[ServingModel], timings: Timings
    ) -> tuple[dict[str, FramePyramid], list[Answer]]:
        started = time.perf_counter()
        looks = self._side_by_side.each(partial(_look_at, self._ring, models), frames)
        whole_ms = milliseconds_since(started)
        timings.model = milliseconds_covered([run for look in looks for run in look.timings.runs])
        timings.preprocess = whole_ms - timings.model
        timings.per_image = [image_ms for look in looks for image_ms in look.timings.per_image]
        seen = {ref.camera: look.pyramid for ref, look in zip(frames, looks, strict=True)}
        return seen, [answer for look in looks for answer in look.answers]


def _look_at(ring: RingReader, models: Sequence[ServingModel], ref: FrameRef) -> Look:
    timings, started = Timings(), time.perf_counter()
    pyramid = ring.read(ref, partial(FramePyramid.of_frame, pixel_format=ref.pixel_format))
    answers = [ask(model, pyramid, ref.camera, timings) for model in models]
    timings.per_image.append(milliseconds_since(started))
    return Look(pyramid, answers, timings)
