"""Train a model: `python -m training.train METHOD --data DIR --out DIR`.

Run the same command again to resume an interrupted training. With --model, the trained model is also
exported, as by training.export. While the training runs, `best.pt` in --out has the best epoch so far:
training.export takes that folder at any time.

In a SageMaker training job, --data, --model and --out default to the job's data channel, `SM_MODEL_DIR`
and checkpoint folder; the hyperparameter `method` sets METHOD.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import cv2

from sightline.errors import SightlineError
from sightline.vision.detector import Precision
from training.jobs.data_options import add_data_options, read_selected_data
from training.jobs.sagemaker_environment import (
    create_job_scratch_folder,
    find_job_export_folder,
    find_job_work_folder,
)
from training.jobs.torch_check import require_torch
from training.plans.plan_files import METHOD_PLANS, find_plan


def build_parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("method", nargs="?", choices=list(METHOD_PLANS), help="training method")
    parser.add_argument(
        "--method", dest="named_method", choices=list(METHOD_PLANS), help="same as METHOD"
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
    return "; ".join(f"{name}: {', '.join(method.plans)}" for name, method in METHOD_PLANS.items())


def run_training(args: argparse.Namespace, method: str) -> Path:
    """Train by these options, and export if --model is given; returns the checkpoint file."""
    plan = find_plan(METHOD_PLANS[method], args.plan)
    require_torch("training.train")
    # late: the options and the plan need no PyTorch
    import torch

    from training.exporting.model_export import export_model
    from training.methods.checkpoint_file import load_checkpoint
    from training.methods.training_method import TrainingOptions
    from training.methods.training_run import train_model

    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    data_set = read_selected_data(args)
    options = TrainingOptions(args.seed, args.epochs, create_job_scratch_folder())
    file = train_model(method, plan, data_set, Path(args.out), options)
    if args.model:
        export_model(load_checkpoint(file), data_set, Path(args.model), args.precision)
        shutil.copyfile(file, Path(args.model) / file.name)  # for later exports
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    name = args.method or args.named_method
    if not name or not args.data or not args.out:
        parser.error("METHOD, --data and --out are needed")
    try:
        file = run_training(args, name)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
