"""Golden frames of models with a score and an anomaly map."""

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
    """Scores (K, 1) and maps (K, h, w) of images (K, height, width, 3); ModelError if the model fails."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
        found = [session.run(MAP_OUTPUTS, {"image": image[None]}) for image in images]
    except Exception as error:
        raise ModelError(f"Cannot run {file}: {error}") from error
    return np.stack([score for score, _ in found]), np.concatenate([part for _, part in found])


def write_map_golden(file: Path, images: Images, golden: Path) -> None:
    """Write images and the model's outputs as golden frames."""
    scores, maps = run_map_model(file, images)
    np.savez_compressed(golden, images=images, scores=scores, heat=maps)


def check_map_golden(file: Path, golden: Path) -> None:
    """ModelError unless the model's outputs for the golden frames are those in the file."""
    try:
        with np.load(golden, allow_pickle=False) as content:
            images, scores, maps = content["images"], content["scores"], content["heat"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"Cannot read golden frames from {golden}: {error}") from error
    found_scores, found_maps = run_map_model(file, images)
    if found_maps.shape != maps.shape:
        raise ModelError(f"{golden} belongs to another model than {file}")
    off = max(float(np.abs(found_scores - scores).max()), float(np.abs(found_maps - maps).max()))
    if not off <= MAX_GOLDEN_DIFFERENCE:
        raise ModelError(
            f"The outputs of {file} differ from {golden} by {off:.4f}; the limit is {MAX_GOLDEN_DIFFERENCE}"
        )
