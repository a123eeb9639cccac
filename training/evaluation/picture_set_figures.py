"""All figures of a model on a data set, as in the JSON. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from training.datasets import ANOMALY, NORMAL, DataSet, LabelledPicture
from training.evaluation.box_level import compute_box_figures, compute_overlaps
from training.evaluation.image_level import compute_picture_figures, select_known
from training.evaluation.predictions import PicturePrediction, unify_labels


def compute_figures(
    data_set: DataSet,
    predictions: Sequence[PicturePrediction],
    box_threshold: float,
    image_threshold: float,
) -> dict[str, Any]:
    """Figures by picture, and by box if the data set has boxes; predictions in the pictures' order."""
    pictures, scores = select_known(data_set.pictures, predictions)
    result: dict[str, Any] = {
        "by_picture": compute_picture_figures(pictures, scores, image_threshold)
    }
    if data_set.has_boxes:
        marked, renamed = unify_labels(data_set, predictions)
        result["by_box"] = compute_box_figures(marked, renamed, box_threshold)
        result["by_box"]["labels"] = list(marked.labels)
    return result


def compute_group_figures(
    data_set: DataSet,
    predictions: Sequence[PicturePrediction],
    box_threshold: float,
    image_threshold: float,
) -> list[dict[str, Any]]:
    """Figures of each group of two or more pictures: escapes, overkill, union F1; worst first."""
    members: dict[str, list[tuple[LabelledPicture, PicturePrediction]]] = defaultdict(list)
    for picture, prediction in zip(data_set.pictures, predictions, strict=True):
        members[picture.group].append((picture, prediction))
    rows = []
    for group, pairs in members.items():
        if group and len(pairs) > 1:
            called = [(p.label, a.anomaly_score >= image_threshold) for p, a in pairs]
            row: dict[str, Any] = {
                "group": group,
                "pictures": len(pairs),
                "escapes": called.count((ANOMALY, False)),
                "overkill": called.count((NORMAL, True)),
            }
            if data_set.has_boxes:
                areas = compute_overlaps(
                    [p for p, _ in pairs], [a for _, a in pairs], box_threshold
                )
                row["union_f1"] = round(sum(area.f1 for area in areas) / len(areas), 4)
            rows.append(row)
    return sorted(rows, key=_rank_group)


def _rank_group(row: dict[str, Any]) -> tuple[float, str]:
    wrong = (row["escapes"] + row["overkill"]) / row["pictures"]
    return float(row.get("union_f1", 1 - wrong)), str(row["group"])
