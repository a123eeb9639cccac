"""Which pictures the report shows: the best, the worst, what was missed, false alarms. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets import ANOMALY, NORMAL, DataSet, LabelledPicture
from training.evaluation.box_level import compute_overlaps
from training.evaluation.predictions import PicturePrediction

PICTURES_PER_KIND = 8


@dataclass(frozen=True)
class GalleryPicture:
    """A picture of the report, the boxes that count, and what is said under it."""

    picture: LabelledPicture
    answer: PicturePrediction
    text: str


def choose_gallery(
    found: DataSet,
    answers: Sequence[PicturePrediction],
    box_threshold: float,
    image_threshold: float,
    each: int = PICTURES_PER_KIND,
) -> dict[str, list[GalleryPicture]]:
    """Up to `each` pictures a kind."""
    counted = [answer.with_min_score(box_threshold) for answer in answers]
    if found.has_boxes:
        return _choose_by_overlap(found, counted, each)
    return _choose_by_score(found, counted, image_threshold, each)


def _choose_by_overlap(
    found: DataSet, answers: Sequence[PicturePrediction], each: int
) -> dict[str, list[GalleryPicture]]:
    areas = compute_overlaps(found.pictures, answers, 0.0)
    rows = [
        (overlap, GalleryPicture(picture, answer, f"F1 {overlap.f1:.2f}, IoU {overlap.iou:.2f}"))
        for picture, answer, overlap in zip(found.pictures, answers, areas, strict=True)
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
    found: DataSet, answers: Sequence[PicturePrediction], threshold: float, each: int
) -> dict[str, list[GalleryPicture]]:
    rows = [
        GalleryPicture(picture, answer, f"{picture.label}, score {answer.anomaly_score:.3f}")
        for picture, answer in zip(found.pictures, answers, strict=True)
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
    """By how much the score lies on the right side of the threshold."""
    beyond = shown.answer.anomaly_score - threshold
    return beyond if shown.picture.label == ANOMALY else -beyond
