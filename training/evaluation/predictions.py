"""A model's answer to a picture, and what gives such answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.datasets import DataSet


@dataclass(frozen=True)
class PredictedBox:
    """One box that was found: x, y, width, height in pixels of the picture; score in 0..1."""

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class PicturePrediction:
    """The boxes found in a picture, best first, and how anomalous the picture is, in 0..1.

    `heat` (rows, columns), 0 to 255 for 0..1, says where, if the model does; it covers the picture.
    """

    boxes: tuple[PredictedBox, ...]
    anomaly_score: float
    anomaly_map: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)

    def with_min_score(self, min_score: float) -> "PicturePrediction":
        """With the boxes of at least this score."""
        return replace(self, boxes=tuple(box for box in self.boxes if box.score >= min_score))


def build_box_prediction(boxes: Sequence[PredictedBox]) -> PicturePrediction:
    """For what finds boxes only: a picture is as anomalous as its best box."""
    ranked = sorted(boxes, key=lambda box: -box.score)
    return PicturePrediction(tuple(ranked), ranked[0].score if ranked else 0.0)


class PicturePredictor(Protocol):
    """A model with the thresholds that were chosen without the test part."""

    name: str
    digest: str
    labels: tuple[str, ...]
    box_threshold: float  # boxes from this score count; all below it serve curves only
    image_threshold: float  # a picture from this anomaly score on is an anomaly

    def predict(self, file: Path) -> PicturePrediction:
        """The answer to one picture; PictureError if it cannot be decoded."""


def unify_labels(
    found: DataSet, answers: Sequence[PicturePrediction]
) -> tuple[DataSet, list[PicturePrediction]]:
    """Both with one label for all boxes, if the answers use labels that the data set does not have."""
    if {box.label for answer in answers for box in answer.boxes} <= set(found.labels):
        return found, list(answers)
    pictures = tuple(
        replace(picture, boxes=tuple(replace(box, label="defect") for box in picture.boxes))
        for picture in found.pictures
    )
    renamed = [
        replace(answer, boxes=tuple(replace(box, label="defect") for box in answer.boxes))
        for answer in answers
    ]
    return replace(found, pictures=pictures, labels=("defect",)), renamed
