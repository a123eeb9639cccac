"""COCO average precision: 101 recalls, IoU from 0.50 to 0.95, at most 100 boxes a picture. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import LabelledPicture
from training.evaluation.box_matching import IOU_LIMITS, BoxMatches, match_boxes
from training.evaluation.predictions import PicturePrediction

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
CurveValues = NDArray[np.float64]


@dataclass(frozen=True)
class AveragePrecision:
    """AP over all IoU limits, at 0.50 and at 0.75; None without a true box."""

    ap: float | None
    ap50: float | None
    ap75: float | None


def match_boxes_by_label(
    pictures: Sequence[LabelledPicture],
    predictions: Sequence[PicturePrediction],
    labels: Sequence[str],
    limits: Sequence[float] = IOU_LIMITS,
) -> dict[str, list[BoxMatches]]:
    """For each label, the matches in each picture in the pictures' order, at each IoU limit."""
    return {
        label: [
            match_boxes(
                [box for box in picture.boxes if box.label == label],
                [box for box in prediction.boxes if box.label == label],
                limits,
            )
            for picture, prediction in zip(pictures, predictions, strict=True)
        ]
        for label in labels
    }


def compute_label_tables(by_label: dict[str, list[BoxMatches]]) -> dict[str, CurveValues]:
    """The AP at each IoU limit of each label that has a true box."""
    return {
        label: np.array(
            [interpolate_precision(matches, index).mean() for index in range(len(IOU_LIMITS))]
        )
        for label, matches in by_label.items()
        if any(one.true_boxes for one in matches)
    }


def average_tables(tables: Sequence[CurveValues]) -> AveragePrecision:
    """The mean AP over some labels' tables."""
    if not len(tables):
        return AveragePrecision(None, None, None)
    means = np.mean(tables, axis=0)
    return AveragePrecision(float(means.mean()), float(means[0]), float(means[5]))


def compute_average_precision(by_label: dict[str, list[BoxMatches]]) -> AveragePrecision:
    """The mean AP over the labels that have a true box."""
    return average_tables(list(compute_label_tables(by_label).values()))


def compute_ap50(by_label: dict[str, list[BoxMatches]]) -> float:
    """The mean AP at IoU 0.5, the matches' first limit, over the labels with a true box; 0 without one."""
    found = [
        float(interpolate_precision(matches, 0).mean())
        for matches in by_label.values()
        if any(one.true_boxes for one in matches)
    ]
    return float(np.mean(found)) if found else 0.0


def interpolate_precision(matches: Sequence[BoxMatches], limit: int) -> CurveValues:
    """(101,): the highest precision at each recall or above, 0 where the recall is not reached."""
    recall, precision, _ = compute_precision_recall(matches, limit)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    positions = np.searchsorted(recall, RECALL_LEVELS, side="left")
    return np.append(best, 0.0)[np.minimum(positions, len(best))]


def compute_precision_recall(
    matches: Sequence[BoxMatches], limit: int
) -> tuple[CurveValues, CurveValues, CurveValues]:
    """Recall, precision and score after each box, best first."""
    scores = np.concatenate([one.scores for one in matches])
    hits = np.concatenate([one.hits[limit] for one in matches])
    counted = ~np.concatenate([one.ignored[limit] for one in matches])
    order = np.argsort(-scores, kind="stable")
    order = order[counted[order]]
    found = np.cumsum(hits[order])
    truths = sum(one.true_boxes for one in matches)
    return found / max(truths, 1), found / np.arange(1, len(order) + 1), scores[order]
