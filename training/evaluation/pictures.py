"""A model on the pictures of a data set: its answers, and all that is said of them."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from training import baselines
from training.datasets import ANOMALY, DataSet, Picture
from training.datasets.dataset import label_of
from training.duplicates import duplicate_figures
from training.evaluation.answers import Answer, Predictor
from training.evaluation.figures import figures_by_group, figures_of
from training.evaluation.image_level import known
from training.evaluation.thresholds import Prices, cheapest, sweep

PROGRESS_S = 5.0


@dataclass(frozen=True)
class Evaluation:
    """The pictures that were looked at, the answers to them, and the figures as they go into the JSON."""

    found: DataSet
    answers: tuple[Answer, ...]
    figures: dict[str, Any]
    sweep: list[dict[str, Any]] = field(default_factory=list)


def answers_of(predictor: Predictor, pictures: Sequence[Picture]) -> list[Answer]:
    """The answer to each picture; progress on standard error."""
    answers, started, told = [], time.monotonic(), time.monotonic()
    for picture in pictures:
        answers.append(predictor.answer(picture.file))
        now = time.monotonic()
        if now - told > PROGRESS_S or len(answers) == len(pictures):
            told, left = now, len(pictures) - len(answers)
            left_s = (now - started) / len(answers) * left
            sys.stderr.write(f"  {len(answers)} of {len(pictures)} pictures, {left_s:.0f} s left\n")
    return answers


def with_labels(found: DataSet, labels: Sequence[str]) -> DataSet:
    """With the boxes of these labels only; a picture without one of them is normal."""
    if not labels or not found.has_boxes:
        return found
    pictures = []
    for picture in found.pictures:
        boxes = tuple(box for box in picture.boxes if box.label in labels)
        label = picture.label if boxes == picture.boxes else label_of(boxes, picture.lost_labels)
        pictures.append(replace(picture, boxes=boxes, label=label))
    return replace(found, pictures=tuple(pictures), labels=tuple(labels))


def evaluate_pictures(
    predictor: Predictor, found: DataSet, training: DataSet, prices: Prices
) -> Evaluation:
    """All figures on the pictures of `found`; `training` gives baselines and near-duplicates."""
    answers = answers_of(predictor, found.pictures)
    figures = figures_of(found, answers, predictor.box_threshold, predictor.image_threshold)
    figures["by_group"] = figures_by_group(
        found, answers, predictor.box_threshold, predictor.image_threshold
    )
    pictures, scores = known(found.pictures, answers)
    truth = np.array([picture.label == ANOMALY for picture in pictures], bool)
    rows = sweep(truth, scores, prices)
    figures["prices"] = {"escape": prices.escape, "scrap": prices.scrap}
    figures["cost"] = _cost(figures["by_picture"], prices)
    figures["cheapest_here"] = cheapest(rows)
    sys.stderr.write(f"  comparing with {len(training.pictures)} training pictures\n")
    figures["baselines"] = baseline_figures(found, training)
    figures["beats_the_baselines"] = beaten(figures)
    figures["near_duplicates"] = duplicate_figures(found.pictures, training.pictures)
    return Evaluation(found, tuple(answers), figures, rows)


def baseline_figures(found: DataSet, training: DataSet) -> dict[str, Any]:
    """The figures of copying the nearest training picture's answer, of marking all, and nothing."""
    pictures, known_pictures = found.pictures, training.pictures
    label = found.labels[0] if found.has_boxes else "anomaly"
    answers = {
        "whole_picture": baselines.whole_picture_answers(pictures, label),
        "nothing": baselines.empty_answers(pictures),
    }
    if known_pictures:
        answers["copy"] = baselines.copied_answers(pictures, known_pictures)
        if len({picture.unit for picture in known_pictures}) > 1:
            answers["copy_from_other_groups"] = baselines.copied_answers(
                pictures, known_pictures, other_groups=True
            )
    return {name: _short(figures_of(found, given, 0.5, 0.5)) for name, given in answers.items()}


def beaten(figures: dict[str, Any]) -> dict[str, bool]:
    """Whether the model is better than every baseline: by the union of boxes, else by picture."""
    own = _short(figures)
    return {
        name: all(
            (own[name] or 0.0) > (other[name] or 0.0) for other in figures["baselines"].values()
        )
        for name in own
        if name in COMPARED[bool(figures.get("by_box"))]
    }


COMPARED = {True: ("union_f1", "matched_f1"), False: ("f1", "group_balanced_accuracy")}


def _short(figures: dict[str, Any]) -> dict[str, float | None]:
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


def _cost(by_picture: dict[str, Any], prices: Prices) -> float:
    return float(by_picture["escapes"] * prices.escape + by_picture["overkill"] * prices.scrap)
