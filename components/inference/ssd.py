"""Single-shot detection: anchors, decoding and suppression, shared by all runtimes and by training.

Boxes are rows of left, top, right, bottom in pixels of the model's input unless a name says otherwise.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
GREATEST_EXPONENT = 4.0


class AnchorLevel(msgspec.Struct, frozen=True):
    """Anchors each `stride` pixels: one for each size (root of the area, px) and ratio (width to height)."""

    stride: int
    sizes: tuple[float, ...]
    ratios: tuple[float, ...]


class AnchorSpec(msgspec.Struct, frozen=True):
    """All anchors of a model with an input of this size."""

    width: int
    height: int
    levels: tuple[AnchorLevel, ...]


@dataclass(frozen=True)
class Boxes:
    """What was found in one image: boxes (K, 4), scores (K,), class numbers (K,), best first."""

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]


def make_anchors(spec: AnchorSpec) -> Floats:
    """(N, 4): centre x, centre y, width, height; by level, row, column, size, ratio."""
    return np.concatenate([_anchors_of(level, spec) for level in spec.levels])


def _anchors_of(level: AnchorLevel, spec: AnchorSpec) -> Floats:
    rows, columns = -(-spec.height // level.stride), -(-spec.width // level.stride)
    shapes = np.array(
        [(size * ratio**0.5, size / ratio**0.5) for size in level.sizes for ratio in level.ratios],
        np.float32,
    )
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    centres = (np.stack([x, y], axis=-1).astype(np.float32) + 0.5) * level.stride
    grid = np.broadcast_to(centres[:, :, None, :], (rows, columns, len(shapes), 2))
    sizes = np.broadcast_to(shapes, (rows, columns, len(shapes), 2))
    return np.concatenate([grid, sizes], axis=-1).reshape(-1, 4)


def decode(raw: Floats, anchors: Floats) -> Floats:
    """Raw offsets (K, 4) to boxes (K, 4)."""
    centre = anchors[:, :2] + raw[:, :2] * CENTRE_VARIANCE * anchors[:, 2:]
    size = anchors[:, 2:] * np.exp(np.minimum(raw[:, 2:] * SIZE_VARIANCE, GREATEST_EXPONENT))
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def encode(boxes: Floats, anchors: Floats) -> Floats:
    """The raw offsets that `decode` turns into these boxes; both (K, 4)."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + size / 2
    offset = (centre - anchors[:, :2]) / anchors[:, 2:] / CENTRE_VARIANCE
    scale = np.log(np.maximum(size, 1e-3) / anchors[:, 2:]) / SIZE_VARIANCE
    return np.concatenate([offset, scale], axis=1).astype(np.float32)


def find_boxes(
    raw: Floats,
    scores: Floats,
    anchors: Floats,
    *,
    score_threshold: float,
    greatest_count: int = 100,
    overlap_limit: float = 0.45,
) -> Boxes:
    """The boxes of one image from raw offsets (N, 4) and scores (N, classes) in 0..1."""
    if scores.max() <= score_threshold:  # most images; a search for nothing would take longer
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    rows, classes = np.nonzero(scores > score_threshold)
    values = scores[rows, classes]
    best = np.argsort(-values, kind="stable")[: 2 * greatest_count]
    rows, classes, values = rows[best], classes[best], values[best]
    boxes = decode(raw[rows], anchors[rows])
    kept = suppress(boxes, classes, overlap_limit)[:greatest_count]
    return Boxes(boxes[kept], values[kept], classes[kept])


def suppress(boxes: Floats, classes: NDArray[np.int64], overlap_limit: float) -> NDArray[np.int64]:
    """Which of the boxes (best first) stay, when of those that overlap only the best of a class does."""
    if len(boxes) < 2:
        return np.arange(len(boxes))
    clash = (overlaps(boxes, boxes) > overlap_limit) & (classes[:, None] == classes[None, :])
    alive = np.ones(len(boxes), bool)
    for row in range(len(boxes)):
        if alive[row]:
            alive[row + 1 :] &= ~clash[row, row + 1 :]
    return np.nonzero(alive)[0]


def overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union of each box with each: (A, B)."""
    width, height = (_common(first, second, side) for side in (0, 1))
    width *= height
    areas = [np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1) for b in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - width
    return np.asarray(width / np.maximum(union, 1e-9), dtype=np.float32)


def _common(first: Floats, second: Floats, side: int) -> Floats:
    """How much each box has in common with each, across (0) or down (1); written in place for speed."""
    common = np.minimum(first[:, None, side + 2], second[None, :, side + 2])
    common -= np.maximum(first[:, None, side], second[None, :, side])
    return np.maximum(common, 0, out=common)
