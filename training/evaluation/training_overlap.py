"""Whether a model is evaluated on pictures that it was trained on, by the digest on its card."""

from pathlib import Path

from training.datasets import DataSet
from training.datasets.holdout import select_training_part
from training.evaluation.predictors import read_card


def count_seen_in_training(folder: Path, found: DataSet, chosen: DataSet) -> int:
    """How many of the chosen pictures of a data set the model of this folder was trained on.

    That is known if its card has the digest of this data set's training part.
    """
    part = select_training_part(found)
    names = {picture.name for picture in part.pictures}
    count = sum(picture.name in names for picture in chosen.pictures)
    trained_on = read_card(folder).get("data_digest") if count else None
    return count if trained_on and trained_on == part.compute_digest() else 0
