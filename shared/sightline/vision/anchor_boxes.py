"""Single-shot detection: anchors, decoding and suppression, shared by all runtimes and by training.

Boxes are rows of left, top, right, bottom in pixels of the model's input unless a name says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
MAX_EXPONENT = 4.0
MAX_CANDIDATES = 1000  # anchors of a class in an image that are decoded, best first
MAX_BOXES = 200  # of a class in an image, after those that overlap are one
MAX_COMPARED_AT_ONCE = 128
BLOCK_SIZE = 64


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
class DetectedBoxes:
    """What was found in one image: boxes (K, 4), scores (K,), class numbers (K,), best first.

    `crowded`: of each class of which a limit cut something off, the best score that was not looked at.
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]
    overflow_scores: Mapping[int, float] = field(default_factory=dict)


def make_anchors(spec: AnchorSpec) -> Floats:
    """(N, 4): centre x, centre y, width, height; by level, row, column, size, ratio."""
    return np.concatenate([_make_level_anchors(level, spec) for level in spec.levels])


def _make_level_anchors(level: AnchorLevel, spec: AnchorSpec) -> Floats:
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


def decode_boxes(raw: Floats, anchors: Floats) -> Floats:
    """Raw offsets (K, 4) to boxes (K, 4)."""
    centre = anchors[:, :2] + raw[:, :2] * CENTRE_VARIANCE * anchors[:, 2:]
    size = anchors[:, 2:] * np.exp(np.minimum(raw[:, 2:] * SIZE_VARIANCE, MAX_EXPONENT))
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def encode_boxes(boxes: Floats, anchors: Floats) -> Floats:
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
    max_boxes: int = MAX_BOXES,
    overlap_limit: float = 0.45,
) -> DetectedBoxes:
    """The boxes of one image from raw offsets (N, 4) and scores (N, classes) in 0..1."""
    (found,) = find_boxes_in_images(
        [(raw, scores)],
        anchors,
        score_threshold=score_threshold,
        max_boxes=max_boxes,
        overlap_limit=overlap_limit,
    )
    return found


def find_boxes_in_images(
    outputs: Sequence[tuple[Floats, Floats]],
    anchors: Floats,
    *,
    score_threshold: float,
    max_boxes: int = MAX_BOXES,
    overlap_limit: float = 0.45,
) -> list[DetectedBoxes]:
    """`find_boxes` of a model's answers to several images, read together: few steps cost less than many.

    Each class of each image has limits of its own, so that no class crowds out another one.
    """
    best = [_select_best_anchors(scores, score_threshold) for _, scores in outputs]
    image = np.repeat(np.arange(len(best)), [len(found.rows) for found in best])
    if len(image) == 0:
        return [replace(_NO_BOXES, overflow_scores=found.overflow_scores) for found in best]
    rows = np.concatenate([found.rows for found in best])
    classes = np.concatenate([found.classes for found in best])
    values = np.concatenate([found.values for found in best])
    offsets = np.concatenate([raw[b.rows] for (raw, _), b in zip(outputs, best, strict=True)])
    boxes = decode_boxes(offsets, anchors[rows])
    groups = image * outputs[0][1].shape[1] + classes
    kept, cut = suppress_overlapping(boxes, groups, overlap_limit, max_boxes)
    of_image = image[kept]
    crowded = [dict(found.overflow_scores) for found in best]
    for place in cut:
        of_class = crowded[image[place]]
        number, score = int(classes[place]), float(values[place])
        of_class[number] = max(of_class.get(number, 0.0), score)
    found = [kept[of_image == number] for number in range(len(best))]
    return [
        DetectedBoxes(boxes[k], values[k], classes[k], of_class)
        for k, of_class in zip(found, crowded, strict=True)
    ]


@dataclass(frozen=True)
class _BestAnchors:
    """The anchors of one image that say something: rows, classes and scores, best first."""

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    values: Floats
    overflow_scores: Mapping[int, float] = field(default_factory=dict)


_NO_ROWS = np.zeros(0, np.int64)
_NO_BOXES = DetectedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), _NO_ROWS)
_NO_ANCHORS = _BestAnchors(_NO_ROWS, _NO_ROWS, _NO_BOXES.scores)


def _select_best_anchors(scores: Floats, threshold: float) -> _BestAnchors:
    if scores.max() < threshold:  # most images; a search for nothing would take longer
        return _NO_ANCHORS
    places = np.flatnonzero(scores >= threshold)
    values = scores.reshape(-1)[places]
    order = np.argsort(-values, kind="stable")
    rows, classes = np.divmod(places[order], scores.shape[1])
    values = values[order]
    if len(rows) <= MAX_CANDIDATES:
        return _BestAnchors(rows, classes, values)
    chosen, crowded = np.ones(len(rows), bool), {}
    for number in range(scores.shape[1]):
        beyond = np.flatnonzero(classes == number)[MAX_CANDIDATES:]
        if len(beyond):
            chosen[beyond] = False
            crowded[number] = float(values[beyond[0]])
    return _BestAnchors(rows[chosen], classes[chosen], values[chosen], crowded)


def suppress_overlapping(
    boxes: Floats, groups: NDArray[np.int64], overlap_limit: float, max_boxes: int = MAX_BOXES
) -> tuple[NDArray[np.int64], list[int]]:
    """Of the boxes of a group (best first) that overlap only the best stays: which stay, in their order.

    The second list is the best of each group that was not looked at, because `max_boxes` stay already.
    """
    if len(boxes) <= MAX_COMPARED_AT_ONCE <= max_boxes:
        return _suppress_at_once(boxes, groups, overlap_limit), []
    kept, cut = [], []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        stay = members[_suppress_in_blocks(boxes[members], overlap_limit, max_boxes)]
        kept.append(stay[:max_boxes])
        cut += stay[max_boxes : max_boxes + 1].tolist()
    return np.sort(np.concatenate(kept)), cut


def _suppress_at_once(
    boxes: Floats, groups: NDArray[Any], overlap_limit: float
) -> NDArray[np.int64]:
    """Each box compared with each: fastest for few."""
    if len(boxes) < 2:
        return np.arange(len(boxes))
    clash = (compute_iou(boxes, boxes) > overlap_limit) & (groups[:, None] == groups[None, :])
    alive = np.ones(len(boxes), bool)
    for row in range(len(boxes)):
        if alive[row]:
            alive[row + 1 :] &= ~clash[row, row + 1 :]
    return np.nonzero(alive)[0]


def _suppress_in_blocks(boxes: Floats, overlap_limit: float, max_boxes: int) -> NDArray[np.int64]:
    """The best few compared with each other, those that stay with all that are left, and so on.

    It ends when more than `max_boxes` stay, which bounds its time.
    """
    kept, left = _NO_ROWS, np.arange(len(boxes))
    while len(left) and len(kept) <= max_boxes:
        block, left = left[:BLOCK_SIZE], left[BLOCK_SIZE:]
        stay = block[_suppress_at_once(boxes[block], np.zeros(len(block)), overlap_limit)]
        kept = np.concatenate([kept, stay])
        if len(left):
            clash = compute_iou(boxes[stay], boxes[left]) > overlap_limit
            left = left[~clash.any(axis=0)]
    return kept


def compute_iou(first: Floats, second: Floats) -> Floats:
    """Intersection over union of each box with each: (A, B)."""
    width, height = (_common_extent(first, second, side) for side in (0, 1))
    width *= height
    areas = [np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1) for b in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - width
    return np.asarray(width / np.maximum(union, 1e-9), dtype=np.float32)


def _common_extent(first: Floats, second: Floats, side: int) -> Floats:
    """How much each box has in common with each, across (0) or down (1); written in place for speed."""
    common = np.minimum(first[:, None, side + 2], second[None, :, side + 2])
    common -= np.maximum(first[:, None, side], second[None, :, side])
    return np.maximum(common, 0, out=common)
