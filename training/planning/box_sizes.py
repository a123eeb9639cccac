"""Sizes and shapes of the labelled boxes, as shares of their pictures. Pure NumPy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from sightline.vision.anchor_boxes import AnchorSpec, Floats, compute_iou, make_anchors
from training.datasets import DataSet, LabelledPicture
from training.datasets.holdout import select_training_part
from training.fitting.anchor_targets import MIN_MATCH_IOU

MAX_CHECKED_BOXES = 3000


@dataclass(frozen=True)
class BoxSizes:
    """The visible boxes of the training part, and the most common size of its pictures."""

    pictures: int
    picture_size: tuple[int, int]
    corners: Floats  # (N, 4) as shares of width and height

    def scale_to(self, width: int, height: int) -> Floats:
        """The boxes (N, 4) in an input of this size."""
        return np.asarray(self.corners * np.array([width, height] * 2), np.float32)


def read_box_sizes(data_set: DataSet) -> BoxSizes:
    """The boxes to learn from; PictureError if there are none."""
    pictures = select_training_part(data_set).pictures
    rows = [row for picture in pictures for row in _list_corners(picture)]
    if not rows:
        raise PictureError(
            f"{data_set.name}: {len(pictures)} training pictures, and none has a box to propose a plan from. "
            "Without boxes train a classifier, vae or student-teacher, which have plans of their own."
        )
    sizes = Counter((picture.width, picture.height) for picture in pictures)
    return BoxSizes(len(pictures), sizes.most_common(1)[0][0], np.array(rows, np.float32))


def _list_corners(picture: LabelledPicture) -> list[tuple[float, float, float, float]]:
    across, down = picture.width, picture.height
    return [
        (x / across, y / down, (x + width) / across, (y + height) / down)
        for x, y, width, height in (box.box for box in picture.boxes if box.visible)
        if width > 0 and height > 0
    ]


def measure_sizes(boxes: Floats) -> NDArray[np.float64]:
    """The root of each box's area."""
    sides = np.asarray(boxes[:, 2:] - boxes[:, :2], np.float64)
    return np.asarray(np.sqrt(sides[:, 0] * sides[:, 1]))


def measure_ratios(boxes: Floats) -> NDArray[np.float64]:
    """Width to height of each box."""
    sides = np.asarray(boxes[:, 2:] - boxes[:, :2], np.float64)
    return np.asarray(sides[:, 0] / sides[:, 1])


def count_unmatched(boxes: Floats, spec: AnchorSpec) -> tuple[int, int]:
    """How many boxes no anchor matches at training's IoU, and how many were checked (evenly drawn)."""
    step = max(1, len(boxes) // MAX_CHECKED_BOXES)
    checked, anchors = boxes[::step], make_anchors(spec)
    corners = np.concatenate(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1
    )
    return sum(int(_best_iou(box, corners) < MIN_MATCH_IOU) for box in checked), len(checked)


def _best_iou(box: Floats, corners: Floats) -> float:
    return float(compute_iou(corners, box[None]).max())


def find_quantiles(values: NDArray[np.floating[Any]], shares: Sequence[float]) -> list[float]:
    """The values below which these shares lie."""
    return [float(value) for value in np.quantile(values, shares)]
