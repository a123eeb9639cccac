"""Matching of found boxes to true boxes, as COCO does it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import TrueBox
from training.evaluation.area_overlap import PixelBox
from training.evaluation.predictions import PredictedBox

IOU_LIMITS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
IOU_ROUNDING = 1e-9
MAX_BOXES_PER_LABEL = 100  # in a picture; the best ones count


@dataclass(frozen=True)
class BoxMatches:
    """Matches of one label in one picture, best score first.

    Scores (D,); for each IoU limit whether a box is a hit, and whether it is ignored (T, D); number of true
    boxes.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    true_boxes: int

    def count_outcomes(self, min_score: float, limit: int = 0) -> tuple[int, int, int]:
        """Hits, false alarms and misses of the boxes from this score on; `limit` indexes the IoU limits."""
        counted = (self.scores >= min_score) & ~self.ignored[limit]
        hits = int((self.hits[limit] & counted).sum())
        return hits, int(counted.sum()) - hits, self.true_boxes - hits


def match_boxes(
    truth: Sequence[TrueBox], found: Sequence[PredictedBox], limits: Sequence[float] = IOU_LIMITS
) -> BoxMatches:
    """Match the boxes of one label: best first, each to the free true box with the highest IoU."""
    ranked = sorted(found, key=lambda box: -box.score)[:MAX_BOXES_PER_LABEL]
    visible = np.array([box.visible for box in truth], bool)
    shares = compute_box_iou([box.box for box in ranked], [box.box for box in truth])
    results = [_match_at(shares, visible, limit) for limit in limits]
    return BoxMatches(
        np.array([box.score for box in ranked], np.float64),
        np.array([hits for hits, _ in results], bool).reshape(len(limits), len(ranked)),
        np.array([ignored for _, ignored in results], bool).reshape(len(limits), len(ranked)),
        int(visible.sum()),
    )


def _match_at(
    shares: NDArray[np.float64], visible: NDArray[np.bool_], limit: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    hits, ignored = (np.zeros(len(shares), bool) for _ in range(2))
    free = np.ones(len(visible), bool)
    for row, share in enumerate(shares):
        for candidates, marks in ((free & visible, hits), (free & ~visible, ignored)):
            fitting = np.where(candidates & (share >= limit - IOU_ROUNDING), share, -1.0)
            if len(fitting) and fitting.max() >= 0:
                free[len(fitting) - 1 - int(np.argmax(fitting[::-1]))] = (
                    False  # the last one of equals, as COCO
                )
                marks[row] = True
                break
    return hits, ignored


def compute_box_iou(first: Sequence[PixelBox], second: Sequence[PixelBox]) -> NDArray[np.float64]:
    """Intersection over union of each box with each: (A, B)."""
    one, two = (np.array(boxes, np.float64).reshape(-1, 4) for boxes in (first, second))
    ends = np.minimum((one[:, :2] + one[:, 2:])[:, None], (two[:, :2] + two[:, 2:])[None])
    sides = np.clip(ends - np.maximum(one[:, None, :2], two[None, :, :2]), 0, None)
    common = sides[:, :, 0] * sides[:, :, 1]
    areas = [array[:, 2] * array[:, 3] for array in (one, two)]
    union = areas[0][:, None] + areas[1][None, :] - common
    shares: NDArray[np.float64] = np.zeros_like(common)
    np.divide(common, union, out=shares, where=union > 0)
    return shares
