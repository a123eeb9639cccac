"""Figures by picture, normal or anomaly: F1, group-balanced accuracy, escapes, overkill. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets import ANOMALY, UNKNOWN, LabelledPicture
from training.evaluation.bootstrap import Table, compute_bootstrap_interval, divide_or_nan
from training.evaluation.predictions import PicturePrediction

Flags = NDArray[np.bool_]


def select_known(
    pictures: Sequence[LabelledPicture], predictions: Sequence[PicturePrediction]
) -> tuple[list[LabelledPicture], NDArray[np.float64]]:
    """The pictures with a known label, and their anomaly scores."""
    pairs = [(p, a) for p, a in zip(pictures, predictions, strict=True) if p.label != UNKNOWN]
    return [p for p, _ in pairs], np.array([a.anomaly_score for _, a in pairs], np.float64)


def compute_picture_figures(
    pictures: Sequence[LabelledPicture], scores: NDArray[np.float64], threshold: float
) -> dict[str, Any]:
    """Figures with 95 % bounds; anomaly is the positive class. All pictures need a known label."""
    truth = np.array([picture.label == ANOMALY for picture in pictures], bool)
    called = scores >= threshold
    units = [picture.sampling_group for picture in pictures]
    table = build_confusion_table(truth, called)
    result: dict[str, Any] = {
        "threshold": threshold,
        "pictures": len(pictures),
        "anomalies": int(truth.sum()),
        "escapes": int((truth & ~called).sum()),
        "overkill": int((~truth & called).sum()),
    }
    if not len(pictures):
        return result
    for name, statistic in FIGURE_STATISTICS.items():
        result[name] = build_bounded_figure(units, table, statistic)
    balanced = _build_balanced_table(units, truth, called)
    result["group_balanced_accuracy"] = build_bounded_figure(
        units, balanced, balanced_accuracy_from_sums
    )
    result["groups"] = len(set(units))
    result["area_under_roc"] = compute_area_under_roc(truth, scores)
    return result


def build_confusion_table(truth: Flags, called: Flags) -> Table:
    """(pictures, 4): true positive, false positive, false negative, true negative."""
    return np.stack(
        [truth & called, ~truth & called, truth & ~called, ~truth & ~called], axis=1
    ).astype(np.float64)


def f1_from_sums(sums: Table) -> Table:
    """F1 from sums of hits, false alarms and misses; NaN if all are 0."""
    return divide_or_nan(2 * sums[:, 0], 2 * sums[:, 0] + sums[:, 1] + sums[:, 2])


def accuracy_from_sums(sums: Table) -> Table:
    """The first column divided by the second."""
    return divide_or_nan(sums[:, 0], sums[:, 1])


FIGURE_STATISTICS = {
    "f1": f1_from_sums,
    "precision": lambda sums: divide_or_nan(sums[:, 0], sums[:, 0] + sums[:, 1]),
    "recall": lambda sums: divide_or_nan(sums[:, 0], sums[:, 0] + sums[:, 2]),
    "accuracy": lambda sums: divide_or_nan(sums[:, 0] + sums[:, 3], sums.sum(axis=1)),
    "escape_rate": lambda sums: divide_or_nan(sums[:, 2], sums[:, 0] + sums[:, 2]),
    "overkill_rate": lambda sums: divide_or_nan(sums[:, 1], sums[:, 1] + sums[:, 3]),
}


def build_bounded_figure(
    units: Sequence[str], table: Table, statistic: Any
) -> dict[str, float | None]:
    """A figure of sums with its bootstrap bounds; None if it is undefined."""
    value = float(statistic(table.sum(axis=0, keepdims=True))[0])
    low, high = compute_bootstrap_interval(units, table, statistic)
    return {
        "value": None if np.isnan(value) else round(value, 4),
        "low_95": round(low, 4),
        "high_95": round(high, 4),
    }


def compute_area_under_roc(truth: Flags, scores: NDArray[np.float64]) -> float | None:
    """The area under the ROC curve; None unless both classes are present."""
    positive, negative = np.sort(scores[truth]), np.sort(scores[~truth])
    if not len(positive) or not len(negative):
        return None
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(
        negative, positive, "right"
    )
    return round(float(below.sum() / 2 / (len(positive) * len(negative))), 4)


def balanced_accuracy_from_sums(sums: Table) -> Table:
    """The mean of both classes' accuracies, or the accuracy of the only class."""
    shares = np.stack(
        [divide_or_nan(sums[:, 0], sums[:, 1]), divide_or_nan(sums[:, 2], sums[:, 3])]
    )
    known = ~np.isnan(shares)
    return divide_or_nan(
        np.where(known, shares, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64)
    )


def _build_balanced_table(units: Sequence[str], truth: Flags, called: Flags) -> Table:
    """(pictures, 4): anomalies correct and all, normal ones correct and all; each group weighs 1.

    Classes are kept apart: otherwise calling all anomalous would score well if anomalies have more groups.
    """
    keys = list(zip(units, truth.tolist(), strict=True))
    sizes = Counter(keys)
    weights = np.array([1 / sizes[key] for key in keys], np.float64)
    columns = [truth & called, truth, ~truth & ~called, ~truth]
    return np.stack([weights * column for column in columns], axis=1)
