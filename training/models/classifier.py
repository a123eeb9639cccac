"""A small residual network that says for each place how abnormal it is, and for the picture nearly the mean.

Each place sees 177 pixels about it. The picture's own mean and contrast are taken off first: by these
the parts of one day differ from those of the next. Dense convolutions, since these learn faster for
their cost on a CPU than separable ones.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.blocks import convolution

STRIDE = 16  # pixels for each place of the map
SHARPNESS = 0.3  # between the mean of all places (0) and the worst (infinite, learns slowest)


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions added to what they are given; begins as doing nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(channels)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            convolution(channels, channels, 3, 1),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            last,
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, H, W) to the same shape."""
        return functional.relu(features + self.body(features))


class Classifier(nn.Module):  # type: ignore[misc]
    """From (B, H, W, 3) uint8 RGB to logits (B,) and a map of logits (B, H / 16, W / 16), rounded up."""

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        stem, quarter, eighth, head = channels
        self.features = nn.Sequential(
            convolution(3, stem, 5, 2),
            convolution(stem, quarter, 3, 2),
            Residual(quarter),
            convolution(quarter, eighth, 3, 2),
            Residual(eighth),
            convolution(eighth, head, 3, 2),
            Residual(head),
        )
        self.cells = nn.Conv2d(head, 1, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of pictures and of their places."""
        pixels = images.permute(0, 3, 1, 2).float()
        pixels = pixels - pixels.mean((1, 2, 3), keepdim=True)
        contrast = (pixels * pixels).mean((1, 2, 3), keepdim=True)
        cells = self.cells(self.features(pixels / (contrast + 25.0).sqrt()))[:, 0].float()
        return pooled(cells), cells


def pooled(cells: Tensor) -> Tensor:
    """A soft maximum over the places: (B, H, W) to (B,)."""
    flat = cells.flatten(1)
    return (torch.logsumexp(SHARPNESS * flat, dim=1) - math.log(flat.shape[1])) / SHARPNESS


class MirrorMean(nn.Module):  # type: ignore[misc]
    """A classifier's mean answer to pictures and to their three mirror images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As `Classifier`; the maps are turned back before they are averaged."""
        turns: list[list[int]] = [[], [1], [2], [1, 2]]
        shown = torch.cat([images.flip(turn) if turn else images for turn in turns])
        logits, cells = self.network(shown)
        maps = [
            part.flip(turn) if turn else part
            for part, turn in zip(cells.chunk(len(turns)), turns, strict=True)
        ]
        return torch.stack(logits.chunk(len(turns))).mean(0), torch.stack(maps).mean(0)
