"""Thresholds for boxes by the area that they cover together: pure."""

from collections.abc import Sequence

import numpy as np

from training.datasets import Picture
from training.evaluation.answers import Answer
from training.evaluation.union import Box, union_overlap


def mean_union_f1(
    pictures: Sequence[Picture], answers: Sequence[Answer], threshold: float
) -> float:
    """The mean over pictures of the F1 of the area that their boxes cover together."""
    return float(np.mean([_f1(p, a, threshold) for p, a in zip(pictures, answers, strict=True)]))


def best_box_threshold(
    pictures: Sequence[Picture], answers: Sequence[Answer], candidates: Sequence[float]
) -> tuple[float, float]:
    """The candidate with the greatest mean union F1, and that F1."""
    found = [(mean_union_f1(pictures, answers, value), value) for value in candidates]
    best = max(found)
    return best[1], best[0]


def _f1(picture: Picture, answer: Answer, threshold: float) -> float:
    size = (picture.width, picture.height)
    truth: list[Box] = [box.box for box in picture.boxes if box.visible]
    ignored = [box.box for box in picture.boxes if not box.visible]
    found = [box.box for box in answer.boxes if box.score >= threshold]
    return union_overlap(truth, found, ignored, size).f1
