"""COCO's average precision: 101 recalls, IoU from 0.50 to 0.95, at most 100 boxes a picture: pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import Picture
from training.evaluation.answers import Answer
from training.evaluation.matching import IOU_LIMITS, Matches, match

RECALLS = np.linspace(0.0, 1.0, 101)
Curve = NDArray[np.float64]


@dataclass(frozen=True)
class AveragePrecision:
    """Over all IoU limits, and at 0.50 and 0.75; None where there is no true box."""

    ap: float | None
    ap50: float | None
    ap75: float | None


def matches_by_label(
    pictures: Sequence[Picture], answers: Sequence[Answer], labels: Sequence[str]
) -> dict[str, list[Matches]]:
    """For each label the matches in each picture, in the pictures' order."""
    return {
        label: [
            match(
                [box for box in picture.boxes if box.label == label],
                [box for box in answer.boxes if box.label == label],
            )
            for picture, answer in zip(pictures, answers, strict=True)
        ]
        for label in labels
    }


def average_precision(by_label: dict[str, list[Matches]]) -> AveragePrecision:
    """The mean over the labels that have a true box."""
    tables = [
        [float(precision_at_recalls(matches, index).mean()) for index in range(len(IOU_LIMITS))]
        for matches in by_label.values()
        if any(one.truths for one in matches)
    ]
    if not tables:
        return AveragePrecision(None, None, None)
    means = np.mean(tables, axis=0)
    return AveragePrecision(float(means.mean()), float(means[0]), float(means[5]))


def precision_at_recalls(matches: Sequence[Matches], limit: int) -> Curve:
    """(101,): the best precision at each recall or a greater one, 0 where it is not reached."""
    recall, precision, _ = curve(matches, limit)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    return np.append(best, 0.0)[np.minimum(places, len(best))]


def curve(matches: Sequence[Matches], limit: int) -> tuple[Curve, Curve, Curve]:
    """Recall, precision and score with each more box, best first."""
    scores = np.concatenate([one.scores for one in matches])
    hits = np.concatenate([one.hits[limit] for one in matches])
    counted = ~np.concatenate([one.ignored[limit] for one in matches])
    order = np.argsort(-scores, kind="stable")
    order = order[counted[order]]
    found = np.cumsum(hits[order])
    truths = sum(one.truths for one in matches)
    return found / max(truths, 1), found / np.arange(1, len(order) + 1), scores[order]
