"""`python -m training.manifest --data DIR --out FILE`: writes a manifest of Amazon Lookout for Vision.

From any data set that can be read. Pictures are named by their path, or below `--as s3://BUCKET/PREFIX`.
Boxes become masks (PNG, one colour a label) in a folder `masks` beside the manifest.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sightline.errors import ConfigurationError, SightlineError
from training.datasets import UNKNOWN, DataSet, LabelledPicture
from training.datasets.lookout import BACKGROUND_LABEL
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


def build_manifest_lines(found: DataSet, prefix: str, written: datetime) -> list[str]:
    """One JSON line for each picture that is known to be normal or an anomaly."""
    return [
        json.dumps(_build_line(picture, found.labels, prefix, written))
        for picture in found.pictures
        if picture.label != UNKNOWN
    ]


def draw_mask(picture: LabelledPicture, labels: Sequence[str]) -> np.ndarray:
    """(height, width, 3) blue, green, red: each box in its label's colour, small ones on top."""
    mask = np.full((picture.height, picture.width, 3), 255, np.uint8)
    visible = [box for box in picture.boxes if box.visible]
    for box in sorted(visible, key=lambda one: -one.box[2] * one.box[3]):
        x, y, width, height = (round(value) for value in box.box)
        red_green_blue = bytes.fromhex(MASK_COLOURS[labels.index(box.label)][1:])
        mask[max(0, y) : y + height, max(0, x) : x + width] = tuple(red_green_blue[::-1])
    return mask


def build_mask_name(picture: LabelledPicture) -> str:
    """Where a picture's mask lies, below the manifest."""
    name = picture.name.removeprefix(S3_SCHEME)
    return f"{MASKS_FOLDER}/{Path(name).with_suffix('.png').as_posix()}"


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


def write_manifest(found: DataSet, out: Path, prefix: str) -> int:
    """Write manifest and masks; returns the number of lines. ConfigurationError if labels are too many."""
    if len(found.labels) > len(MASK_COLOURS):
        raise ConfigurationError(
            f"{len(found.labels)} labels; at most {len(MASK_COLOURS)} have a colour"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    for picture in found.pictures:
        if any(box.visible for box in picture.boxes):
            file = out.parent / build_mask_name(picture)
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), draw_mask(picture, found.labels))
    below = prefix.rstrip("/") + "/" if prefix else ""
    lines = build_manifest_lines(found, below, datetime.now(timezone.utc))
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
        "--as", dest="prefix", default="", help="s3://BUCKET/PREFIX of the pictures"
    )
    parser.add_argument("--split", choices=[*SPLIT_CHOICES], help="pictures of this split only")
    given = parser.parse_args(arguments)
    if not given.data:
        parser.error("--data is needed")
    try:
        found = read_selected_data(given)
        if given.split:
            found = found.select_splits(SPLIT_CHOICES[given.split])
        prefix = given.prefix or (given.data if given.data.startswith(S3_SCHEME) else "")
        count = write_manifest(found, given.out, prefix)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    masks = (
        f"; copy {given.out.parent / MASKS_FOLDER} to {prefix}"
        if prefix and found.has_boxes
        else ""
    )
    sys.stdout.write(f"{given.out}: {count} of {len(found.pictures)} pictures{masks}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
