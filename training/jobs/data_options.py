"""The options of all commands that read labelled pictures: which, in what format, without what."""

import argparse
from collections.abc import Sequence

from training.datasets import DATA_SET_FORMATS, DataSet, read_dataset
from training.datasets.folds import parse_fold, split_by_fold
from training.datasets.label_checks import check_labels
from training.datasets.lookout import MANIFEST_SUFFIXES, read_manifest_at
from training.datasets.storage import fetch_folder
from training.jobs.sagemaker_environment import find_job_data


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser; a SageMaker job's environment stands for --data."""
    add = parser.add_argument
    add(
        "--data",
        default=find_job_data(),
        help="folder or s3://BUCKET/PREFIX of pictures, or a manifest",
    )
    add(
        "--format",
        default="",
        choices=["", *DATA_SET_FORMATS],
        help="of the labels (by their looks)",
    )
    add("--drop-bad-labels", action="store_true", help="leave bad labels out instead of refusing")
    add("--without-group", action="append", default=[], help="leave a group or series out")
    add("--fold", default="", help="2/5: split anew by groups, the second of five is the test part")


def read_selected_data(given: argparse.Namespace) -> DataSet:
    """The data set that the options ask for; PictureError lists bad labels."""
    return read_data(
        given.data, given.format, given.drop_bad_labels, given.without_group, given.fold
    )


def read_data(
    address: str, format: str, drop_bad_labels: bool, without: Sequence[str] = (), fold: str = ""
) -> DataSet:
    """The data set of a folder or bucket, perhaps split anew, and then without these groups.

    In this order the other groups are in the same folds, whatever is left out.
    """
    if address.endswith(MANIFEST_SUFFIXES):
        found = check_labels(read_manifest_at(address), drop_bad_labels)
    else:
        found = read_dataset(fetch_folder(address), format, drop_bad_labels)
    if fold:
        found = split_by_fold(found, *parse_fold(fold))
    return found.without_groups(*without)
