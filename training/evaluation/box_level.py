"""Figures by box: F1 and IoU of the union, matched F1, COCO AP, with 95 % bounds. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.datasets import DataSet, LabelledPicture
from training.evaluation.area_overlap import AreaOverlap, compute_union_overlap
from training.evaluation.average_precision import (
    CurveValues,
    average_tables,
    compute_label_tables,
    match_boxes_by_label,
)
from training.evaluation.bootstrap import compute_percentile_bounds, draw_samples
from training.evaluation.box_matching import BoxMatches
from training.evaluation.image_level import accuracy_from_sums, build_bounded_figure, f1_from_sums
from training.evaluation.label_confusion import compute_label_confusion
from training.evaluation.predictions import PicturePrediction

AP_DRAWS = 200  # each takes about 10 ms


def compute_overlaps(
    pictures: Sequence[LabelledPicture], predictions: Sequence[PicturePrediction], min_score: float
) -> list[AreaOverlap]:
    """For each picture, the overlap of true and found boxes as areas, whatever their labels."""
    return [
        compute_union_overlap(
            [box.box for box in picture.boxes if box.visible],
            [box.box for box in prediction.boxes if box.score >= min_score],
            [box.box for box in picture.boxes if not box.visible],
            (picture.width, picture.height),
        )
        for picture, prediction in zip(pictures, predictions, strict=True)
    ]


def compute_box_figures(
    data_set: DataSet, predictions: Sequence[PicturePrediction], threshold: float
) -> dict[str, Any]:
    """All figures by box; the predictions have the data set's labels."""
    units = [picture.sampling_group for picture in data_set.pictures]
    by_label = match_boxes_by_label(data_set.pictures, predictions, data_set.labels)
    result: dict[str, Any] = {"threshold": threshold, "pictures": len(data_set.pictures)}
    if not data_set.pictures:
        return result
    result |= compute_union_figures(
        units, compute_overlaps(data_set.pictures, predictions, threshold)
    )
    result["matched_f1"] = {"iou": 0.5, **compute_matched_figures(units, by_label, threshold)}
    result["coco_ap"], label_figures = compute_ap_figures(units, by_label)
    result["by_label"] = _build_label_rows(by_label, label_figures, threshold)
    result["confusion"] = compute_label_confusion(
        data_set.pictures, predictions, data_set.labels, threshold
    )
    return result


def compute_union_figures(units: Sequence[str], overlaps: Sequence[AreaOverlap]) -> dict[str, Any]:
    """F1 and IoU of the union: mean over all pictures, mean and maximum over those with a true box."""
    marked = np.array([overlap.truth > 0 for overlap in overlaps], np.float64)
    result: dict[str, Any] = {}
    for name, values in (
        ("union_f1", np.array([overlap.f1 for overlap in overlaps])),
        ("union_iou", np.array([overlap.iou for overlap in overlaps])),
    ):
        everywhere = np.stack([values, np.ones(len(values))], axis=1)
        on_marked = np.stack([values * marked, marked], axis=1)
        best = round(float((values * marked).max()), 4)
        result[name] = build_bounded_figure(units, everywhere, accuracy_from_sums)
        result[f"{name}_of_marked"] = build_bounded_figure(units, on_marked, accuracy_from_sums) | {
            "best": best
        }
    return result


def compute_matched_figures(
    units: Sequence[str], by_label: dict[str, list[BoxMatches]], threshold: float
) -> dict[str, Any]:
    """F1 of the boxes from a score on; a hit is an IoU of at least 0.5."""
    counts = np.zeros((len(units), 3))
    for matches in by_label.values():
        counts += np.array([one.count_outcomes(threshold) for one in matches], np.float64)
    hits, alarms, misses = (int(count) for count in counts.sum(axis=0))
    return {
        **build_bounded_figure(units, counts, f1_from_sums),
        "hits": hits,
        "false_alarms": alarms,
        "misses": misses,
    }


def compute_ap_figures(
    units: Sequence[str], by_label: dict[str, list[BoxMatches]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """COCO AP, AP at 0.50 and at 0.75, with bounds: over all labels, and of each label."""
    drawn = [
        compute_label_tables({label: [m[row] for row in rows] for label, m in by_label.items()})
        for rows in draw_samples(units, AP_DRAWS)
    ]
    tables = compute_label_tables(by_label)
    everything = _build_ap_entry(
        list(tables.values()), [list(one.values()) for one in drawn if one]
    )
    return everything, {
        label: _build_ap_entry(
            [tables[label]] if label in tables else [],
            [[one[label]] for one in drawn if label in one],
        )
        for label in by_label
    }


def _build_ap_entry(
    tables: Sequence[CurveValues], drawn: Sequence[Sequence[CurveValues]]
) -> dict[str, Any]:
    whole = average_tables(tables)
    if whole.ap is None:
        return {"ap": None, "ap50": None, "ap75": None}
    averages = [average_tables(one) for one in drawn]
    return {
        "ap": _build_figure(whole.ap, [one.ap for one in averages]),
        "ap50": _build_figure(whole.ap50, [one.ap50 for one in averages]),
        "ap75": _build_figure(whole.ap75, [one.ap75 for one in averages]),
    }


def _build_label_rows(
    by_label: dict[str, list[BoxMatches]], figures: dict[str, Any], threshold: float
) -> dict[str, Any]:
    rows = {}
    for label, matches in by_label.items():
        counts = [one.count_outcomes(threshold) for one in matches]
        hits, alarms, misses = (sum(count[index] for count in counts) for index in range(3))
        outcomes = {"hits": hits, "false_alarms": alarms, "misses": misses}
        rows[label] = {"true_boxes": hits + misses, **outcomes, **figures[label]}
    return rows


def _build_figure(value: float | None, drawn: Sequence[float | None]) -> dict[str, float | None]:
    low, high = compute_percentile_bounds([one for one in drawn if one is not None])
    return {
        "value": None if value is None else round(value, 4),
        "low_95": round(low, 4),
        "high_95": round(high, 4),
    }
