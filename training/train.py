"""`python -m training.train METHOD --data DIR --out DIR`: trains a model; run again, it goes on.

With --model the trained model is exported there, too, as by training.export.

As a SageMaker training job: the job's environment stands for --data, --model (`SM_MODEL_DIR`) and --out (its
checkpoints), and the hyperparameter `method` for METHOD.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import torch

from sightline import __version__
from sightline.errors import SightlineError
from sightline.vision.detector import Precision
from training.datasets import DataSet
from training.datasets.holdout import select_training_part
from training.jobs.data_options import add_data_options, read_selected_data
from training.jobs.sagemaker_environment import (
    create_job_scratch_folder,
    find_job_export_folder,
    find_job_work_folder,
)
from training.methods.checkpoint_file import CHECKPOINT_FILE, load_checkpoint, save_checkpoint
from training.methods.registry import TRAINING_METHODS, find_method, find_plan
from training.methods.training_method import TrainingOptions


def train_model(
    method_name: str, plan_name: str, found: DataSet, out: Path, options: TrainingOptions
) -> Path:
    """Train by plan; the best weights by the held-out pictures are kept. Returns the checkpoint's file."""
    method = find_method(method_name)
    plan = find_plan(method, plan_name)
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    checkpoint = method.train(plan, found, out, options)
    facts = {
        "name": getattr(checkpoint.plan, "name", method.name),
        "data": found.name,
        "data_digest": select_training_part(found).compute_digest(),
        "pictures": len(select_training_part(found).pictures),
        "seed": options.seed,
        "sightline_version": __version__,
        "torch_version": str(torch.__version__),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "last_run_s": round(time.monotonic() - started, 1),
        **checkpoint.facts,
    }
    save_checkpoint(out / CHECKPOINT_FILE, replace(checkpoint, facts=facts))
    return out / CHECKPOINT_FILE


def export_checkpoint(model: Path, file: Path, found: DataSet, precision: Precision) -> None:
    """Export a checkpoint's file into a folder, and put it there, too, for other precisions later."""
    from training.export import export_model  # late: only here `onnx` is needed

    export_model(load_checkpoint(file), found, model, precision)
    shutil.copyfile(file, model / file.name)


def build_parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "method", nargs="?", choices=list(TRAINING_METHODS), help="the kind of model"
    )
    parser.add_argument(
        "--method", dest="named_method", choices=list(TRAINING_METHODS), help="the same"
    )
    add_data_options(parser)
    parser.add_argument(
        "--out",
        default=find_job_work_folder(),
        help="folder for the checkpoint and what a resumed training needs",
    )
    parser.add_argument(
        "--model",
        default=find_job_export_folder(),
        help="folder to export the model to when it is trained (none)",
    )
    precisions = get_args(Precision)
    parser.add_argument("--precision", choices=precisions, default="fp32", help="of that (fp32)")
    parser.add_argument("--plan", default="", help=f"a JSON file, or one of {_list_plans()}")
    parser.add_argument("--epochs", type=int, default=0, help="at most, instead of the plan's")
    parser.add_argument("--seed", type=int, default=1, help="of weights, order, crops, split (1)")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU (all)")
    return parser


def _list_plans() -> str:
    return "; ".join(
        f"{name}: {', '.join(method.plans)}" for name, method in TRAINING_METHODS.items()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    name = given.method or given.named_method
    if not name or not given.data or not given.out:
        parser.error("METHOD, --data and --out are needed")
    if given.threads:
        torch.set_num_threads(given.threads)
        cv2.setNumThreads(given.threads)
    try:
        find_plan(find_method(name), given.plan)
        found = read_selected_data(given)
        options = TrainingOptions(given.seed, given.epochs, create_job_scratch_folder())
        file = train_model(name, given.plan, found, Path(given.out), options)
        if given.model:
            export_checkpoint(Path(given.model), file, found, given.precision)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
