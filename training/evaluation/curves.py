"""The points of the report's curves: precision and recall, escapes and overkill, cost. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.datasets import ANOMALY, DataSet
from training.evaluation.answers import Answer, on_common_labels
from training.evaluation.average_precision import curve, matches_by_label
from training.evaluation.charts import Line
from training.evaluation.image_level import known


def precision_recall(found: DataSet, answers: Sequence[Answer]) -> list[Line]:
    """By picture; and by box at an overlap of one half, for each label that has a true box."""
    lines = [_by_picture(found, answers)]
    if found.has_boxes:
        marked, renamed = on_common_labels(found, answers)
        for label, matches in matches_by_label(marked.pictures, renamed, marked.labels).items():
            if any(one.truths for one in matches):
                recall, precision, _ = curve(matches, 0)
                points = list(zip(recall.tolist(), precision.tolist(), strict=True))
                lines.append(Line(f"boxes: {label}", points))
    return [line for line in lines if line.points]


def _by_picture(found: DataSet, answers: Sequence[Answer]) -> Line:
    pictures, scores = known(found.pictures, answers)
    truth = np.array([picture.label == ANOMALY for picture in pictures], bool)
    if not truth.any() or truth.all():
        return Line("pictures", [])  # with one class only every precision is the same
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # only between different scores can one cut
    recall, precision = hits / truth.sum(), hits / np.arange(1, len(order) + 1)
    return Line("pictures", list(zip(recall[last].tolist(), precision[last].tolist(), strict=True)))


def threshold_lines(rows: Sequence[dict[str, Any]]) -> list[Line]:
    """Escapes and overkill over the threshold."""
    return [
        Line(name, [(row["threshold"], float(row[name])) for row in rows])
        for name in ("escapes", "overkill")
    ]


def cost_line(rows: Sequence[dict[str, Any]]) -> Line:
    """The cost over the threshold."""
    return Line("cost", [(row["threshold"], row["cost"]) for row in rows])
