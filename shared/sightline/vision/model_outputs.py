"""One frame through one model: from pixels to detections, with the time that each step took."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sightline.messaging.messages import Detection
from sightline.vision.anchor_boxes import DetectedBoxes, Floats, find_boxes_in_images, make_anchors
from sightline.vision.detector import Detector, RawDetections
from sightline.vision.output_checks import check_boxes, check_raw_output
from sightline.vision.preprocess import PREPROCESSINGS, FramePyramid


@dataclass
class InferenceTimings:
    """Milliseconds of a part, or of one image of it; `per_image` has one entry each.

    Images are looked at side by side: `model` is the time in which any model ran, `preprocess` the rest
    until the last of them was done. `runs`: from when to when each did, in seconds of `perf_counter`.
    Answers are read after the last model ran, all at once: in between, each would wait for cold memory.
    """

    preprocess: float = 0.0
    model: float = 0.0
    decode: float = 0.0
    per_image: list[float] = field(default_factory=list)
    runs: list[tuple[float, float]] = field(default_factory=list)


class ServingModel:
    """A detector that serves, with its anchors; by the name that the station knows it by."""

    def __init__(self, detector: Detector, name: str = "") -> None:
        self.detector = detector
        self.contract = detector.contract
        self.name = name or detector.contract.name
        self.anchors = make_anchors(detector.contract.anchors)
        self.prepare = PREPROCESSINGS[detector.contract.preprocessing]


@dataclass(frozen=True)
class ModelOutput:
    """What a model answered to a camera's frame, not yet read. ModelError: it cannot be true.

    It is looked at where the model ran, beside the other images and while it lies in the cache.
    """

    model: ServingModel
    camera: str
    frame_size: tuple[int, int]
    raw: RawDetections

    def __post_init__(self) -> None:
        contract = self.model.contract
        check_raw_output(self.model.name, self.raw, len(self.model.anchors), len(contract.labels))


def run_model(
    model: ServingModel, pyramid: FramePyramid, camera: str, timings: InferenceTimings
) -> ModelOutput:
    """Prepare a frame for a model and run it; both times are added to `timings`."""
    size = model.contract.anchors
    started = time.perf_counter()
    image = model.prepare(pyramid, size.width, size.height)
    timings.preprocess += elapsed_milliseconds(started)
    started = time.perf_counter()
    raw = model.detector.infer(image)
    ended = time.perf_counter()
    timings.model += (ended - started) * 1000
    timings.runs.append((started, ended))
    return ModelOutput(model, camera, pyramid.size, raw)


@dataclass(frozen=True)
class DetectionOverflow:
    """More of a label on a camera's picture than are examined; `score` is the best that was left out."""

    camera: str
    label: str
    score: float


@dataclass(frozen=True)
class DecodedDetections:
    """What a part's answers say: detections in pixels of the frames, and where there were too many."""

    detections: list[Detection]
    overflows: tuple[DetectionOverflow, ...] = ()


def decode_outputs(answers: Sequence[ModelOutput], score_threshold: float) -> list[Detection]:
    """The detections of `decode_with_overflows`."""
    return decode_with_overflows(answers, score_threshold).detections


def decode_with_overflows(
    answers: Sequence[ModelOutput], score_threshold: float
) -> DecodedDetections:
    """What the answers say, by model, then as they come; ModelError if a box cannot be true."""
    of_model: dict[int, list[ModelOutput]] = {}
    for answer in answers:
        of_model.setdefault(id(answer.model), []).append(answer)
    detections: list[Detection] = []
    crowds: list[DetectionOverflow] = []
    for same in of_model.values():
        for answer, found in zip(same, _decode_boxes(same, score_threshold), strict=True):
            detections += _build_detections(answer, found)
            labels = answer.model.contract.labels
            crowds += [
                DetectionOverflow(answer.camera, labels[number], score)
                for number, score in sorted(found.overflow_scores.items())
            ]
    return DecodedDetections(detections, tuple(crowds))


def _decode_boxes(answers: Sequence[ModelOutput], score_threshold: float) -> list[DetectedBoxes]:
    model = answers[0].model
    contract, anchors = model.contract, model.anchors
    raw = [(answer.raw.boxes, answer.raw.scores) for answer in answers]
    found = find_boxes_in_images(raw, anchors, score_threshold=score_threshold)
    for boxes in found:
        check_boxes(model.name, boxes, (contract.anchors.width, contract.anchors.height))
    return found


def _build_detections(answer: ModelOutput, found: DetectedBoxes) -> list[Detection]:
    if len(found.scores) == 0:
        return []
    contract = answer.model.contract
    size = (contract.anchors.width, contract.anchors.height)
    boxes = scale_to_frame(found.boxes, size, answer.frame_size)
    return [
        Detection(
            camera=answer.camera,
            label=contract.labels[label],
            score=round(min(score, 1.0), 4),
            x=x,
            y=y,
            width=right - x,
            height=bottom - y,
            model=answer.model.name,
        )
        for (x, y, right, bottom), score, label in zip(
            boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        )
    ]


def scale_to_frame(
    boxes: Floats, model: tuple[int, int], frame: tuple[int, int]
) -> NDArray[np.int64]:
    """Boxes in pixels of the model's input to whole pixels of the frame, within it."""
    scale = np.array([frame[0] / model[0], frame[1] / model[1]] * 2)
    limits = np.array([frame[0], frame[1]] * 2)
    whole: NDArray[np.int64] = np.clip(np.rint(boxes * scale), 0, limits).astype(np.int64)
    return whole


def covered_milliseconds(runs: Sequence[tuple[float, float]]) -> float:
    """How long at least one of these runs went on."""
    covered, until = 0.0, float("-inf")
    for started, ended in sorted(runs):
        covered += max(0.0, ended - max(started, until))
        until = max(until, ended)
    return covered * 1000


def elapsed_milliseconds(started: float) -> float:
    """Since a time of `time.perf_counter`."""
    return (time.perf_counter() - started) * 1000
