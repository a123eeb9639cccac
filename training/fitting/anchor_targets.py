"""Training targets of a detector: label and offsets for each anchor. Pure NumPy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.vision.anchor_boxes import Floats, compute_iou, encode_boxes

BACKGROUND_ANCHOR, IGNORED_ANCHOR = -1, -2
MIN_MATCH_IOU, MAX_BACKGROUND_IOU = 0.45, 0.35


@dataclass(frozen=True)
class AnchorTargets:
    """For N anchors: class number, BACKGROUND_ANCHOR or IGNORED_ANCHOR (N,), and offsets (N, 4)."""

    classes: NDArray[np.int64]
    offsets: Floats


def match_anchors(
    boxes: Floats, classes: NDArray[np.int64], ignored: Floats, anchors: Floats
) -> AnchorTargets:
    """Match each true box (G, 4) to its anchors; anchors near an ignored box are ignored.

    Each box has at least its best anchor. `anchors` are centres and sizes.
    """
    corners = np.concatenate(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1
    )
    target = np.full(len(anchors), BACKGROUND_ANCHOR, np.int64)
    offsets = np.zeros((len(anchors), 4), np.float32)
    if len(ignored):
        target[_find_ignored_anchors(corners, ignored)] = IGNORED_ANCHOR
    if len(boxes):
        overlap = compute_iou(corners, boxes)
        best_box = overlap.argmax(axis=1)
        best = overlap.max(axis=1)
        target[(best >= MAX_BACKGROUND_IOU) & (target == BACKGROUND_ANCHOR)] = IGNORED_ANCHOR
        matched = best >= MIN_MATCH_IOU
        for box, anchor in enumerate(overlap.argmax(axis=0)):
            matched[anchor], best_box[anchor] = True, box
        target[matched] = classes[best_box[matched]]
        offsets[matched] = encode_boxes(boxes[best_box[matched]], anchors[matched])
    return AnchorTargets(target, offsets)


def _find_ignored_anchors(corners: Floats, ignored: Floats) -> NDArray[np.bool_]:
    """Anchors with more than a fifth of their area in an ignored box."""
    upper_left = np.maximum(corners[:, None, :2], ignored[None, :, :2])
    lower_right = np.minimum(corners[:, None, 2:], ignored[None, :, 2:])
    common = np.prod(np.clip(lower_right - upper_left, 0, None), axis=2)
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    return np.asarray((common > 0.2 * areas[:, None]).any(axis=1))
