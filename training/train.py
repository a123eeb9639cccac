"""Train a model: `python -m training.train METHOD --data DIR --out DIR`.

Run the same command again to resume an interrupted training. With --model, the trained model is also
exported, as by training.export.

In a SageMaker training job, --data, --model and --out default to the job's data channel, `SM_MODEL_DIR`
and checkpoint folder; the hyperparameter `method` sets METHOD.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

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
    method_name: str, plan: Any, data_set: DataSet, out: Path, options: TrainingOptions
) -> Path:
    """Train, and save the weights that are best on the held-out pictures; returns the checkpoint file."""
    method = find_method(method_name)
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    checkpoint = method.train(plan, data_set, out, options)
    facts = {
        "name": getattr(checkpoint.plan, "name", method.name),
        "data": data_set.name,
        "data_digest": select_training_part(data_set).compute_digest(),
        "pictures": len(select_training_part(data_set).pictures),
        "seed": options.seed,
        "sightline_version": __version__,
        "torch_version": str(torch.__version__),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "last_run_s": round(time.monotonic() - started, 1),
        **checkpoint.facts,
    }
    save_checkpoint(out / CHECKPOINT_FILE, replace(checkpoint, facts=facts))
    return out / CHECKPOINT_FILE


def export_checkpoint(model: Path, file: Path, data_set: DataSet, precision: Precision) -> None:
    """Export a checkpoint into a model folder, and copy it there for later exports."""
    from training.export import export_model  # late: only the export needs onnx

    export_model(load_checkpoint(file), data_set, model, precision)
    shutil.copyfile(file, model / file.name)


def build_parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("method", nargs="?", choices=list(TRAINING_METHODS), help="training method")
    parser.add_argument(
        "--method", dest="named_method", choices=list(TRAINING_METHODS), help="same as METHOD"
    )
    add_data_options(parser)
    parser.add_argument(
        "--out",
        default=find_job_work_folder(),
        help="folder for the checkpoint and the state to resume from",
    )
    parser.add_argument(
        "--model",
        default=find_job_export_folder(),
        help="folder to export the trained model to (default: no export)",
    )
    precisions = get_args(Precision)
    parser.add_argument(
        "--precision",
        choices=precisions,
        default="fp32",
        help="precision of the exported model (default: fp32)",
    )
    parser.add_argument(
        "--plan",
        default="",
        help=f"plan: a JSON file, or a name (default: the method's first): {_list_plans()}",
    )
    parser.add_argument(
        "--epochs", type=int, default=0, help="maximum number of epochs (default: the plan's)"
    )
    parser.add_argument("--seed", type=int, default=1, help="random seed (default: 1)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    return parser


def _list_plans() -> str:
    return "; ".join(
        f"{name}: {', '.join(method.plans)}" for name, method in TRAINING_METHODS.items()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    name = args.method or args.named_method
    if not name or not args.data or not args.out:
        parser.error("METHOD, --data and --out are needed")
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    try:
        plan = find_plan(find_method(name), args.plan)
        data_set = read_selected_data(args)
        options = TrainingOptions(args.seed, args.epochs, create_job_scratch_folder())
        file = train_model(name, plan, data_set, Path(args.out), options)
        if args.model:
            export_checkpoint(Path(args.model), file, data_set, args.precision)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
