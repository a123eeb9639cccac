"""Score thresholds for boxes, by mean union F1. Pure."""

from collections.abc import Sequence

import numpy as np

from training.datasets import LabelledPicture
from training.evaluation.area_overlap import PixelBox, compute_union_overlap
from training.evaluation.predictions import PicturePrediction


def compute_mean_union_f1(
    pictures: Sequence[LabelledPicture], predictions: Sequence[PicturePrediction], threshold: float
) -> float:
    """The mean over pictures of the F1 of the area that their boxes cover."""
    return float(
        np.mean(
            [_compute_union_f1(p, a, threshold) for p, a in zip(pictures, predictions, strict=True)]
        )
    )


def find_box_threshold(
    pictures: Sequence[LabelledPicture],
    predictions: Sequence[PicturePrediction],
    candidates: Sequence[float],
) -> tuple[float, float]:
    """The candidate with the highest mean union F1, and that F1."""
    found = [(compute_mean_union_f1(pictures, predictions, value), value) for value in candidates]
    best = max(found)
    return best[1], best[0]


def _compute_union_f1(
    picture: LabelledPicture, prediction: PicturePrediction, threshold: float
) -> float:
    size = (picture.width, picture.height)
    truth: list[PixelBox] = [box.box for box in picture.boxes if box.visible]
    ignored = [box.box for box in picture.boxes if not box.visible]
    found = [box.box for box in prediction.boxes if box.score >= threshold]
    return compute_union_overlap(truth, found, ignored, size).f1
