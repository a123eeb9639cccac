"""Golden frames of models that answer with a score and a heat map."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sightline.errors import ModelError
from training.datasets import Images

MAX_GOLDEN_DIFFERENCE = 0.01
MAP_OUTPUTS = ("score", "heat")
Floats = NDArray[np.float32]


def run_map_model(file: Path, images: Images) -> tuple[Floats, Floats]:
    """Scores (K, 1) and heat (K, h, w) of images (K, height, width, 3); ModelError if it cannot run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
        found = [session.run(MAP_OUTPUTS, {"image": image[None]}) for image in images]
    except Exception as error:
        raise ModelError(f"{file} cannot run: {error}") from error
    return np.stack([score for score, _ in found]), np.concatenate([heat for _, heat in found])


def write_map_golden(file: Path, images: Images, golden: Path) -> None:
    """Keep the model's answers to images as golden."""
    scores, heat = run_map_model(file, images)
    np.savez_compressed(golden, images=images, scores=scores, heat=heat)


def check_map_golden(file: Path, golden: Path) -> None:
    """ModelError unless the model answers the golden frames as they were answered when made."""
    try:
        with np.load(golden, allow_pickle=False) as content:
            images, scores, heat = content["images"], content["scores"], content["heat"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"no golden frames in {golden}: {error}") from error
    found_scores, found_heat = run_map_model(file, images)
    if found_heat.shape != heat.shape:
        raise ModelError(f"{golden} is of another model than {file}")
    off = max(float(np.abs(found_scores - scores).max()), float(np.abs(found_heat - heat).max()))
    if not off <= MAX_GOLDEN_DIFFERENCE:
        raise ModelError(
            f"{file} differs from {golden} by {off:.4f}; allowed is {MAX_GOLDEN_DIFFERENCE}"
        )
