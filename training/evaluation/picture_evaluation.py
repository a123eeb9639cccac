"""Evaluation by picture: a model's predictions on a data set, and their figures."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from training.datasets import ANOMALY, DataSet, LabelledPicture
from training.datasets.data_set import derive_label
from training.evaluation import baselines
from training.evaluation.image_level import select_known
from training.evaluation.near_duplicates import compute_duplicate_figures
from training.evaluation.picture_set_figures import compute_figures, compute_group_figures
from training.evaluation.predictions import PicturePrediction, PicturePredictor
from training.evaluation.threshold_costs import ErrorPrices, find_cheapest, sweep_thresholds

PROGRESS_INTERVAL_S = 5.0


@dataclass(frozen=True)
class PictureEvaluation:
    """The evaluated pictures, their predictions, the figures for the JSON, and the threshold table."""

    data_set: DataSet
    predictions: tuple[PicturePrediction, ...]
    figures: dict[str, Any]
    threshold_rows: list[dict[str, Any]] = field(default_factory=list)


def predict_pictures(
    predictor: PicturePredictor, pictures: Sequence[LabelledPicture]
) -> list[PicturePrediction]:
    """The prediction for each picture; shows progress on standard error."""
    predictions, started, shown = [], time.monotonic(), time.monotonic()
    for picture in pictures:
        predictions.append(predictor.predict(picture.file))
        now = time.monotonic()
        if now - shown > PROGRESS_INTERVAL_S or len(predictions) == len(pictures):
            shown, left = now, len(pictures) - len(predictions)
            left_s = (now - started) / len(predictions) * left
            sys.stderr.write(
                f"  {len(predictions)} of {len(pictures)} pictures, {left_s:.0f} s left\n"
            )
    return predictions


def restrict_labels(data_set: DataSet, labels: Sequence[str]) -> DataSet:
    """The data set with boxes of these labels only; a picture without one is normal."""
    if not labels or not data_set.has_boxes:
        return data_set
    pictures = []
    for picture in data_set.pictures:
        boxes = tuple(box for box in picture.boxes if box.label in labels)
        label = (
            picture.label if boxes == picture.boxes else derive_label(boxes, picture.lost_labels)
        )
        pictures.append(replace(picture, boxes=boxes, label=label))
    return replace(data_set, pictures=tuple(pictures), labels=tuple(labels))


def evaluate_pictures(
    predictor: PicturePredictor, data_set: DataSet, training: DataSet, prices: ErrorPrices
) -> PictureEvaluation:
    """All figures on the data set; `training` is for baselines and near-duplicates."""
    predictions = predict_pictures(predictor, data_set.pictures)
    figures = compute_figures(
        data_set, predictions, predictor.box_threshold, predictor.image_threshold
    )
    figures["by_group"] = compute_group_figures(
        data_set, predictions, predictor.box_threshold, predictor.image_threshold
    )
    pictures, scores = select_known(data_set.pictures, predictions)
    truth = np.array([picture.label == ANOMALY for picture in pictures], bool)
    rows = sweep_thresholds(truth, scores, prices)
    figures["prices"] = {"escape": prices.escape, "scrap": prices.scrap}
    figures["cost"] = _compute_cost(figures["by_picture"], prices)
    figures["cheapest_here"] = find_cheapest(rows)
    sys.stderr.write(f"  comparing with {len(training.pictures)} training pictures\n")
    figures["baselines"] = compute_baseline_figures(data_set, training)
    figures["beats_the_baselines"] = compare_with_baselines(figures)
    figures["near_duplicates"] = compute_duplicate_figures(data_set.pictures, training.pictures)
    return PictureEvaluation(data_set, tuple(predictions), figures, rows)


def compute_baseline_figures(data_set: DataSet, training: DataSet) -> dict[str, Any]:
    """The figures of the baselines: copying, marking everything, marking nothing."""
    pictures, known_pictures = data_set.pictures, training.pictures
    label = data_set.labels[0] if data_set.has_boxes else "anomaly"
    predictions = {
        "whole_picture": baselines.predict_whole_pictures(pictures, label),
        "nothing": baselines.predict_nothing(pictures),
    }
    if known_pictures:
        predictions["copy"] = baselines.predict_by_copying(pictures, known_pictures)
        if len({picture.sampling_group for picture in known_pictures}) > 1:
            predictions["copy_from_other_groups"] = baselines.predict_by_copying(
                pictures, known_pictures, other_groups=True
            )
    return {
        name: _select_headline_figures(compute_figures(data_set, predicted, 0.5, 0.5))
        for name, predicted in predictions.items()
    }


def compare_with_baselines(figures: dict[str, Any]) -> dict[str, bool]:
    """Whether the model beats every baseline: by box if there are boxes, else by picture."""
    own = _select_headline_figures(figures)
    return {
        name: all(
            (own[name] or 0.0) > (other[name] or 0.0) for other in figures["baselines"].values()
        )
        for name in own
        if name in HEADLINE_FIGURES[bool(figures.get("by_box"))]
    }


HEADLINE_FIGURES = {True: ("union_f1", "matched_f1"), False: ("f1", "group_balanced_accuracy")}


def _select_headline_figures(figures: dict[str, Any]) -> dict[str, float | None]:
    by_picture, by_box = figures["by_picture"], figures.get("by_box", {})
    found = {
        name: by_picture[name]["value"]
        for name in ("f1", "accuracy", "group_balanced_accuracy")
        if name in by_picture
    }
    for name in ("union_f1", "union_iou", "matched_f1"):
        if name in by_box:
            found[name] = by_box[name]["value"]
    return found


def _compute_cost(by_picture: dict[str, Any], prices: ErrorPrices) -> float:
    return float(by_picture["escapes"] * prices.escape + by_picture["overkill"] * prices.scrap)
