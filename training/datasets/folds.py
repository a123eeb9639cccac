"""Fixed cross-validation folds by group. Pure."""

import re
from collections import Counter
from dataclasses import replace

from sightline.errors import ConfigurationError
from training.datasets.data_set import DataSet, LabelledPicture


def parse_fold(text: str) -> tuple[int, int]:
    """Parse `2/5`, the second of five folds; ConfigurationError."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    number, folds = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= folds or folds < 2:
        raise ConfigurationError(f"fold: found {text!r}; expected NUMBER/FOLDS, such as 1/5 to 5/5")
    return number, folds


def split_by_fold(data_set: DataSet, number: int, folds: int) -> DataSet:
    """The data set with fold `number` (from 1) as the test part and all other pictures for training.

    Groups stay whole. In a data set with splits, pictures without a split keep none.
    """
    has_parts = any(picture.split for picture in data_set.pictures)
    moved = [picture for picture in data_set.pictures if picture.split or not has_parts]
    fold_of = _assign_folds(moved, folds)
    pictures = tuple(
        replace(picture, split="test" if fold_of[picture.sampling_group] == number else "train")
        if picture.split or not has_parts
        else picture
        for picture in data_set.pictures
    )
    return replace(data_set, pictures=pictures)


def _assign_folds(pictures: list[LabelledPicture], folds: int) -> dict[str, int]:
    """Assign groups to folds of similar size: largest group first, each to the smallest fold."""
    sizes = Counter(picture.sampling_group for picture in pictures)
    if len(sizes) < folds:
        raise ConfigurationError(f"fold: {len(sizes)} groups are too few for {folds} folds")
    filled = dict.fromkeys(range(1, folds + 1), 0)
    chosen = {}
    for unit, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold = min(filled, key=lambda one: (filled[one], one))
        chosen[unit] = fold
        filled[fold] += size
    return chosen
