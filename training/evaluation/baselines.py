"""Baselines without training that a model must beat: copying, marking everything, marking nothing."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets import ANOMALY, LabelledPicture
from training.evaluation.predictions import (
    PicturePrediction,
    PredictedBox,
    build_prediction_from_boxes,
)
from training.evaluation.thumbnails import load_thumbnail

# with more pixels, look-up of near-duplicates gets worse
FEATURE_SIDE_PX = 16
Features = NDArray[np.float32]


def build_features(pictures: Sequence[LabelledPicture]) -> Features:
    """(K, 256): each picture as a small grey image without its mean."""
    return np.stack([_build_feature(picture) for picture in pictures])


def _build_feature(picture: LabelledPicture) -> Features:
    small = cv2.resize(
        load_thumbnail(picture), (FEATURE_SIDE_PX, FEATURE_SIDE_PX), interpolation=cv2.INTER_AREA
    )
    flat = small.astype(np.float32).ravel()
    centred: Features = flat - flat.mean()
    return centred


def find_nearest(
    features: Features, of: Features, forbidden: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """For each picture, the most similar row of `of`; pairs in `forbidden` (K, N) are excluded."""
    # without the square of the features, which is the same for all rows
    squares = (of**2).sum(axis=1)[None, :] - 2 * features @ of.T
    if forbidden is not None:
        squares = np.where(forbidden, np.inf, squares)
    rows: NDArray[np.int64] = np.argmin(squares, axis=1)
    return rows


def predict_by_copying(
    pictures: Sequence[LabelledPicture],
    training: Sequence[LabelledPicture],
    other_groups: bool = False,
) -> list[PicturePrediction]:
    """The labels of the most similar training picture, with `other_groups` of another group."""
    forbidden = None
    if other_groups:
        forbidden = np.array(
            [[p.sampling_group == t.sampling_group for t in training] for p in pictures]
        )
    rows = find_nearest(build_features(pictures), build_features(training), forbidden)
    return [
        _copy_prediction(picture, training[row])
        for picture, row in zip(pictures, rows, strict=True)
    ]


def _copy_prediction(picture: LabelledPicture, like: LabelledPicture) -> PicturePrediction:
    across, down = picture.width / like.width, picture.height / like.height
    boxes = tuple(
        PredictedBox(box.label, 1.0, (x * across, y * down, width * across, height * down))
        for box in like.boxes
        if box.visible
        for x, y, width, height in [box.box]
    )
    return PicturePrediction(boxes, float(like.label == ANOMALY))


def predict_whole_pictures(
    pictures: Sequence[LabelledPicture], label: str
) -> list[PicturePrediction]:
    """One box over each whole picture."""
    return [
        build_prediction_from_boxes(
            [PredictedBox(label, 1.0, (0.0, 0.0, float(p.width), float(p.height)))]
        )
        for p in pictures
    ]


def predict_nothing(pictures: Sequence[LabelledPicture]) -> list[PicturePrediction]:
    """No boxes, and all pictures normal."""
    return [PicturePrediction((), 0.0) for _ in pictures]
