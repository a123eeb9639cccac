"""A model's prediction for a picture, and the interface of predictors."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.datasets import DataSet


@dataclass(frozen=True)
class PredictedBox:
    """One found box: x, y, width, height in pixels of the picture; score in 0..1."""

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class PicturePrediction:
    """The boxes found in a picture, best first, and how anomalous the picture is, in 0..1.

    `anomaly_map` (rows, columns), 0 to 255 for 0..1, covers the picture; None if the model has none.
    """

    boxes: tuple[PredictedBox, ...]
    anomaly_score: float
    anomaly_map: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)

    def with_min_score(self, min_score: float) -> "PicturePrediction":
        """The prediction with the boxes of at least this score."""
        return replace(self, boxes=tuple(box for box in self.boxes if box.score >= min_score))


def build_prediction_from_boxes(boxes: Sequence[PredictedBox]) -> PicturePrediction:
    """The prediction of a detector: the anomaly score is that of the best box."""
    ranked = sorted(boxes, key=lambda box: -box.score)
    return PicturePrediction(tuple(ranked), ranked[0].score if ranked else 0.0)


class PicturePredictor(Protocol):
    """A model, with thresholds that were chosen without the test part."""

    name: str
    digest: str
    labels: tuple[str, ...]
    box_threshold: float  # boxes below this score are only used for curves
    image_threshold: float  # a picture from this anomaly score on is an anomaly

    def predict(self, file: Path) -> PicturePrediction:
        """The prediction for one picture; PictureError if it cannot be decoded."""


def unify_labels(
    data_set: DataSet, predictions: Sequence[PicturePrediction]
) -> tuple[DataSet, list[PicturePrediction]]:
    """Both with one label for all boxes if the predictions use labels that the data set lacks."""
    if {box.label for prediction in predictions for box in prediction.boxes} <= set(
        data_set.labels
    ):
        return data_set, list(predictions)
    pictures = tuple(
        replace(picture, boxes=tuple(replace(box, label="defect") for box in picture.boxes))
        for picture in data_set.pictures
    )
    renamed = [
        replace(prediction, boxes=tuple(replace(box, label="defect") for box in prediction.boxes))
        for prediction in predictions
    ]
    return replace(data_set, pictures=pictures, labels=("defect",)), renamed
