"""Pictures that a model is evaluated on and was trained on, by the digest on its card."""

from pathlib import Path

from training.datasets import DataSet
from training.datasets.holdout import select_training_part
from training.evaluation.predictors import read_card


def count_seen_in_training(folder: Path, data_set: DataSet, chosen: DataSet) -> int:
    """The number of chosen pictures that the model was trained on.

    Known only if its card has the digest of this data set's training part; otherwise 0.
    """
    part = select_training_part(data_set)
    names = {picture.name for picture in part.pictures}
    count = sum(picture.name in names for picture in chosen.pictures)
    trained_on = read_card(folder).get("data_digest") if count else None
    return count if trained_on and trained_on == part.compute_digest() else 0
