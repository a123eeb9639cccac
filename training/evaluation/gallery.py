"""Which pictures the report shows: the best, the worst, what was missed, false alarms. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets import ANOMALY, NORMAL, DataSet, Picture
from training.evaluation.answers import Answer
from training.evaluation.box_level import overlaps_of

EACH = 8


@dataclass(frozen=True)
class Shown:
    """A picture of the report, the boxes that count, and what is said under it."""

    picture: Picture
    answer: Answer
    text: str


def choose(
    found: DataSet,
    answers: Sequence[Answer],
    box_threshold: float,
    image_threshold: float,
    each: int = EACH,
) -> dict[str, list[Shown]]:
    """Up to `each` pictures a kind."""
    counted = [answer.from_score(box_threshold) for answer in answers]
    if found.has_boxes:
        return _by_overlap(found, counted, each)
    return _by_score(found, counted, image_threshold, each)


def _by_overlap(found: DataSet, answers: Sequence[Answer], each: int) -> dict[str, list[Shown]]:
    areas = overlaps_of(found.pictures, answers, 0.0)
    rows = [
        (overlap, Shown(picture, answer, f"F1 {overlap.f1:.2f}, IoU {overlap.iou:.2f}"))
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


def _by_score(
    found: DataSet, answers: Sequence[Answer], threshold: float, each: int
) -> dict[str, list[Shown]]:
    rows = [
        Shown(picture, answer, f"{picture.label}, score {answer.anomaly_score:.3f}")
        for picture, answer in zip(found.pictures, answers, strict=True)
    ]
    by_margin = sorted(rows, key=lambda row: _margin(row, threshold))
    bad = [row for row in by_margin if row.picture.label == ANOMALY]
    good = [row for row in by_margin if row.picture.label == NORMAL]
    return {
        "Best": [row for row in by_margin[::-1][:each] if _margin(row, threshold) > 0],
        "Worst": by_margin[:each],
        "Missed": [row for row in bad[:each] if _margin(row, threshold) < 0],
        "False alarms": [row for row in good[:each] if _margin(row, threshold) <= 0],
    }


def _margin(shown: Shown, threshold: float) -> float:
    """By how much the score lies on the right side of the threshold."""
    beyond = shown.answer.anomaly_score - threshold
    return beyond if shown.picture.label == ANOMALY else -beyond
