"""Score thresholds for boxes: by F1 of matched boxes of each label, or by mean union F1. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.datasets import LabelledPicture
from training.evaluation.area_overlap import PixelBox, compute_union_overlap
from training.evaluation.box_matching import BoxMatches
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


def find_matched_threshold(
    by_label: Mapping[str, Sequence[BoxMatches]], candidates: Sequence[float]
) -> tuple[float, float]:
    """The candidate with the highest mean matched F1 (the higher one of equals), and that F1."""
    found = [(compute_mean_matched_f1(by_label, value), value) for value in candidates]
    best = max(found)
    return best[1], best[0]


def compute_mean_matched_f1(
    by_label: Mapping[str, Sequence[BoxMatches]], threshold: float
) -> float:
    """The mean over labels of the F1 of their boxes from a score on; a hit has an IoU of at least 0.5.

    A label with neither true nor found boxes does not count.
    """
    found = []
    for matches in by_label.values():
        counts = [one.count_outcomes(threshold) for one in matches]
        hits, alarms, misses = (sum(count[index] for count in counts) for index in range(3))
        if hits + alarms + misses:
            found.append(2 * hits / (2 * hits + alarms + misses))
    return float(np.mean(found)) if found else 0.0


def _compute_union_f1(
    picture: LabelledPicture, prediction: PicturePrediction, threshold: float
) -> float:
    size = (picture.width, picture.height)
    truth: list[PixelBox] = [box.box for box in picture.boxes if box.visible]
    ignored = [box.box for box in picture.boxes if not box.visible]
    found = [box.box for box in prediction.boxes if box.score >= threshold]
    return compute_union_overlap(truth, found, ignored, size).f1
