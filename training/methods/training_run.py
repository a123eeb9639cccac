"""One training by the command: the method's run, its best epoch so far, and its checkpoint."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sightline import __version__
from training.datasets import DataSet
from training.datasets.holdout import select_training_part
from training.methods.checkpoint_file import BEST_FILE, CHECKPOINT_FILE, save_checkpoint
from training.methods.registry import find_method
from training.methods.training_method import Checkpoint, TrainingOptions


def train_model(
    method_name: str, plan: Any, data_set: DataSet, out: Path, options: TrainingOptions
) -> Path:
    """Train, and save the weights that are best on the held-out pictures; returns the checkpoint file.

    While it runs, BEST_FILE has the best epoch so far, to be exported like the checkpoint.
    """
    method = find_method(method_name)
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    part = select_training_part(data_set)
    facts = {
        "name": getattr(plan, "name", method.name),
        "data": data_set.name,
        "data_digest": part.compute_digest(),
        "pictures": len(part.pictures),
        "seed": options.seed,
        "sightline_version": __version__,
        "torch_version": str(torch.__version__),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }

    def save(checkpoint: Checkpoint, name: str) -> Path:
        run = {"last_run_s": round(time.monotonic() - started, 1)}
        save_checkpoint(out / name, replace(checkpoint, facts=facts | run | checkpoint.facts))
        return out / name

    def save_best(checkpoint: Checkpoint) -> None:
        save(checkpoint, BEST_FILE)

    watched = replace(options, save_best=save_best)
    return save(method.train(plan, data_set, out, watched), CHECKPOINT_FILE)
