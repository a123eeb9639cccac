"""The loss of a single-shot detector: focal loss over all anchors, smooth L1 over the matched ones."""

import torch
from torch import Tensor
from torch.nn import functional

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


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    plain = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    probability = torch.sigmoid(logits)
    wrong = wanted * (1 - probability) + (1 - wanted) * probability
    weight = wanted * ALPHA + (1 - wanted) * (1 - ALPHA)
    return weight * wrong**GAMMA * plain
