"""Propose a detector's plan from labelled boxes: `python -m training.plan --data DIR [--out plan.json]`.

Chooses input size, anchors, crops, zoom and epochs by the boxes of the training part, says why in plain
words, and writes a plan file for `python -m training.train ssd --plan plan.json`. All pictures are squeezed
to the input size, as the station does it. Change the file as you like: docs/training.md explains each field.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sightline.errors import ConfigurationError, SightlineError
from training.jobs.data_options import add_data_options, read_selected_data
from training.planning.box_sizes import read_box_sizes
from training.planning.plan_proposal import propose_plan


def build_parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m training.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("plan.json"),
        help="plan file to write (default: plan.json)",
    )
    parser.add_argument(
        "--cpu-minutes",
        type=float,
        default=0.0,
        help="minutes that the training may take with one CPU thread, roughly (default: no limit)",
    )
    return parser


def write_proposal(args: argparse.Namespace) -> str:
    """Write the plan file; returns the reasons and what to do next."""
    if not math.isfinite(args.cpu_minutes) or args.cpu_minutes < 0:
        raise ConfigurationError(
            f"--cpu-minutes: found {args.cpu_minutes}; a number from 0 is needed"
        )
    if args.out.suffix != ".json":
        raise ConfigurationError(f"--out: found {args.out}; a name that ends in .json is needed")
    data_set = read_selected_data(args)
    sizes = read_box_sizes(data_set)
    name = Path(data_set.name).stem
    proposal = propose_plan(sizes, data_set.labels, name, args.cpu_minutes)
    content = msgspec.json.format(msgspec.json.encode(proposal.plan), indent=1) + b"\n"
    draft = args.out.with_suffix(".json.new")
    try:
        draft.write_bytes(content)
        draft.replace(args.out)
    except OSError as error:
        raise ConfigurationError(f"--out: cannot write {args.out}: {error}") from error
    reasons = "".join(f"  {reason}\n" for reason in proposal.reasons)
    head = f"{len(sizes.corners)} boxes in {sizes.pictures} training pictures of {data_set.name}"
    return (
        f"{head}:\n{reasons}{args.out}\n"
        f"next: python -m training.train ssd --data {args.data} --plan {args.out} --out WORK\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if not args.data:
        parser.error("--data is needed")
    try:
        text = write_proposal(args)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
