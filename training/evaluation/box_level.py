"""Boxes against true boxes: F1 and IoU of the union, matched F1, COCO AP, with 95 % bounds: pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.datasets import DataSet, Picture
from training.evaluation.answers import Answer
from training.evaluation.average_precision import average_precision, matches_by_label
from training.evaluation.bootstrap import bounds, drawings
from training.evaluation.image_level import accuracy_of_sums, f1_of_sums, with_bounds
from training.evaluation.matching import Matches
from training.evaluation.union import Overlap, union_overlap

AP_DRAWS = 200  # each takes some ten milliseconds


def overlaps_of(
    pictures: Sequence[Picture], answers: Sequence[Answer], least_score: float
) -> list[Overlap]:
    """For each picture how true and found boxes overlap as areas, whatever their labels."""
    return [
        union_overlap(
            [box.box for box in picture.boxes if box.visible],
            [box.box for box in answer.boxes if box.score >= least_score],
            [box.box for box in picture.boxes if not box.visible],
            (picture.width, picture.height),
        )
        for picture, answer in zip(pictures, answers, strict=True)
    ]


def box_figures(found: DataSet, answers: Sequence[Answer], threshold: float) -> dict[str, Any]:
    """All figures on boxes; the data set's labels are those of the answers."""
    units = [picture.unit for picture in found.pictures]
    by_label = matches_by_label(found.pictures, answers, found.labels)
    result: dict[str, Any] = {"threshold": threshold, "pictures": len(found.pictures)}
    if not found.pictures:
        return result
    result |= union_figures(units, overlaps_of(found.pictures, answers, threshold))
    result["matched_f1"] = {"iou": 0.5, **matched_figures(units, by_label, threshold)}
    result["coco_ap"] = ap_figures(units, by_label)
    return result


def union_figures(units: Sequence[str], overlaps: Sequence[Overlap]) -> dict[str, Any]:
    """F1 and IoU of the union: the mean over all pictures, and over those with a true box; the best."""
    marked = np.array([overlap.truth > 0 for overlap in overlaps], np.float64)
    result: dict[str, Any] = {}
    for name, values in (
        ("union_f1", np.array([overlap.f1 for overlap in overlaps])),
        ("union_iou", np.array([overlap.iou for overlap in overlaps])),
    ):
        everywhere = np.stack([values, np.ones(len(values))], axis=1)
        on_marked = np.stack([values * marked, marked], axis=1)
        best = round(float((values * marked).max()), 4)
        result[name] = with_bounds(units, everywhere, accuracy_of_sums)
        result[f"{name}_of_marked"] = with_bounds(units, on_marked, accuracy_of_sums) | {
            "best": best
        }
    return result


def matched_figures(
    units: Sequence[str], by_label: dict[str, list[Matches]], threshold: float
) -> dict[str, Any]:
    """F1 of all boxes from a score on, a hit being an overlap of half the union or more."""
    counts = np.zeros((len(units), 3))
    for matches in by_label.values():
        counts += np.array([one.counts(threshold) for one in matches], np.float64)
    hits, alarms, misses = (int(count) for count in counts.sum(axis=0))
    return {
        **with_bounds(units, counts, f1_of_sums),
        "hits": hits,
        "false_alarms": alarms,
        "misses": misses,
    }


def ap_figures(units: Sequence[str], by_label: dict[str, list[Matches]]) -> dict[str, Any]:
    """COCO's AP, at 0.50 and at 0.75, the first two with bounds."""
    whole = average_precision(by_label)
    if whole.ap is None:
        return {"ap": None, "ap50": None, "ap75": None}
    drawn = [
        average_precision({label: [m[row] for row in rows] for label, m in by_label.items()})
        for rows in drawings(units, AP_DRAWS)
    ]
    return {
        "ap": _figure(whole.ap, [one.ap for one in drawn]),
        "ap50": _figure(whole.ap50, [one.ap50 for one in drawn]),
        "ap75": _figure(whole.ap75, [one.ap75 for one in drawn]),
    }


def _figure(value: float | None, drawn: Sequence[float | None]) -> dict[str, float | None]:
    low, high = bounds([one for one in drawn if one is not None])
    return {
        "value": None if value is None else round(value, 4),
        "low_95": round(low, 4),
        "high_95": round(high, 4),
    }
