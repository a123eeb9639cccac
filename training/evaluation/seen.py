"""Whether a model is evaluated on pictures that it was trained on, by the digest on its card."""

from pathlib import Path

from training.datasets import DataSet
from training.evaluation.predictors import card_of
from training.holdout import training_part


def seen_in_training(folder: Path, found: DataSet, chosen: DataSet) -> int:
    """How many of the chosen pictures of a data set the model of this folder was trained on.

    That is known if its card has the digest of this data set's training part.
    """
    part = training_part(found)
    names = {picture.name for picture in part.pictures}
    count = sum(picture.name in names for picture in chosen.pictures)
    trained_on = card_of(folder).get("data_digest") if count else None
    return count if trained_on and trained_on == part.digest() else 0
