"""The options of all commands that read labelled pictures: which, in what format, without what."""

import argparse
from collections.abc import Sequence

from training.datasets import FORMATS, DataSet, read_dataset
from training.datasets.checks import checked
from training.datasets.folds import of_fold, parse_fold
from training.datasets.lookout import SUFFIXES, read_manifest_at
from training.places import local_folder
from training.sagemaker import data_by_environment


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser; a SageMaker job's environment stands for --data."""
    add = parser.add_argument
    add(
        "--data",
        default=data_by_environment(),
        help="folder or s3://BUCKET/PREFIX of pictures, or a manifest",
    )
    add("--format", default="", choices=["", *FORMATS], help="of the labels (by their looks)")
    add("--drop-bad-labels", action="store_true", help="leave bad labels out instead of refusing")
    add("--without-group", action="append", default=[], help="leave a group or series out")
    add("--fold", default="", help="2/5: split anew by groups, the second of five is the test part")


def chosen_data(given: argparse.Namespace) -> DataSet:
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
    if address.endswith(SUFFIXES):
        found = checked(read_manifest_at(address), drop_bad_labels)
    else:
        found = read_dataset(local_folder(address), format, drop_bad_labels)
    if fold:
        found = of_fold(found, *parse_fold(fold))
    return found.without_groups(*without)
