"""A model on the pictures of a data set: its answers, and all that is said of them."""

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
    """The pictures that were looked at, the answers to them, and the figures as they go into the JSON."""

    data_set: DataSet
    predictions: tuple[PicturePrediction, ...]
    figures: dict[str, Any]
    threshold_rows: list[dict[str, Any]] = field(default_factory=list)


def predict_pictures(
    predictor: PicturePredictor, pictures: Sequence[LabelledPicture]
) -> list[PicturePrediction]:
    """The answer to each picture; progress on standard error."""
    answers, started, told = [], time.monotonic(), time.monotonic()
    for picture in pictures:
        answers.append(predictor.predict(picture.file))
        now = time.monotonic()
        if now - told > PROGRESS_INTERVAL_S or len(answers) == len(pictures):
            told, left = now, len(pictures) - len(answers)
            left_s = (now - started) / len(answers) * left
            sys.stderr.write(f"  {len(answers)} of {len(pictures)} pictures, {left_s:.0f} s left\n")
    return answers


def restrict_labels(found: DataSet, labels: Sequence[str]) -> DataSet:
    """With the boxes of these labels only; a picture without one of them is normal."""
    if not labels or not found.has_boxes:
        return found
    pictures = []
    for picture in found.pictures:
        boxes = tuple(box for box in picture.boxes if box.label in labels)
        label = (
            picture.label if boxes == picture.boxes else derive_label(boxes, picture.lost_labels)
        )
        pictures.append(replace(picture, boxes=boxes, label=label))
    return replace(found, pictures=tuple(pictures), labels=tuple(labels))


def evaluate_pictures(
    predictor: PicturePredictor, found: DataSet, training: DataSet, prices: ErrorPrices
) -> PictureEvaluation:
    """All figures on the pictures of `found`; `training` gives baselines and near-duplicates."""
    answers = predict_pictures(predictor, found.pictures)
    figures = compute_figures(found, answers, predictor.box_threshold, predictor.image_threshold)
    figures["by_group"] = compute_group_figures(
        found, answers, predictor.box_threshold, predictor.image_threshold
    )
    pictures, scores = select_known(found.pictures, answers)
    truth = np.array([picture.label == ANOMALY for picture in pictures], bool)
    rows = sweep_thresholds(truth, scores, prices)
    figures["prices"] = {"escape": prices.escape, "scrap": prices.scrap}
    figures["cost"] = _compute_cost(figures["by_picture"], prices)
    figures["cheapest_here"] = find_cheapest(rows)
    sys.stderr.write(f"  comparing with {len(training.pictures)} training pictures\n")
    figures["baselines"] = compute_baseline_figures(found, training)
    figures["beats_the_baselines"] = compare_with_baselines(figures)
    figures["near_duplicates"] = compute_duplicate_figures(found.pictures, training.pictures)
    return PictureEvaluation(found, tuple(answers), figures, rows)


def compute_baseline_figures(found: DataSet, training: DataSet) -> dict[str, Any]:
    """The figures of copying the nearest training picture's answer, of marking all, and nothing."""
    pictures, known_pictures = found.pictures, training.pictures
    label = found.labels[0] if found.has_boxes else "anomaly"
    answers = {
        "whole_picture": baselines.predict_whole_pictures(pictures, label),
        "nothing": baselines.predict_nothing(pictures),
    }
    if known_pictures:
        answers["copy"] = baselines.predict_by_copying(pictures, known_pictures)
        if len({picture.sampling_group for picture in known_pictures}) > 1:
            answers["copy_from_other_groups"] = baselines.predict_by_copying(
                pictures, known_pictures, other_groups=True
            )
    return {
        name: _select_headline_figures(compute_figures(found, given, 0.5, 0.5))
        for name, given in answers.items()
    }


def compare_with_baselines(figures: dict[str, Any]) -> dict[str, bool]:
    """Whether the model is better than every baseline: by the union of boxes, else by picture."""
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
