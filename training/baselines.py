"""What needs no training, and what a model must therefore beat: copying, marking all, marking nothing."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets import ANOMALY, Picture
from training.evaluation.answers import Answer, FoundBox, answer_of_boxes
from training.small_pictures import small_grey

SIDE_PX = 16  # enough to see what is shown; with more, look-up on near-duplicates gets worse
Features = NDArray[np.float32]


def features_of(pictures: Sequence[Picture]) -> Features:
    """(K, 256): each picture small and grey, without its mean brightness."""
    return np.stack([_small(picture) for picture in pictures])


def _small(picture: Picture) -> Features:
    small = cv2.resize(small_grey(picture), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    flat = small.astype(np.float32).ravel()
    centred: Features = flat - flat.mean()
    return centred


def nearest(
    features: Features, of: Features, forbidden: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """For each picture the row in `of` that looks most alike; `forbidden` (K, N) are passed over."""
    squares = (of**2).sum(axis=1)[
        None, :
    ] - 2 * features @ of.T  # the picture's own square is the same for all
    if forbidden is not None:
        squares = np.where(forbidden, np.inf, squares)
    rows: NDArray[np.int64] = np.argmin(squares, axis=1)
    return rows


def copied_answers(
    pictures: Sequence[Picture], training: Sequence[Picture], other_groups: bool = False
) -> list[Answer]:
    """The labels of the training picture that looks most alike, perhaps of another group."""
    forbidden = None
    if other_groups:
        forbidden = np.array([[p.unit == t.unit for t in training] for p in pictures])
    rows = nearest(features_of(pictures), features_of(training), forbidden)
    return [_copied(picture, training[row]) for picture, row in zip(pictures, rows, strict=True)]


def _copied(picture: Picture, like: Picture) -> Answer:
    across, down = picture.width / like.width, picture.height / like.height
    boxes = tuple(
        FoundBox(box.label, 1.0, (x * across, y * down, width * across, height * down))
        for box in like.boxes
        if box.visible
        for x, y, width, height in [box.box]
    )
    return Answer(boxes, float(like.label == ANOMALY))


def whole_picture_answers(pictures: Sequence[Picture], label: str) -> list[Answer]:
    """One box over all of each picture."""
    return [
        answer_of_boxes([FoundBox(label, 1.0, (0.0, 0.0, float(p.width), float(p.height)))])
        for p in pictures
    ]


def empty_answers(pictures: Sequence[Picture]) -> list[Answer]:
    """Nothing found, all normal."""
    return [Answer((), 0.0) for _ in pictures]
