"""Teacher, student and judge networks; the student restores the teacher's features of a good picture."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.autoencoder import build_upsampling
from training.models.blocks import ResidualSeparable, build_convolution

NEIGHBOURHOODS_PX = (9, 25)  # sides of the neighbourhoods that a pixel is compared with
VIEW_COUNT = 1 + len(NEIGHBOURHOODS_PX)


def build_views(grey: Tensor) -> Tensor:
    """Grey (B, 1, H, W), and its contrast to each neighbourhood in -1..1, as (B, 3, H, W)."""
    found = [grey]
    for side in NEIGHBOURHOODS_PX:
        apart = grey - _local_mean(grey, side)
        usual = _local_mean(apart.abs(), 2 * side + 1) + 0.004
        found.append(apart / (apart.abs() + 3 * usual))
    return torch.cat(found, dim=1)


def _local_mean(grey: Tensor, side: int) -> Tensor:
    """The mean of each pixel's neighbourhood."""
    for kernel in ((side, 1), (1, side)):
        border = tuple(length // 2 for length in kernel)
        grey = functional.avg_pool2d(grey, kernel, 1, border, count_include_pad=False)
    return grey


class ViewEncoder(nn.Module):  # type: ignore[misc]
    """From views (B, 3, H, W) to features at 1/2, 1/4 and 1/8."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        widths = (VIEW_COUNT, *channels)
        self.levels = nn.ModuleList(
            nn.Sequential(build_convolution(inputs, outputs, 5, 2), ResidualSeparable(outputs))
            for inputs, outputs in zip(widths[:-1], channels, strict=True)
        )

    def forward(self, views: Tensor) -> list[Tensor]:
        """The features of each level."""
        found = []
        for level in self.levels:
            views = level(views)
            found.append(views)
        return found


class TeacherNetwork(nn.Module):  # type: ignore[misc]
    """An encoder-decoder that learns its features by restoring damaged normal pictures."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        self.encoder = ViewEncoder(channels)
        first, second, third = channels
        self.up = nn.Sequential(
            build_upsampling(third, second),
            build_upsampling(second, first),
            build_upsampling(first, first),
        )
        self.answer = nn.Conv2d(first, 1, 3, padding=1)

    def forward(self, grey: Tensor) -> Tensor:
        """The restored picture (B, 1, H, W)."""
        restored: Tensor = self.answer(self.up(self.encoder(build_views(grey))[-1]))
        return restored


class StudentNetwork(nn.Module):  # type: ignore[misc]
    """An encoder-decoder for the teacher's features of the undamaged picture."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = channels
        self.encoder = ViewEncoder(channels)
        self.deep = nn.Sequential(build_convolution(third, third, 5, 2), ResidualSeparable(third))
        self.up = nn.ModuleList(
            build_upsampling(i, o) for i, o in ((third, third), (third, second), (second, first))
        )
        self.answers = nn.ModuleList(nn.Conv2d(width, width, 1) for width in (third, second, first))

    def forward(self, views: Tensor) -> list[Tensor]:
        """Features at 1/2, 1/4 and 1/8."""
        features = self.deep(self.encoder(views)[-1])
        found = []
        for up, answer in zip(self.up, self.answers, strict=True):
            features = up(features)
            found.append(answer(features))
        return found[::-1]


class SegmentationHead(nn.Module):  # type: ignore[misc]
    """From the evidence (B, inputs, h, w) to logits of anomaly (B, 1, h, w)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        widths = (width, 3 * width // 2, 2 * width, 2 * width)
        self.first = nn.Sequential(
            build_convolution(inputs, width, 1, 1), build_convolution(width, width, 3, 1)
        )
        self.down = nn.ModuleList(
            nn.Sequential(build_convolution(i, o, 3, 2), ResidualSeparable(o))
            for i, o in pairwise(widths)
        )
        self.up = nn.ModuleList(build_upsampling(o, i) for i, o in pairwise(widths))
        self.answer = nn.Sequential(ResidualSeparable(width), nn.Conv2d(width, 1, 1))
        nn.init.constant_(self.answer[-1].bias, -3.0)

    def forward(self, evidence: Tensor) -> Tensor:
        """The logits."""
        levels = [self.first(evidence)]
        for down in self.down:
            levels.append(down(levels[-1]))
        found = levels.pop()
        for up in reversed(self.up):
            found = up(found) + levels.pop()
        logits: Tensor = self.answer(found)
        return logits


class StudentTeacherNetwork(nn.Module):  # type: ignore[misc]
    """From grey (B, 1, H, W) to logits of anomaly (B, 1, H / 2, W / 2), and the student's features."""

    def __init__(self, channels: tuple[int, int, int], judge: int) -> None:
        super().__init__()
        self.teacher = ViewEncoder(channels)
        self.student = StudentNetwork(channels)
        self.judge = SegmentationHead(sum(channels) + channels[0] + VIEW_COUNT, judge)

    def train(self, mode: bool = True) -> "StudentTeacherNetwork":
        """Set the mode of student and judge; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def teacher_features(self, grey: Tensor) -> list[Tensor]:
        """The teacher's features of a picture, normalised in each cell."""
        with torch.no_grad():
            return _normalize_features(self.teacher(build_views(grey)))

    def forward(self, grey: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The judge's logits, and the student's normalised features."""
        views = build_views(grey)
        with torch.no_grad():
            seen = self.teacher(views)
        taught, found = _normalize_features(seen), _normalize_features(self.student(views))
        return self.judge(torch.cat([seen[0], _build_evidence(taught, found, views)], dim=1)), found


def _normalize_features(levels: list[Tensor]) -> list[Tensor]:
    """Features of length 1 in each cell."""
    return [functional.normalize(level.float(), dim=1) for level in levels]


def _build_evidence(taught: list[Tensor], found: list[Tensor], views: Tensor) -> Tensor:
    """The views, and the agreement of both by channel: (B, channels + 3, H / 2, W / 2)."""
    size = taught[0].shape[2:]
    parts = [functional.avg_pool2d(views, 2)]
    for one, other in zip(taught, found, strict=True):
        product = one * other * one.shape[1]
        same = product.shape[2:] == size
        parts.append(
            product if same else functional.interpolate(product, size=size, mode="bilinear")
        )
    return torch.cat(parts, dim=1)
