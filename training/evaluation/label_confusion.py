"""Which label found boxes have where a true box is: the confusion of labels, with the background. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.datasets import LabelledPicture
from training.evaluation.box_matching import compute_box_iou
from training.evaluation.predictions import PicturePrediction

CONFUSION_IOU = 0.5
BACKGROUND = "background"


def compute_label_confusion(
    pictures: Sequence[LabelledPicture],
    predictions: Sequence[PicturePrediction],
    labels: Sequence[str],
    threshold: float,
) -> dict[str, Any]:
    """Counts by true label (rows, last: background) and found label (columns, last: not found).

    Boxes from the threshold on, best first, each to the free true box with the highest IoU, whatever its
    label. Boxes on ignored true boxes do not count.
    """
    names = [*labels, BACKGROUND]
    counts = np.zeros((len(names), len(names)), np.int64)
    for picture, prediction in zip(pictures, predictions, strict=True):
        for true, found in _pair_labels(picture, prediction.with_min_score(threshold)):
            counts[names.index(true), names.index(found)] += 1
    return {"iou": CONFUSION_IOU, "labels": names, "counts": counts.tolist()}


def _pair_labels(picture: LabelledPicture, found: PicturePrediction) -> list[tuple[str, str]]:
    shares = compute_box_iou([box.box for box in found.boxes], [box.box for box in picture.boxes])
    free = np.ones(len(picture.boxes), bool)
    pairs = []
    for box, row in sorted(zip(found.boxes, shares, strict=True), key=lambda one: -one[0].score):
        fitting = np.where(free & (row >= CONFUSION_IOU), row, -1.0)
        if not len(fitting) or fitting.max() < 0:
            pairs.append((BACKGROUND, box.label))
            continue
        best = int(fitting.argmax())
        free[best] = False
        if picture.boxes[best].visible:
            pairs.append((picture.boxes[best].label, box.label))
    missed = [box for box, alone in zip(picture.boxes, free, strict=True) if alone and box.visible]
    return [*pairs, *((box.label, BACKGROUND) for box in missed)]
