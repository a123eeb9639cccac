"""Which training pictures are held out to choose thresholds and the best epoch by; never test pictures."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from training.datasets import DataSet, Picture

Rows = NDArray[np.int64]


def training_part(found: DataSet) -> DataSet:
    """The pictures to learn from: those of the split `train`, or all of a data set without splits."""
    part = found.of_split("train")
    return part if part.pictures else found.of_split("")


def mixes_groups(found: DataSet) -> bool:
    """Whether the test part has groups that the training part has, too."""
    groups = {picture.group for picture in training_part(found).pictures if picture.group}
    return any(picture.group in groups for picture in found.of_split("test").pictures)


def hold_out(found: DataSet, share: float, seed: int) -> Rows:
    """Rows of `training_part` to be held out, drawn as the test part was drawn.

    Pictures of a group stay on one side, unless the data set's own test part mixes groups: then the same
    share of each group is held out. Both label by label.
    """
    pictures = training_part(found).pictures
    mixed = mixes_groups(found)
    chosen = found_by_strata(pictures, share, seed, mixed)
    if not len(chosen) or len(chosen) == len(pictures):
        raise PictureError(f"{found.name}: {len(pictures)} pictures are too few to hold some out")
    return chosen


def found_by_strata(pictures: Sequence[Picture], share: float, seed: int, mixed: bool) -> Rows:
    """Rows drawn at random: by group and label if `mixed`, else whole groups, by their commonest label."""
    random = np.random.default_rng(seed)
    units: dict[str, list[int]] = defaultdict(list)
    for row, picture in enumerate(pictures):
        own = picture.name or PurePath(picture.file).name
        units[own if mixed else picture.group or own].append(row)
    strata: dict[tuple[str, str], list[list[int]]] = defaultdict(list)
    for _, rows in sorted(units.items()):
        labels = Counter(pictures[row].label for row in rows)
        strata[(labels.most_common(1)[0][0], pictures[rows[0]].group if mixed else "")].append(rows)
    chosen = [row for _, one in sorted(strata.items()) for row in _drawn(one, share, random)]
    return np.array(sorted(chosen), np.int64)


def _drawn(units: Sequence[list[int]], share: float, random: np.random.Generator) -> list[int]:
    """Rows of units until about the share is reached; a unit that is much too large is passed over."""
    wanted = share * sum(len(rows) for rows in units)
    chosen: list[int] = []
    for number in random.permutation(len(units)):
        if len(chosen) + 0.5 * len(units[number]) <= wanted:
            chosen += units[number]
    return chosen


def identity_of(plan: object, part: DataSet) -> str:
    """What a training must have in common with its saved state to be resumed."""
    return f"{plan!r} {part.digest()}"
