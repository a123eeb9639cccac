"""All figures of one model on one data set, as they stand in the JSON: pure."""

from collections.abc import Sequence
from typing import Any

from training.datasets import DataSet
from training.evaluation.answers import Answer, on_common_labels
from training.evaluation.box_level import box_figures
from training.evaluation.image_level import image_figures, known


def figures_of(
    found: DataSet, answers: Sequence[Answer], box_threshold: float, image_threshold: float
) -> dict[str, Any]:
    """Figures by picture always, by box where the data set has boxes; answers in the pictures' order."""
    pictures, scores = known(found.pictures, answers)
    result: dict[str, Any] = {"by_picture": image_figures(pictures, scores, image_threshold)}
    if found.has_boxes:
        marked, renamed = on_common_labels(found, answers)
        result["by_box"] = box_figures(marked, renamed, box_threshold)
        result["by_box"]["labels"] = list(marked.labels)
    return result
