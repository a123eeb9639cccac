"""Fixed folds by group: which pictures are the test part when a data set is split anew. Pure."""

import re
from collections import Counter
from dataclasses import replace

from sightline.errors import ConfigurationError
from training.datasets.data_set import DataSet, LabelledPicture


def parse_fold(text: str) -> tuple[int, int]:
    """`2/5`: the second of five; ConfigurationError if it is no such thing."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    number, folds = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= folds or folds < 2:
        raise ConfigurationError(f"fold: found {text!r}; expected NUMBER/FOLDS, as 1/5 to 5/5")
    return number, folds


def split_by_fold(found: DataSet, number: int, folds: int) -> DataSet:
    """The data set with fold `number` (from 1) as its test part, all other pictures to learn from.

    Groups stay whole. Pictures that belong to no part of a data set with parts stay outside.
    """
    has_parts = any(picture.split for picture in found.pictures)
    moved = [picture for picture in found.pictures if picture.split or not has_parts]
    fold_of = _assign_folds(moved, folds)
    pictures = tuple(
        replace(picture, split="test" if fold_of[picture.sampling_group] == number else "train")
        if picture.split or not has_parts
        else picture
        for picture in found.pictures
    )
    return replace(found, pictures=pictures)


def _assign_folds(pictures: list[LabelledPicture], folds: int) -> dict[str, int]:
    """Groups to folds of about the same size: the largest first, each to the smallest fold so far."""
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
