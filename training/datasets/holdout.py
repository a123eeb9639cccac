"""Which training pictures are held out to choose thresholds and the best epoch by; never test pictures."""

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


def select_training_part(found: DataSet) -> DataSet:
    """The pictures to learn from: those of the split `train`, or all of a data set without splits."""
    part = found.select_splits("train")
    return part if part.pictures else found.select_splits("")


def has_mixed_groups(found: DataSet) -> bool:
    """Whether the test part has groups that the training part has, too."""
    groups = {picture.group for picture in select_training_part(found).pictures if picture.group}
    return any(picture.group in groups for picture in found.select_splits("test").pictures)


def hold_out_rows(
    found: DataSet, share: float, seed: int, needed: Sequence[ImageLabel] = (ANOMALY,)
) -> Rows:
    """Rows of `select_training_part` to be held out, drawn as the test part was drawn.

    PictureError if a needed label that there is would be missing among them, or among the others.
    """
    pictures = select_training_part(found).pictures
    chosen = hold_out_with_warning(pictures, share, seed, has_mixed_groups(found))
    if not len(chosen) or len(chosen) == len(pictures):
        raise PictureError(f"{found.name}: {len(pictures)} pictures are too few to hold some out")
    held = set(chosen.tolist())
    for label in needed:
        own = {row for row, picture in enumerate(pictures) if picture.label == label}
        if own and not 0 < len(own & held) < len(own):
            units = sorted({pictures[row].sampling_group for row in own})
            raise PictureError(
                f"{found.name}: {len(own)} {label} pictures, of {', '.join(units)}, are too few to learn "
                "from some and to hold others out; label more, or try another --seed"
            )
    return chosen


def hold_out_with_warning(
    pictures: Sequence[LabelledPicture], share: float, seed: int, mixed: bool
) -> Rows:
    """`draw_by_strata`, and a word on standard error if a group had to be cut."""
    chosen = draw_by_strata(pictures, share, seed, mixed)
    held = set(chosen.tolist())
    learned = {picture.group for row, picture in enumerate(pictures) if row not in held}
    cut = sorted(learned & {pictures[row].group for row in held} - {""})
    if cut and not mixed:
        sys.stderr.write(
            f"  all pictures of a label are of {', '.join(cut)}: some of them are held out, so the "
            "figures on those look better than they are; label pictures of other groups, too\n"
        )
    return chosen


def draw_by_strata(
    pictures: Sequence[LabelledPicture], share: float, seed: int, mixed: bool
) -> Rows:
    """Rows drawn at random: by group and label if `mixed`, else whole groups, by their commonest label.

    Of each label there are some among them and some among the others, if it has two pictures.
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
    """What is drawn as one: pictures if `mixed`, else groups, and pictures without one."""
    units: dict[str, RowGroup] = defaultdict(list)
    for row, picture in enumerate(pictures):
        own = picture.name or PurePath(picture.file).name
        units[own if mixed else picture.group or own].append(row)
    return [rows for _, rows in sorted(units.items())]


def _draw_groups(units: Sequence[RowGroup], share: float, random: np.random.Generator) -> RowGroup:
    """Rows of units until about the share is reached; a unit that is much too large is passed over."""
    wanted = share * sum(len(rows) for rows in units)
    chosen: RowGroup = []
    for number in random.permutation(len(units)):
        if len(chosen) + 0.5 * len(units[number]) <= wanted:
            chosen += units[number]
    return chosen


def _balance_label(
    chosen: set[int],
    own: set[int],
    units: Sequence[RowGroup],
    share: float,
    random: np.random.Generator,
) -> set[int]:
    """With a label on both sides that was on one: its smallest unit changes sides; its only one is cut."""
    if len(units) == 1:
        count = min(max(1, round(share * len(own))), len(own) - 1)
        return chosen - own | {int(row) for row in random.permutation(sorted(own))[:count]}
    shuffled = [units[number] for number in random.permutation(len(units))]
    smallest: RowGroup = min(shuffled, key=len)
    return chosen ^ set(smallest)


def build_training_identity(plan: object, part: DataSet) -> str:
    """What a training must have in common with its saved state to be resumed."""
    return f"{plan!r} {part.compute_digest()}"
