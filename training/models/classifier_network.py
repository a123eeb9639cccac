"""A slim MobileNet with a logit for each cell, and their soft maximum for the picture.

The receptive field of a cell is some 55 pixels. So the network cannot learn from a picture's overall look,
which differs between the parts of one day and the next.
"""

import torch
from torch import Tensor, nn

from training.models.blocks import ResidualSeparable, build_convolution, build_separable

MAXIMUM_SHARPNESS = 2.0  # from the mean of all cells (0) to their maximum (infinite)


class ClassifierNetwork(nn.Module):  # type: ignore[misc]
    """From (B, H, W, 3) uint8 RGB to logits (B,) and a map of logits (B, H / 8, W / 8)."""

    def __init__(self, channels: tuple[int, int, int, int], dropout: float = 0.2) -> None:
        super().__init__()
        stem, quarter, eighth, head = channels
        self.features = nn.Sequential(
            build_convolution(3, stem, 3, 2),
            build_separable(stem, quarter, 2),
            ResidualSeparable(quarter),
            build_separable(quarter, eighth, 2),
            ResidualSeparable(eighth),
            ResidualSeparable(eighth),
            build_convolution(eighth, head, 1, 1),
        )
        self.dropout = nn.Dropout2d(dropout)
        self.cells = nn.Conv2d(head, 1, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of pictures and of their cells."""
        pixels = images.permute(0, 3, 1, 2).float() * (1 / 58.0) - 2.0
        cells = self.cells(self.dropout(self.features(pixels)))[:, 0]
        return pool_cells(cells), cells


def pool_cells(cells: Tensor) -> Tensor:
    """A soft maximum over the cells: (B, H, W) to (B,)."""
    flat = cells.flatten(1).float()
    mean = torch.logsumexp(MAXIMUM_SHARPNESS * flat, dim=1) - float(
        torch.log(torch.tensor(float(flat.shape[1])))
    )
    return mean / MAXIMUM_SHARPNESS


class MirrorMean(nn.Module):  # type: ignore[misc]
    """A classifier's mean over four mirror images, or eight for square pictures."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As `ClassifierNetwork`; the maps are mirrored back before averaging."""
        logits, cells = self._average_over_mirrors(images)
        if images.shape[1] != images.shape[2]:
            return logits, cells
        other_logits, other_cells = self._average_over_mirrors(images.transpose(1, 2))
        return (logits + other_logits) / 2, (cells + other_cells.transpose(1, 2)) / 2

    def _average_over_mirrors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        turns: list[list[int]] = [[], [1], [2], [1, 2]]
        shown = torch.cat([images.flip(turn) if turn else images for turn in turns])
        logits, cells = self.network(shown)
        maps = [
            part.flip(turn) if turn else part
            for part, turn in zip(cells.chunk(len(turns)), turns, strict=True)
        ]
        return torch.stack(logits.chunk(len(turns))).mean(0), torch.stack(maps).mean(0)
