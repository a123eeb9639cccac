"""Single-shot detection: anchors, decoding and suppression, shared by all runtimes and by training.

Boxes are rows of left, top, right, bottom in pixels of the model's input unless a name says otherwise.
"""

from collections.abc import Sequence
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
    (found,) = find_boxes_of_images(
        [(raw, scores)],
        anchors,
        score_threshold=score_threshold,
        greatest_count=greatest_count,
        overlap_limit=overlap_limit,
    )
    return found


def find_boxes_of_images(
    answers: Sequence[tuple[Floats, Floats]],
    anchors: Floats,
    *,
    score_threshold: float,
    greatest_count: int = 100,
    overlap_limit: float = 0.45,
) -> list[Boxes]:
    """`find_boxes` of a model's answers to several images, read together: few steps cost less than many."""
    best = [_best(scores, score_threshold, 2 * greatest_count) for _, scores in answers]
    image = np.repeat(np.arange(len(best)), [len(found.rows) for found in best])
    if len(image) == 0:
        return [_NOTHING] * len(best)
    rows = np.concatenate([found.rows for found in best])
    classes = np.concatenate([found.classes for found in best])
    values = np.concatenate([found.values for found in best])
    offsets = np.concatenate([raw[b.rows] for (raw, _), b in zip(answers, best, strict=True)])
    boxes = decode(offsets, anchors[rows])
    kept = suppress(boxes, image * answers[0][1].shape[1] + classes, overlap_limit)
    of_image = image[kept]
    found = [kept[of_image == number][:greatest_count] for number in range(len(best))]
    return [Boxes(boxes[k], values[k], classes[k]) for k in found]


@dataclass(frozen=True)
class _Best:
    """The anchors of one image that say something: rows, classes and scores, best first."""

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    values: Floats


_NO_ROWS = np.zeros(0, np.int64)
_NOTHING = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), _NO_ROWS)
_NOT_ONE = _Best(_NO_ROWS, _NO_ROWS, _NOTHING.scores)


def _best(scores: Floats, threshold: float, greatest_count: int) -> _Best:
    if scores.max() <= threshold:  # most images; a search for nothing would take longer
        return _NOT_ONE
    places = np.flatnonzero(scores > threshold)
    values = scores.reshape(-1)[places]
    order = np.argsort(-values, kind="stable")[:greatest_count]
    rows, classes = np.divmod(places[order], scores.shape[1])
    return _Best(rows, classes, values[order])


def suppress(boxes: Floats, classes: NDArray[np.int64], overlap_limit: float) -> NDArray[np.int64]:
    """Which of the boxes (best of a class first) stay, when of those that overlap only the best does."""
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
