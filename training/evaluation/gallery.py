"""Choice of the pictures for the report: best, worst, missed, false alarms. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets import ANOMALY, NORMAL, DataSet, LabelledPicture
from training.evaluation.box_level import compute_overlaps
from training.evaluation.predictions import PicturePrediction

PICTURES_PER_KIND = 8


@dataclass(frozen=True)
class GalleryPicture:
    """A picture of the report, its prediction, and its caption."""

    picture: LabelledPicture
    prediction: PicturePrediction
    text: str


def choose_gallery(
    data_set: DataSet,
    predictions: Sequence[PicturePrediction],
    box_threshold: float,
    image_threshold: float,
    each: int = PICTURES_PER_KIND,
) -> dict[str, list[GalleryPicture]]:
    """Up to `each` pictures of each kind."""
    counted = [prediction.with_min_score(box_threshold) for prediction in predictions]
    if data_set.has_boxes:
        return _choose_by_overlap(data_set, counted, each)
    return _choose_by_score(data_set, counted, image_threshold, each)


def _choose_by_overlap(
    data_set: DataSet, predictions: Sequence[PicturePrediction], each: int
) -> dict[str, list[GalleryPicture]]:
    areas = compute_overlaps(data_set.pictures, predictions, 0.0)
    rows = [
        (
            overlap,
            GalleryPicture(picture, prediction, f"F1 {overlap.f1:.2f}, IoU {overlap.iou:.2f}"),
        )
        for picture, prediction, overlap in zip(data_set.pictures, predictions, areas, strict=True)
    ]
    marked = sorted((row for row in rows if row[0].truth > 0), key=lambda row: row[0].f1)
    missed = sorted(marked, key=lambda row: row[0].common - row[0].truth)
    alarms = sorted(rows, key=lambda row: row[0].common - row[0].found)
    return {
        "Best": [shown for _, shown in marked[::-1][:each]],
        "Worst": [shown for _, shown in marked[:each]],
        "Missed": [shown for overlap, shown in missed[:each] if overlap.common < overlap.truth],
        "False alarms": [shown for o, shown in alarms[:each] if o.common < o.found],
    }


def _choose_by_score(
    data_set: DataSet, predictions: Sequence[PicturePrediction], threshold: float, each: int
) -> dict[str, list[GalleryPicture]]:
    rows = [
        GalleryPicture(
            picture, prediction, f"{picture.label}, score {prediction.anomaly_score:.3f}"
        )
        for picture, prediction in zip(data_set.pictures, predictions, strict=True)
    ]
    by_margin = sorted(rows, key=lambda row: _score_margin(row, threshold))
    bad = [row for row in by_margin if row.picture.label == ANOMALY]
    good = [row for row in by_margin if row.picture.label == NORMAL]
    return {
        "Best": [row for row in by_margin[::-1][:each] if _score_margin(row, threshold) > 0],
        "Worst": by_margin[:each],
        "Missed": [row for row in bad[:each] if _score_margin(row, threshold) < 0],
        "False alarms": [row for row in good[:each] if _score_margin(row, threshold) <= 0],
    }


def _score_margin(shown: GalleryPicture, threshold: float) -> float:
    """How far the score is on the correct side of the threshold."""
    beyond = shown.prediction.anomaly_score - threshold
    return beyond if shown.picture.label == ANOMALY else -beyond
