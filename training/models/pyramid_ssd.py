"""An SSD for defects of many sizes: MobileNet backbone down to 1/64, feature pyramid, a head each level."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sightline.vision.anchor_boxes import AnchorSpec
from training.models.blocks import ResidualSeparable, build_convolution, build_separable
from training.models.ssd_lite import SeparableHead
from training.plans.detector_plans import PYRAMID_STRIDES

BLOCKS_PER_LEVEL = (2, 2, 2, 1)  # residual blocks of each level


class PyramidSsd(nn.Module):  # type: ignore[misc]
    """From (B, H, W, 3) uint8 RGB to raw offsets (B, N, 4) and logits (B, N, labels).

    `channels`: of 1/4, of each of the four levels, of the pyramid.
    """

    def __init__(self, labels: int, anchors: AnchorSpec, channels: tuple[int, ...]) -> None:
        super().__init__()
        if tuple(level.stride for level in anchors.levels) != PYRAMID_STRIDES:
            raise ValueError(f"anchor strides must be {PYRAMID_STRIDES}")
        quarter, *levels, mixed = channels
        self.stem = nn.Sequential(build_convolution(3, quarter, 7, 4), ResidualSeparable(quarter))
        inputs = [quarter, *levels[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(build_separable(i, o, 2), *(ResidualSeparable(o) for _ in range(blocks)))
            for i, o, blocks in zip(inputs, levels, BLOCKS_PER_LEVEL, strict=True)
        )
        self.across = nn.ModuleList(nn.Conv2d(width, mixed, 1) for width in levels)
        self.heads = nn.ModuleList(
            SeparableHead(mixed, mixed, len(level.sizes) * len(level.ratios), labels)
            for level in anchors.levels
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw offsets and logits for all anchors, in the order of `anchor_boxes.make_anchors`."""
        features = self.stem(images.permute(0, 3, 1, 2).float() * (1 / 58.0) - 2.0)
        found = []
        for level, across in zip(self.levels, self.across, strict=True):
            features = level(features)
            found.append(across(features))
        for lower in range(len(found) - 2, -1, -1):
            size = found[lower].shape[2:]
            found[lower] = found[lower] + functional.interpolate(found[lower + 1], size=size)
        outputs = [head(level) for head, level in zip(self.heads, found, strict=True)]
        return torch.cat([a[0] for a in outputs], 1), torch.cat([a[1] for a in outputs], 1)
