"""What the models see on a part's frames: all of them through all models."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from inference.answers import Answer, ServingModel, Timings, ask, milliseconds_since, read_answers
from inference.device_examiner import device_of, look_on_device
from inference.preprocess import FramePyramid
from sightline.frames import RingReader
from sightline.messages import Detection, FrameRef


@dataclass(frozen=True)
class Examined:
    """A part's detections, and its frames as RGB by camera."""

    detections: tuple[Detection, ...]
    frames: dict[str, FramePyramid]
    timings: Timings


def examine(
    ring: RingReader,
    frames: Sequence[FrameRef],
    models: Sequence[ServingModel],
    score_threshold: float,
) -> Examined:
    """Run all models on all frames; FrameOverwrittenError if one is gone.

    A processor takes one image after the other, a GPU all at once.
    """
    timings = Timings()
    gpu = device_of(models, frames)
    if gpu is None:
        seen, answers = _look(ring, frames, models, timings)
    else:
        pyramids, raw = look_on_device(gpu, ring, frames, models, timings)
        seen = {ref.camera: pyramid for ref, pyramid in zip(frames, pyramids, strict=True)}
        answers = [
            Answer(model, ref.camera, seen[ref.camera].size, answer)
            for ref, of_frame in zip(frames, raw, strict=True)
            for model, answer in zip(models, of_frame, strict=True)
        ]
    started = time.perf_counter()
    detections = read_answers(answers, score_threshold)
    timings.decode = milliseconds_since(started)
    timings.per_image = [
        image_ms + timings.decode / len(timings.per_image) for image_ms in timings.per_image
    ]
    detections.sort(key=lambda detection: -detection.score)
    return Examined(tuple(detections), seen, timings)


def _look(
    ring: RingReader,
    frames: Sequence[FrameRef],
    models: Sequence[ServingModel],
    timings: Timings,
) -> tuple[dict[str, FramePyramid], list[Answer]]:
    seen: dict[str, FramePyramid] = {}
    answers: list[Answer] = []
    for ref in frames:
        started = time.perf_counter()
        pyramid = ring.read(ref, partial(FramePyramid.of_frame, pixel_format=ref.pixel_format))
        seen[ref.camera] = pyramid
        timings.preprocess += milliseconds_since(started)
        answers += [ask(model, pyramid, ref.camera, timings) for model in models]
        timings.per_image.append(milliseconds_since(started))
    return seen, answers
