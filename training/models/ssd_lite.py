"""SSDLite in plain PyTorch: slim MobileNet backbone, two levels of anchors, separable heads."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.vision.anchor_boxes import AnchorSpec
from training.models.blocks import InvertedResidual, build_convolution, build_separable

RARE_LOGIT = -4.6  # the logit of a score of 0.01: an untrained network detects nothing


@dataclass(frozen=True)
class ChannelWidths:
    """Channels of the stem, of the levels at 1/4, 1/8 and 1/16, and of the heads."""

    stem: int
    quarter: int
    eighth: int
    sixteenth: int
    head: int


class SeparableHead(nn.Module):  # type: ignore[misc]
    """Offsets and logits for each anchor of one level."""

    def __init__(self, inputs: int, width: int, anchors: int, labels: int) -> None:
        super().__init__()
        self.labels = labels
        self.shared = build_separable(inputs, width)
        self.boxes = nn.Conv2d(width, anchors * 4, 1)
        self.scores = nn.Conv2d(width, anchors * labels, 1)
        nn.init.constant_(self.scores.bias, RARE_LOGIT)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) to (B, anchors, 4) and (B, anchors, labels)."""
        shared = self.shared(features)
        boxes = self.boxes(shared).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
        scores = self.scores(shared).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, self.labels))
        return boxes, scores


class SsdLite(nn.Module):  # type: ignore[misc]
    """From (B, H, W, 3) uint8 RGB to raw offsets (B, N, 4) and logits (B, N, labels)."""

    def __init__(self, labels: int, anchors: AnchorSpec, widths: ChannelWidths) -> None:
        super().__init__()
        counts = [len(level.sizes) * len(level.ratios) for level in anchors.levels]
        self.stem = build_convolution(3, widths.stem, 3, 2)
        self.quarter = nn.Sequential(
            build_separable(widths.stem, widths.quarter, 2),
            build_separable(widths.quarter, widths.quarter),
        )
        self.eighth = nn.Sequential(
            InvertedResidual(widths.quarter, widths.eighth, 2),
            InvertedResidual(widths.eighth, widths.eighth, 1),
            InvertedResidual(widths.eighth, widths.eighth, 1),
        )
        self.sixteenth = nn.Sequential(
            InvertedResidual(widths.eighth, widths.sixteenth, 2),
            InvertedResidual(widths.sixteenth, widths.sixteenth, 1),
            InvertedResidual(widths.sixteenth, widths.sixteenth, 1),
        )
        self.down = nn.Conv2d(widths.sixteenth, widths.eighth, 1)
        self.heads = nn.ModuleList(
            [
                SeparableHead(widths.eighth, widths.head, counts[0], labels),
                SeparableHead(widths.sixteenth, widths.head, counts[1], labels),
            ]
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw offsets and logits for all anchors, in the order of `anchor_boxes.make_anchors`."""
        pixels = images.permute(0, 3, 1, 2).float() * (1 / 58.0) - 2.0
        eighth = self.eighth(self.quarter(self.stem(pixels)))
        sixteenth = self.sixteenth(eighth)
        wider = nn.functional.interpolate(
            self.down(sixteenth), size=eighth.shape[2:], mode="nearest"
        )
        outputs = [
            head(level) for head, level in zip(self.heads, (eighth + wider, sixteenth), strict=True)
        ]
        return torch.cat([a[0] for a in outputs], 1), torch.cat([a[1] for a in outputs], 1)
