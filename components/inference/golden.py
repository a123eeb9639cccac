"""Golden frames: what a model answered where it was made; a runtime must answer alike before it serves."""

from pathlib import Path

import numpy as np

from inference.detectors.detector import Detector
from sightline.errors import ModelError

SCORE_TOLERANCE = 0.01
BOX_TOLERANCE = 0.05  # of raw offsets, where the score says that there is something
RELEVANT_SCORE = 0.2


def write_golden(detector: Detector, images: np.ndarray, file: Path) -> None:
    """Keep the detector's answers to images (K, height, width, 3) uint8 as golden."""
    answers = [detector.infer(image) for image in images]
    np.savez_compressed(
        file,
        images=images,
        boxes=np.stack([answer.boxes for answer in answers]).astype(np.float16),
        scores=np.stack([answer.scores for answer in answers]).astype(np.float16),
    )


def check_golden(detector: Detector, file: Path) -> None:
    """ModelError unless the detector answers the golden frames as they were answered when made."""
    name = detector.contract.name
    try:
        with np.load(file, allow_pickle=False) as golden:
            images, boxes, scores = golden["images"], golden["boxes"], golden["scores"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"model {name}: no golden frames in {file}: {error}") from error
    for number, image in enumerate(images):
        answer = detector.infer(image)
        if answer.scores.shape != scores[number].shape:
            raise ModelError(f"model {name}: golden frame {number} is of another model")
        score_error = float(np.abs(answer.scores - scores[number]).max())
        relevant = scores[number].max(axis=1) > RELEVANT_SCORE
        off = np.abs(answer.boxes - boxes[number])[relevant]
        box_error = float(off.max()) if off.size else 0.0
        if not (score_error <= SCORE_TOLERANCE and box_error <= BOX_TOLERANCE):
            raise ModelError(
                f"model {name}: golden frame {number} differs: scores by {score_error:.4f} "
                f"(allowed {SCORE_TOLERANCE}), boxes by {box_error:.4f} (allowed {BOX_TOLERANCE})"
            )
