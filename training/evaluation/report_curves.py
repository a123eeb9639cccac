"""The curves of the report: precision and recall, escapes and overkill, cost. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.datasets import ANOMALY, DataSet
from training.evaluation.average_precision import compute_precision_recall, match_boxes_by_label
from training.evaluation.image_level import select_known
from training.evaluation.predictions import PicturePrediction, unify_labels
from training.evaluation.svg_charts import ChartLine


def build_precision_recall_lines(
    data_set: DataSet, predictions: Sequence[PicturePrediction]
) -> list[ChartLine]:
    """A curve by picture, and one by box at IoU 0.5 for each label with a box, in the labels' order."""
    lines = []
    if data_set.has_boxes:
        marked, renamed = unify_labels(data_set, predictions)
        for label, matches in match_boxes_by_label(marked.pictures, renamed, marked.labels).items():
            if any(one.true_boxes or len(one.scores) for one in matches):
                recall, precision, _ = compute_precision_recall(matches, 0)
                points = list(zip(recall.tolist(), precision.tolist(), strict=True))
                lines.append(ChartLine(f"boxes: {label}", points))
    return [*lines, *(one for one in [_build_picture_line(data_set, predictions)] if one.points)]


def _build_picture_line(data_set: DataSet, predictions: Sequence[PicturePrediction]) -> ChartLine:
    pictures, scores = select_known(data_set.pictures, predictions)
    truth = np.array([picture.label == ANOMALY for picture in pictures], bool)
    if not truth.any() or truth.all():
        return ChartLine("pictures", [])  # with one class only, precision is constant
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(
        np.diff(scores[order]) != 0, True
    )  # a threshold separates different scores only
    recall, precision = hits / truth.sum(), hits / np.arange(1, len(order) + 1)
    return ChartLine(
        "pictures", list(zip(recall[last].tolist(), precision[last].tolist(), strict=True))
    )


def build_threshold_lines(rows: Sequence[dict[str, Any]]) -> list[ChartLine]:
    """Escapes and overkill over the threshold."""
    return [
        ChartLine(name, [(row["threshold"], float(row[name])) for row in rows])
        for name in ("escapes", "overkill")
    ]


def build_cost_line(rows: Sequence[dict[str, Any]]) -> ChartLine:
    """The cost over the threshold."""
    return ChartLine("cost", [(row["threshold"], row["cost"]) for row in rows])
