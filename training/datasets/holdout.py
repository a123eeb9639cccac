"""Held-out training pictures, which choose the best epoch and the thresholds; never test pictures."""

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from training.datasets import ANOMALY, NORMAL, DataSet, ImageLabel, LabelledPicture

Rows = NDArray[np.int64]
RowGroup = list[int]  # rows that stay together


def select_training_part(data_set: DataSet) -> DataSet:
    """The training part: the split `train`, or all pictures if no picture has a split."""
    part = data_set.select_splits("train")
    return part if part.pictures else data_set.select_splits("")


def has_mixed_groups(data_set: DataSet) -> bool:
    """Whether the test part shares groups with the training part."""
    groups = {picture.group for picture in select_training_part(data_set).pictures if picture.group}
    return any(picture.group in groups for picture in data_set.select_splits("test").pictures)


def hold_out_rows(
    data_set: DataSet, share: float, seed: int, needed: Sequence[ImageLabel] = (ANOMALY,)
) -> Rows:
    """Rows of `select_training_part` to hold out, by group unless the test part shares groups.

    PictureError if a needed label would be missing on either side.
    """
    pictures = select_training_part(data_set).pictures
    chosen = hold_out_with_warning(pictures, share, seed, has_mixed_groups(data_set))
    if not len(chosen) or len(chosen) == len(pictures):
        raise PictureError(
            f"{data_set.name}: {len(pictures)} pictures are too few to hold some out"
        )
    held = set(chosen.tolist())
    for label in needed:
        own = {row for row, picture in enumerate(pictures) if picture.label == label}
        if own and not 0 < len(own & held) < len(own):
            units = sorted({pictures[row].sampling_group for row in own})
            raise PictureError(
                f"{data_set.name}: {len(own)} {label} pictures, of {', '.join(units)}, are too few: some are "
                "needed for training and some held out. Label more, or try another --seed."
            )
    return chosen


def hold_out_with_warning(
    pictures: Sequence[LabelledPicture], share: float, seed: int, mixed: bool
) -> Rows:
    """`draw_by_strata`, with a warning on standard error if a group had to be divided."""
    chosen = draw_by_strata(pictures, share, seed, mixed)
    held = set(chosen.tolist())
    learned = {picture.group for row, picture in enumerate(pictures) if row not in held}
    divided = sorted(learned & {pictures[row].group for row in held} - {""})
    if divided and not mixed:
        sys.stderr.write(
            f"  All pictures of a label are of {', '.join(divided)}: some of them are held out. So the "
            "figures on held-out pictures are too good. Label pictures of other groups, too.\n"
        )
    return chosen


def draw_by_strata(
    pictures: Sequence[LabelledPicture], share: float, seed: int, mixed: bool
) -> Rows:
    """Random rows: pictures by group and label if `mixed`, else whole groups by most common label.

    A label with two pictures or more is on both sides.
    """
    random = np.random.default_rng(seed)
    units = _group_rows(pictures, mixed)
    strata: dict[tuple[str, str], list[RowGroup]] = defaultdict(list)
    for rows in units:
        labels = Counter(pictures[row].label for row in rows)
        strata[(labels.most_common(1)[0][0], pictures[rows[0]].group if mixed else "")].append(rows)
    chosen = {row for _, one in sorted(strata.items()) for row in _draw_groups(one, share, random)}
    for label in (NORMAL, ANOMALY):
        own = {row for row, picture in enumerate(pictures) if picture.label == label}
        if len(own) > 1 and not 0 < len(own & chosen) < len(own):
            having = [rows for rows in units if own & set(rows)]
            chosen = _balance_label(chosen, own, having, share, random)
    return np.array(sorted(chosen), np.int64)


def _group_rows(pictures: Sequence[LabelledPicture], mixed: bool) -> list[RowGroup]:
    """The units of the draw: pictures if `mixed`, else groups; a picture without a group is its own."""
    units: dict[str, RowGroup] = defaultdict(list)
    for row, picture in enumerate(pictures):
        own = picture.name or PurePath(picture.file).name
        units[own if mixed else picture.group or own].append(row)
    return [rows for _, rows in sorted(units.items())]


def _draw_groups(units: Sequence[RowGroup], share: float, random: np.random.Generator) -> RowGroup:
    """Rows of random units up to about the share; units that are much too large are skipped."""
    target_count = share * sum(len(rows) for rows in units)
    chosen: RowGroup = []
    for number in random.permutation(len(units)):
        if len(chosen) + 0.5 * len(units[number]) <= target_count:
            chosen += units[number]
    return chosen


def _balance_label(
    chosen: set[int],
    own: set[int],
    units: Sequence[RowGroup],
    share: float,
    random: np.random.Generator,
) -> set[int]:
    """Put a label on both sides: move its smallest unit, or divide its only one."""
    if len(units) == 1:
        count = min(max(1, round(share * len(own))), len(own) - 1)
        return chosen - own | {int(row) for row in random.permutation(sorted(own))[:count]}
    shuffled = [units[number] for number in random.permutation(len(units))]
    smallest: RowGroup = min(shuffled, key=len)
    return chosen ^ set(smallest)


def build_training_identity(plan: object, part: DataSet) -> str:
    """The identity that a training must share with a saved state to resume it."""
    return f"{plan!r} {part.compute_digest()}"
