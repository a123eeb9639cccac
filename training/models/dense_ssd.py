"""An SSD for 8-bit arithmetic: few plain convolutions over many channels, none depthwise.

On CPUs with 8-bit dot products (VNNI) these run two to three times faster in int8. Depthwise convolutions,
the blocks of a MobileNet, run no faster there than in fp32.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sightline.vision.anchor_boxes import AnchorSpec
from training.models.blocks import build_convolution
from training.models.ssd_lite import RARE_LOGIT, ChannelWidths

PATCH_PX = (
    4  # pixels; the stem sees patches of 4 x 12, and takes 4 neighbours as one of 12 channels
)


class BottleneckBlock(nn.Module):  # type: ignore[misc]
    """3 x 3 into half the channels and 1 x 1 back, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            build_convolution(channels, channels // 2, 3, 1),
            nn.Conv2d(channels // 2, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, H, W) to the same shape."""
        result: Tensor = features + self.body(features)
        return result


class DenseHead(nn.Module):  # type: ignore[misc]
    """Offsets and logits for each anchor of one level; stays in fp32 when the rest is int8."""

    def __init__(self, width: int, anchors: int, labels: int) -> None:
        super().__init__()
        self.labels = labels
        self.boxes = nn.Conv2d(width, anchors * 4, 1)
        self.scores = nn.Conv2d(width, anchors * labels, 1)
        nn.init.constant_(self.scores.bias, RARE_LOGIT)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) to (B, anchors, 4) and (B, anchors, labels)."""
        boxes = self.boxes(features).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
        scores = self.scores(features).permute(0, 2, 3, 1)
        return boxes, scores.flatten(1).unflatten(1, (-1, self.labels))


class DenseSsd(nn.Module):  # type: ignore[misc]
    """From (B, H, W, 3) uint8 RGB to raw offsets (B, N, 4) and logits (B, N, labels); 4 divides H, W."""

    def __init__(self, labels: int, anchors: AnchorSpec, widths: ChannelWidths) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3 * PATCH_PX, widths.stem, (PATCH_PX, 3), (PATCH_PX, 1), (0, 1), bias=False),
            nn.BatchNorm2d(widths.stem),
            nn.ReLU(inplace=True),
            build_convolution(widths.stem, widths.quarter, 1, 1),
        )
        self.eighth = _build_level(widths.quarter, widths.eighth)
        self.sixteenth = _build_level(widths.eighth, widths.sixteenth)
        self.down = nn.Conv2d(widths.sixteenth, widths.eighth, 1)
        levels = (widths.eighth, widths.sixteenth)
        self.necks = nn.ModuleList(
            build_convolution(inputs, widths.head, 3, 1) for inputs in levels
        )
        self.heads = nn.ModuleList(
            DenseHead(widths.head, len(level.sizes) * len(level.ratios), labels)
            for level in anchors.levels
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw offsets and logits for all anchors, in the order of `anchor_boxes.make_anchors`."""
        rows = images.unflatten(2, (images.shape[2] // PATCH_PX, PATCH_PX)).flatten(3)
        eighth = self.eighth(self.stem(rows.permute(0, 3, 1, 2).float() * (1 / 58.0) - 2.0))
        sixteenth = self.sixteenth(eighth)
        wider = functional.interpolate(self.down(sixteenth), size=eighth.shape[2:], mode="nearest")
        levels = [neck(f) for neck, f in zip(self.necks, (eighth + wider, sixteenth), strict=True)]
        outputs = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        return torch.cat([a[0] for a in outputs], 1), torch.cat([a[1] for a in outputs], 1)


def _build_level(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        build_convolution(inputs, outputs, 3, 2), BottleneckBlock(outputs), BottleneckBlock(outputs)
    )
