"""What the classifier is taught of single places: known ones, and quiet ones of anomalous pictures."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.models.classifier import STRIDE

UNKNOWN_PLACE = -1.0
PLACE_WEIGHT = 0.2
QUIET_WEIGHT = 0.3
QUIET_SHARE = 0.6  # of the places of an anomalous picture show nothing abnormal, surely
# Of the epochs: before, the network cannot tell which places these are.
QUIET_FROM, QUIET_WHOLLY = 0.4, 0.6


def by_place(where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Which places hold a painted pixel: (H, W) to (H / 16, W / 16), rounded up."""
    height, width = (-(-length // STRIDE) for length in where.shape)
    whole = np.zeros((height * STRIDE, width * STRIDE), bool)
    whole[: where.shape[0], : where.shape[1]] = where
    held = whole.reshape(height, STRIDE, width, STRIDE).any(axis=(1, 3))
    return np.asarray(held, np.float32)


def quiet_weight(done: float) -> float:
    """How much `quiet_loss` counts after this share of the epochs."""
    return QUIET_WEIGHT * float(np.clip((done - QUIET_FROM) / (QUIET_WHOLLY - QUIET_FROM), 0, 1))


def quiet_loss(cells: Tensor, places: Tensor) -> Tensor:
    """Cross entropy, as normal ones, of the least abnormal places of pictures whose places are unknown.

    What is true of a whole picture, such as its light, then tells no anomaly; a defect is somewhere.
    """
    unknown = cells.flatten(1)[(places == UNKNOWN_PLACE).flatten(1).all(dim=1)]
    least = unknown.topk(max(1, int(QUIET_SHARE * unknown.shape[1])), largest=False)[0]
    return functional.softplus(least).sum() / max(1, least.numel())


def places_loss(cells: Tensor, places: Tensor) -> Tensor:
    """Cross entropy of the logits of known places, abnormal ones together as weighty as normal ones."""
    plain = functional.binary_cross_entropy_with_logits(
        cells, places.clamp(min=0), reduction="none"
    )
    parts = [
        (plain * (places == value)).sum() / (places == value).sum().clamp(min=1) for value in (0, 1)
    ]
    return (parts[0] + parts[1]) / 2
