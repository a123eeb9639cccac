"""The loss of a single-shot detector: focal loss over all anchors, smooth L1 over the matched ones."""

import torch
from torch import Tensor
from torch.nn import functional

from sightline.vision.anchor_boxes import CENTRE_VARIANCE, MAX_EXPONENT, SIZE_VARIANCE
from training.fitting.anchor_targets import IGNORED_ANCHOR

ALPHA, GAMMA = 0.35, 2.0


def compute_detector_loss(
    boxes: Tensor, logits: Tensor, classes: Tensor, offsets: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss of scores and of boxes, each over the number of matched anchors.

    boxes (B, N, 4), logits (B, N, labels), classes (B, N) as in
    `training.fitting.anchor_targets`, offsets (B, N, 4).
    """
    matched = classes >= 0
    count = matched.sum().clamp(min=1)
    targets = torch.zeros_like(logits)
    targets[matched] = functional.one_hot(classes[matched], logits.shape[2]).float()
    return (
        _compute_focal_loss(logits, targets)[classes != IGNORED_ANCHOR].sum() / count,
        functional.smooth_l1_loss(boxes[matched], offsets[matched], reduction="sum") / count,
    )


def compute_overlap_loss(boxes: Tensor, offsets: Tensor, anchors: Tensor) -> Tensor:
    """The sum of 1 - generalised IoU of predicted and true boxes, as raw offsets (M, 4) to anchors (M, 4)."""
    found, true = _decode_corners(boxes, anchors), _decode_corners(offsets, anchors)
    common = _box_area(torch.maximum(found[0], true[0]), torch.minimum(found[1], true[1]))
    hull = _box_area(torch.minimum(found[0], true[0]), torch.maximum(found[1], true[1]))
    union = _box_area(*found) + _box_area(*true) - common
    generalised = common / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
    return (1 - generalised).sum()


def _decode_corners(raw: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    centre = anchors[:, :2] + raw[:, :2] * CENTRE_VARIANCE * anchors[:, 2:]
    size = anchors[:, 2:] * torch.exp((raw[:, 2:] * SIZE_VARIANCE).clamp(max=MAX_EXPONENT))
    return centre - size / 2, centre + size / 2


def _box_area(upper_left: Tensor, lower_right: Tensor) -> Tensor:
    return (lower_right - upper_left).clamp(min=0).prod(dim=1)


def _compute_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    plain = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = torch.sigmoid(logits)
    wrong = target * (1 - probability) + (1 - target) * probability
    weight = target * ALPHA + (1 - target) * (1 - ALPHA)
    return weight * wrong**GAMMA * plain
