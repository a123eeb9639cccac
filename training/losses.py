"""The loss of a single-shot detector: focal loss over all anchors, smooth L1 over the matched ones."""

import torch
from torch import Tensor
from torch.nn import functional

from inference.ssd import CENTRE_VARIANCE, GREATEST_EXPONENT, SIZE_VARIANCE
from training.targets import IGNORED

ALPHA, GAMMA = 0.35, 2.0


def detector_loss(
    boxes: Tensor, logits: Tensor, classes: Tensor, offsets: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss of scores and of boxes, each over the number of matched anchors.

    boxes (B, N, 4), logits (B, N, labels), classes (B, N) as in `training.targets`, offsets (B, N, 4).
    """
    matched = classes >= 0
    count = matched.sum().clamp(min=1)
    wanted = torch.zeros_like(logits)
    wanted[matched] = functional.one_hot(classes[matched], logits.shape[2]).float()
    return (
        _focal(logits, wanted)[classes != IGNORED].sum() / count,
        functional.smooth_l1_loss(boxes[matched], offsets[matched], reduction="sum") / count,
    )


def overlap_loss(boxes: Tensor, offsets: Tensor, anchors: Tensor) -> Tensor:
    """1 - generalised IoU of found and true boxes, both as raw offsets (M, 4) to anchors (M, 4); a sum."""
    found, true = _decoded(boxes, anchors), _decoded(offsets, anchors)
    common = _area(torch.maximum(found[0], true[0]), torch.minimum(found[1], true[1]))
    hull = _area(torch.minimum(found[0], true[0]), torch.maximum(found[1], true[1]))
    union = _area(*found) + _area(*true) - common
    generalised = common / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
    return (1 - generalised).sum()


def _decoded(raw: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    centre = anchors[:, :2] + raw[:, :2] * CENTRE_VARIANCE * anchors[:, 2:]
    size = anchors[:, 2:] * torch.exp((raw[:, 2:] * SIZE_VARIANCE).clamp(max=GREATEST_EXPONENT))
    return centre - size / 2, centre + size / 2


def _area(upper_left: Tensor, lower_right: Tensor) -> Tensor:
    return (lower_right - upper_left).clamp(min=0).prod(dim=1)


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    plain = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    probability = torch.sigmoid(logits)
    wrong = wanted * (1 - probability) + (1 - wanted) * probability
    weight = wanted * ALPHA + (1 - wanted) * (1 - ALPHA)
    return weight * wrong**GAMMA * plain
