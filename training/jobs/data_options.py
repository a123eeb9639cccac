"""The command-line options for reading a data set."""

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

from training.datasets import DATA_SET_FORMATS, DataSet, read_dataset
from training.datasets.folds import parse_fold, split_by_fold
from training.datasets.label_checks import check_labels
from training.datasets.label_sizes import ExifBoxes
from training.datasets.lookout import MANIFEST_SUFFIXES, read_manifest_at
from training.datasets.reading_summary import format_reading, summarize_reading
from training.datasets.storage import fetch_folder
from training.jobs.sagemaker_environment import find_job_data


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the data options; in a SageMaker job, --data defaults to the job's channel."""
    add = parser.add_argument
    add(
        "--data",
        default=find_job_data(),
        help="data set: folder, s3://BUCKET/PREFIX, or a manifest file",
    )
    add(
        "--format",
        default="",
        choices=["", *DATA_SET_FORMATS],
        help="format of the labels (default: detected)",
    )
    add(
        "--drop-bad-labels",
        action="store_true",
        help="skip bad labels (default: stop with a list of them)",
    )
    add(
        "--without-group",
        action="append",
        default=[],
        help="leave out a group or series; repeatable",
    )
    add(
        "--fold",
        default="",
        help="2/5: the second of five folds, split by groups, is the test part (default: own split)",
    )
    add(
        "--exif-boxes",
        default="",
        choices=["", *get_args(ExifBoxes)[1:]],
        help="for pictures with an EXIF orientation: boxes are of the picture as stored or as shown "
        "(default: by the size in the labels)",
    )


def read_selected_data(args: argparse.Namespace) -> DataSet:
    """The data set selected by the options, summarized on standard error; PictureError lists bad labels."""
    data_set = read_data(
        args.data, args.format, args.drop_bad_labels, args.without_group, args.fold, args.exif_boxes
    )
    sys.stderr.write(format_reading(summarize_reading(data_set)))
    return data_set


def read_data(
    address: str,
    format: str,
    drop_bad_labels: bool,
    without: Sequence[str] = (),
    fold: str = "",
    exif_boxes: ExifBoxes = "",
) -> DataSet:
    """The data set of a folder, bucket or manifest, split by fold if given, without these groups.

    Folds are assigned before groups are left out, so that the other groups stay in their folds.
    """
    if address.endswith(MANIFEST_SUFFIXES):
        data_set = check_labels(read_manifest_at(address), drop_bad_labels, exif_boxes)
    else:
        data_set = read_dataset(fetch_folder(address), format, drop_bad_labels, exif_boxes)
    if fold:
        data_set = split_by_fold(data_set, *parse_fold(fold))
    return data_set.without_groups(*without)
