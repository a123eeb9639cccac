"""Write an Amazon Lookout for Vision manifest: `python -m training.manifest --data DIR --out FILE`.

Converts any supported data set. Pictures are named by their path, or by `--as s3://BUCKET/PREFIX`. Boxes
become masks (PNG, one colour for each label) in the folder `masks` beside the manifest.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from sightline.command_output import run_command
from sightline.errors import ConfigurationError, EvidenceError, SightlineError
from training.datasets import UNKNOWN, DataSet, LabelledPicture
from training.datasets.masks import BACKGROUND_LABEL
from training.datasets.splits import SPLIT_CHOICES
from training.datasets.storage import S3_SCHEME
from training.jobs.data_options import add_data_options, read_selected_data

MASK_COLOURS = (
    "#2ca02c",
    "#1f77b4",
    "#ff7f0e",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#17becf",
)
BACKGROUND_COLOUR = "#ffffff"
LABELING_JOB = "labeling-job/sightline"
MASKS_FOLDER = "masks"


def build_manifest_lines(data_set: DataSet, prefix: str, written: datetime) -> list[str]:
    """One JSON line for each picture whose labels are known."""
    return [
        json.dumps(_build_line(picture, data_set.labels, prefix, written))
        for picture in _select_known(data_set)
    ]


def draw_mask(picture: LabelledPicture, labels: Sequence[str]) -> np.ndarray:
    """The mask (height, width, 3) BGR: each box in its label's colour, small boxes on top."""
    mask = np.full((picture.height, picture.width, 3), 255, np.uint8)
    visible = [box for box in picture.boxes if box.visible]
    for box in sorted(visible, key=lambda one: -one.box[2] * one.box[3]):
        x, y, width, height = (round(value) for value in box.box)
        red_green_blue = bytes.fromhex(MASK_COLOURS[labels.index(box.label)][1:])
        mask[max(0, y) : y + height, max(0, x) : x + width] = tuple(red_green_blue[::-1])
    return mask


def build_mask_name(picture: LabelledPicture) -> str:
    """The path of a picture's mask, relative to the manifest; of `a.jpg` another one than of `a.png`."""
    name = picture.name.removeprefix(S3_SCHEME).replace("\\", "/")
    parts = [part for part in PurePosixPath(name).parts if part not in ("..", "/")]
    return f"{MASKS_FOLDER}/{'/'.join(parts)}.png"


def _select_known(data_set: DataSet) -> list[LabelledPicture]:
    """The pictures whose label is known and whole: a mask without a dropped box would call it good."""
    return [one for one in data_set.pictures if one.label != UNKNOWN and not one.lost_labels]


def _build_line(
    picture: LabelledPicture, labels: Sequence[str], prefix: str, written: datetime
) -> dict[str, Any]:
    address = prefix + picture.name if prefix else picture.file.resolve().as_posix()
    common = {
        "human-annotated": "yes",
        "creation-date": written.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "job-name": LABELING_JOB,
    }
    line: dict[str, Any] = {
        "source-ref": picture.name if picture.name.startswith(S3_SCHEME) else address,
        "anomaly-label": int(picture.label == "anomaly"),
        "anomaly-label-metadata": {
            "class-name": picture.label,
            "confidence": 1.0,
            "type": "groundtruth/image-classification",
            **common,
        },
    }
    line |= {
        key: value for key, value in (("group", picture.group), ("split", picture.split)) if value
    }
    if any(box.visible for box in picture.boxes):
        colours = {
            BACKGROUND_LABEL: BACKGROUND_COLOUR,
            **dict(zip(labels, MASK_COLOURS, strict=False)),
        }
        line["anomaly-mask-ref"] = prefix + build_mask_name(picture)
        line["anomaly-mask-ref-metadata"] = {
            "internal-color-map": {
                str(number): {"class-name": label, "hex-color": colour, "confidence": 0.0}
                for number, (label, colour) in enumerate(colours.items())
            },
            "type": "groundtruth/semantic-segmentation",
            **common,
        }
    return line


def write_manifest(data_set: DataSet, out: Path, prefix: str) -> int:
    """Write manifest and masks, and return the number of lines; ConfigurationError if labels are too many."""
    if len(data_set.labels) > len(MASK_COLOURS):
        raise ConfigurationError(
            f"found {len(data_set.labels)} labels; a manifest can have at most {len(MASK_COLOURS)}"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    written: dict[Path, str] = {}
    for picture in _select_known(data_set):
        if any(box.visible for box in picture.boxes):
            file = out.parent / build_mask_name(picture)
            if written.setdefault(file, picture.name) != picture.name:
                raise ConfigurationError(
                    f"{picture.name} and {written[file]} would have the same mask {file}; rename one of them"
                )
            file.parent.mkdir(parents=True, exist_ok=True)
            if not cv2.imwrite(str(file), draw_mask(picture, data_set.labels)):
                raise EvidenceError(f"Cannot write {file}")
    below = prefix.rstrip("/") + "/" if prefix else ""
    lines = build_manifest_lines(data_set, below, datetime.now(timezone.utc))
    out.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return len(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.manifest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="manifest file to write")
    parser.add_argument(
        "--as",
        dest="prefix",
        default="",
        help="s3://BUCKET/PREFIX of the pictures (default: their paths)",
    )
    parser.add_argument(
        "--split", choices=[*SPLIT_CHOICES], help="write only pictures of this split (default: all)"
    )
    args = parser.parse_args(arguments)
    if not args.data:
        parser.error("--data is required")
    try:
        data_set = read_selected_data(args)
        if args.split:
            data_set = data_set.select_splits(SPLIT_CHOICES[args.split])
        if not _select_known(data_set):
            raise ConfigurationError(
                f"{args.data} has no picture with a known label"
                + (f" of the split {args.split}" if args.split else "")
                + "; nothing is written"
            )
        prefix = args.prefix or (args.data if args.data.startswith(S3_SCHEME) else "")
        count = write_manifest(data_set, args.out, prefix)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    masks = (
        f"; copy {args.out.parent / MASKS_FOLDER} to {prefix}"
        if prefix and data_set.has_boxes
        else ""
    )
    left = len(data_set.pictures) - count
    unknown = f" ({left} without a known label, or with dropped ones)" if left else ""
    sys.stdout.write(f"{args.out}: {count} of {len(data_set.pictures)} pictures{unknown}{masks}\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
