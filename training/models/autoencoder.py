"""A variational autoencoder without a fully connected layer, for any input size."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from training.models.blocks import build_convolution

MIN_LOG_SPREAD, MAX_LOG_SPREAD = -5.0, 0.0  # logarithms; pixels are in 0..1


def to_grey(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 RGB to grey (B, 1, H, W) in 0..1."""
    return images.permute(0, 3, 1, 2).float().mean(dim=1, keepdim=True) / 255


def build_upsampling(inputs: int, outputs: int) -> nn.Module:
    """Upsampling by two, then a convolution."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"), build_convolution(inputs, outputs, 3, 1)
    )


class VariationalAutoencoder(nn.Module):  # type: ignore[misc]
    """From grey (B, 1, H, W) to the expected grey, the logarithm of its spread, and the code's mean and
    log variance (B, code, H / 16, W / 16)."""

    def __init__(self, channels: tuple[int, int, int, int], code: int) -> None:
        super().__init__()
        widths = (1, *channels)
        self.encoder = nn.Sequential(*(build_convolution(i, o, 5, 2) for i, o in pairwise(widths)))
        self.code = nn.Conv2d(channels[-1], 2 * code, 1)
        back = (code, *reversed(channels))
        self.decoder = nn.Sequential(*(build_upsampling(i, o) for i, o in pairwise(back)))
        self.answer = nn.Conv2d(channels[0], 2, 3, padding=1)

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Expected grey, log spread, mean and log variance of the code; the code is sampled in training."""
        mean, log_variance = self.code(self.encoder(grey)).chunk(2, dim=1)
        log_variance = log_variance.clamp(-8, 4)
        drawn = mean
        if self.training:
            drawn = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        expected, spread = self.answer(self.decoder(drawn)).chunk(2, dim=1)
        return expected, spread.clamp(MIN_LOG_SPREAD, MAX_LOG_SPREAD), mean, log_variance
