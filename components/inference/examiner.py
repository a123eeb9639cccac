"""What the models see on a part's frames: pixels to detections, with the time that each step took."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inference.detectors.detector import Detector, RawDetections
from inference.device_examiner import device_of, look_on_device
from inference.preprocess import PREPROCESSINGS, FramePyramid
from inference.ssd import Floats, find_boxes, make_anchors
from sightline.frames import RingReader
from sightline.messages import Detection, FrameRef


@dataclass
class Timings:
    """Milliseconds, summed over a part's images; `per_image` has one entry each.

    Answers are read after the last model ran, all at once: in between, each would wait for cold memory.
    """

    preprocess: float = 0.0
    model: float = 0.0
    decode: float = 0.0
    per_image: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Examined:
    """A part's detections, and its frames as RGB by camera."""

    detections: tuple[Detection, ...]
    frames: dict[str, FramePyramid]
    timings: Timings


class ServingModel:
    """A detector that serves, with its anchors."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.contract = detector.contract
        self.anchors = make_anchors(detector.contract.anchors)
        self.prepare = PREPROCESSINGS[detector.contract.preprocessing]


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
    detections = [found for answer in answers for found in read_answer(answer, score_threshold)]
    timings.decode = _since(started)
    timings.per_image = [
        image_ms + timings.decode / len(timings.per_image) for image_ms in timings.per_image
    ]
    detections.sort(key=lambda detection: -detection.score)
    return Examined(tuple(detections), seen, timings)


def _look(
    ring: RingReader,
    frames: Sequence[FrameRef],
    models: "Sequence[ServingModel]",
    timings: Timings,
) -> "tuple[dict[str, FramePyramid], list[Answer]]":
    seen: dict[str, FramePyramid] = {}
    answers: list[Answer] = []
    for ref in frames:
        started = time.perf_counter()
        pyramid = ring.read(ref, partial(FramePyramid.of_frame, pixel_format=ref.pixel_format))
        seen[ref.camera] = pyramid
        timings.preprocess += _since(started)
        answers += [ask(model, pyramid, ref.camera, timings) for model in models]
        timings.per_image.append(_since(started))
    return seen, answers


@dataclass(frozen=True)
class Answer:
    """What a model answered to a camera's frame, not yet read."""

    model: ServingModel
    camera: str
    frame_size: tuple[int, int]
    raw: RawDetections


def ask(model: ServingModel, pyramid: FramePyramid, camera: str, timings: Timings) -> Answer:
    """Prepare a frame for a model and run it; both times are added to `timings`."""
    size = model.contract.anchors
    started = time.perf_counter()
    image = model.prepare(pyramid, size.width, size.height)
    timings.preprocess += _since(started)
    started = time.perf_counter()
    raw = model.detector.infer(image)
    timings.model += _since(started)
    return Answer(model, camera, pyramid.size, raw)


def read_answer(answer: Answer, score_threshold: float) -> list[Detection]:
    """The detections in an answer, in pixels of the frame."""
    contract = answer.model.contract
    found = find_boxes(
        answer.raw.boxes, answer.raw.scores, answer.model.anchors, score_threshold=score_threshold
    )
    if len(found.scores) == 0:
        return []
    size = (contract.anchors.width, contract.anchors.height)
    boxes = to_frame(found.boxes, size, answer.frame_size)
    return [
        Detection(
            camera=answer.camera,
            label=contract.labels[label],
            score=round(float(score), 4),
            x=int(x),
            y=int(y),
            width=int(right - x),
            height=int(bottom - y),
            model=contract.name,
        )
        for (x, y, right, bottom), score, label in zip(
            boxes, found.scores, found.classes, strict=True
        )
    ]


def to_frame(boxes: Floats, model: tuple[int, int], frame: tuple[int, int]) -> NDArray[np.int64]:
    """Boxes in pixels of the model's input to whole pixels of the frame, within it."""
    scale = np.array([frame[0] / model[0], frame[1] / model[1]] * 2)
    limits = np.array([frame[0], frame[1]] * 2)
    whole: NDArray[np.int64] = np.clip(np.rint(boxes * scale), 0, limits).astype(np.int64)
    return whole


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
