"""F1 and IoU of the area that boxes cover together, computed exactly. Pure.

If both sides are empty they are 1, if one side is empty 0. Area in an ignored box, and in no true one,
does not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PixelBox = tuple[float, float, float, float]  # x, y, width, height


@dataclass(frozen=True)
class AreaOverlap:
    """Areas in pixels: of the true boxes, of the found boxes, and of their intersection."""

    truth: float
    found: float
    common: float

    @property
    def f1(self) -> float:
        """Twice the common area divided by the sum of both; 1 if both are empty."""
        total = self.truth + self.found
        return 2 * self.common / total if total > 0 else 1.0

    @property
    def iou(self) -> float:
        """The common area divided by the union; 1 if both are empty."""
        union = self.truth + self.found - self.common
        return self.common / union if union > 0 else 1.0


def compute_union_overlap(
    truth: Sequence[PixelBox],
    found: Sequence[PixelBox],
    ignored: Sequence[PixelBox] = (),
    size: tuple[int, int] | None = None,
) -> AreaOverlap:
    """The overlap of the unions of two sets of boxes, clipped to the picture's size if given."""
    corners = [_clip_corners(boxes, size) for boxes in (truth, found, ignored)]
    all_corners = np.concatenate(corners)
    if not len(all_corners):
        return AreaOverlap(0.0, 0.0, 0.0)
    columns, rows = np.unique(all_corners[:, 0::2]), np.unique(all_corners[:, 1::2])
    true, hit, open_ = (_mark_cells(boxes, columns, rows) for boxes in corners)
    hit &= true | ~open_
    areas = np.diff(rows)[:, None] * np.diff(columns)[None, :]
    return AreaOverlap(
        float(areas[true].sum()), float(areas[hit].sum()), float(areas[true & hit].sum())
    )


def _clip_corners(boxes: Sequence[PixelBox], size: tuple[int, int] | None) -> NDArray[np.float64]:
    array = np.array(boxes, np.float64).reshape(-1, 4)
    corners = np.concatenate([array[:, :2], array[:, :2] + np.maximum(array[:, 2:], 0)], axis=1)
    return corners if size is None else np.clip(corners, 0, np.array([*size, *size]))


def _mark_cells(
    corners: NDArray[np.float64], columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Mark the grid cells, between the edges of all boxes, that these boxes cover."""
    covered = np.zeros((len(rows) - 1, len(columns) - 1), bool)
    left, right = (np.searchsorted(columns, corners[:, side]) for side in (0, 2))
    top, bottom = (np.searchsorted(rows, corners[:, side]) for side in (1, 3))
    for a, b, c, d in zip(top, bottom, left, right, strict=True):
        covered[a:b, c:d] = True
    return covered
