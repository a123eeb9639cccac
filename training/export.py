"""Export a checkpoint as a model component: `python -m training.export CHECKPOINT --data DIR --out DIR`.

CHECKPOINT is a file of training.train, or its --out folder: then the newest of checkpoint.pt and best.pt
is exported, also while the training runs or after it was killed. Writes model.onnx in one precision,
golden.npz and the model card. Give the data options of the training: golden frames and int8 calibration use
its training pictures. `--precision int8` stores weights and activations in 8 bits (QDQ); the heads stay in
fp32. Needs `onnx`, and `onnxruntime` for int8.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from sightline.command_output import run_command
from sightline.errors import SightlineError
from sightline.vision.detector import Precision
from training.jobs.data_options import add_data_options, read_selected_data
from training.jobs.torch_check import require_torch


def build_parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        help="checkpoint.pt or best.pt of training.train, or its --out folder",
    )
    add_data_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model component")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="fp32",
        help="precision of the model (default: fp32)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if not args.data:
        parser.error(
            "--data is required: golden frames and int8 calibration need the training pictures"
        )
    try:
        require_torch("training.export")
        # late: --help needs no PyTorch
        from training.exporting.model_export import export_checkpoint, load_exportable

        checkpoint = load_exportable(args.checkpoint)
        export_checkpoint(checkpoint, read_selected_data(args), args.out, args.precision)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{args.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
