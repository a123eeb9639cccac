"""Golden frames: what a model answered where it was made; a runtime must answer alike before it serves."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightline.errors import ModelError
from sightline.vision.detector import Detector, Precision
from sightline.vision.output_checks import check_raw_output


@dataclass(frozen=True)
class GoldenTolerance:
    """Of scores, and of raw offsets where the score says that there is something."""

    scores: float
    boxes: float


# 8-bit numbers are rounded otherwise by each runtime and processor.
GOLDEN_TOLERANCES: dict[Precision, GoldenTolerance] = {
    "fp32": GoldenTolerance(0.01, 0.05),
    "fp16": GoldenTolerance(0.02, 0.1),
    "int8": GoldenTolerance(0.1, 0.5),
}
RELEVANT_SCORE = 0.2
GOLDEN_READ_ERRORS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def write_golden_frames(detector: Detector, images: np.ndarray, file: Path) -> None:
    """Keep the detector's answers to images (K, height, width, 3) uint8 as golden."""
    answers = [detector.infer(image) for image in images]
    for answer in answers:
        check_raw_output(detector.contract.name, answer, *answer.scores.shape)
    np.savez_compressed(
        file,
        images=images,
        boxes=np.stack([answer.boxes for answer in answers]).astype(np.float16),
        scores=np.stack([answer.scores for answer in answers]).astype(np.float16),
    )


def check_golden_frames(detector: Detector, file: Path) -> int:
    """How many golden frames the detector answers as they were answered when made; else ModelError.

    How far it may be off depends on the precision of the model file.
    """
    name, allowed = detector.contract.name, GOLDEN_TOLERANCES[detector.contract.precision]
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as golden:
            images, boxes, scores = golden["images"], golden["boxes"], golden["scores"]
    except GOLDEN_READ_ERRORS as error:
        raise ModelError(f"model {name}: no golden frames in {file}: {error}") from error
    if not 0 < len(images) == len(boxes) == len(scores):
        raise ModelError(
            f"model {name}: {file} has {len(images)} pictures, {len(boxes)} boxes and {len(scores)} scores; "
            "at least one of each is expected; export the model again"
        )
    for number, image in enumerate(images):
        answer = detector.infer(image)
        check_raw_output(name, answer, *answer.scores.shape)
        if (answer.scores.shape, answer.boxes.shape) != (scores[number].shape, boxes[number].shape):
            raise ModelError(f"model {name}: golden frame {number} is of another model")
        score_error = float(np.abs(answer.scores - scores[number]).max())
        relevant = scores[number].max(axis=1) > RELEVANT_SCORE
        off = np.abs(answer.boxes - boxes[number])[relevant]
        box_error = float(off.max()) if off.size else 0.0
        if not (score_error <= allowed.scores and box_error <= allowed.boxes):
            raise ModelError(
                f"model {name}: golden frame {number} differs: scores by {score_error:.4f} "
                f"(allowed {allowed.scores}), boxes by {box_error:.4f} (allowed {allowed.boxes})"
            )
    return len(images)
