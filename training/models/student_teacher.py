"""Teacher, student and judge: the student restores what the teacher would see in an undamaged picture."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.blocks import ResidualSeparable, convolution
from training.models.vae import upwards

AROUND = (9, 25)  # px that a place is compared with
VIEWS = 1 + len(AROUND)
STRIDE = 16  # pixels for each place of the coarsest features


def views_of(grey: Tensor) -> Tensor:
    """Grey (B, 1, H, W), and how far each place stands out of what is about it, in -1..1: (B, 3, H, W)."""
    found = [grey]
    for side in AROUND:
        apart = grey - _mean(grey, side)
        usual = _mean(apart.abs(), 2 * side + 1) + 0.004
        found.append(apart / (apart.abs() + 3 * usual))
    return torch.cat(found, dim=1)


def _mean(grey: Tensor, side: int) -> Tensor:
    """Of the places about each one."""
    for kernel in ((side, 1), (1, side)):
        border = tuple(length // 2 for length in kernel)
        grey = functional.avg_pool2d(grey, kernel, 1, border, count_include_pad=False)
    return grey


class Encoder(nn.Module):  # type: ignore[misc]
    """From views (B, 3, H, W) to features at 1/2, 1/4 and 1/8."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        widths = (VIEWS, *channels)
        self.levels = nn.ModuleList(
            nn.Sequential(convolution(inputs, outputs, 5, 2), ResidualSeparable(outputs))
            for inputs, outputs in zip(widths[:-1], channels, strict=True)
        )

    def forward(self, views: Tensor) -> list[Tensor]:
        """The features of each level."""
        found = []
        for level in self.levels:
            views = level(views)
            found.append(views)
        return found


class Teacher(nn.Module):  # type: ignore[misc]
    """An encoder that learned its features by restoring damaged normal pictures."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        self.encoder = Encoder(channels)
        first, second, third = channels
        self.up = nn.Sequential(
            upwards(third, second), upwards(second, first), upwards(first, first)
        )
        self.answer = nn.Conv2d(first, 1, 3, padding=1)

    def forward(self, grey: Tensor) -> Tensor:
        """The restored picture (B, 1, H, W)."""
        restored: Tensor = self.answer(self.up(self.encoder(views_of(grey))[-1]))
        return restored


class Student(nn.Module):  # type: ignore[misc]
    """An encoder and a way back up that gives the teacher's features of the undamaged picture."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = channels
        self.encoder = Encoder(channels)
        self.deep = nn.Sequential(convolution(third, third, 5, 2), ResidualSeparable(third))
        self.up = nn.ModuleList(
            upwards(i, o) for i, o in ((third, third), (third, second), (second, first))
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


class Judge(nn.Module):  # type: ignore[misc]
    """From where both sides disagree, (B, inputs, h, w), to logits (B, 1, h, w); sees 16 times as wide."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        widths = (width, 3 * width // 2, 2 * width, 2 * width)
        self.first = nn.Sequential(
            convolution(inputs, width, 1, 1), convolution(width, width, 3, 1)
        )
        self.down = nn.ModuleList(
            nn.Sequential(convolution(i, o, 3, 2), ResidualSeparable(o))
            for i, o in pairwise(widths)
        )
        self.up = nn.ModuleList(upwards(o, i) for i, o in pairwise(widths))
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


class StudentTeacher(nn.Module):  # type: ignore[misc]
    """From grey (B, 1, H, W) to logits of anomaly (B, 1, H / 2, W / 2), and both sides' features."""

    def __init__(self, channels: tuple[int, int, int], judge: int) -> None:
        super().__init__()
        self.teacher = Encoder(channels)
        self.student = Student(channels)
        self.judge = Judge(sum(channels) + channels[0] + VIEWS, judge)

    def train(self, mode: bool = True) -> "StudentTeacher":
        """The teacher learns no more."""
        super().train(mode)
        self.teacher.eval()
        return self

    def taught(self, grey: Tensor) -> list[Tensor]:
        """The teacher's features of a picture, of length 1 at each place."""
        with torch.no_grad():
            return _of_length_one(self.teacher(views_of(grey)))

    def forward(self, grey: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The judge's logits, and the student's features of length 1."""
        views = views_of(grey)
        with torch.no_grad():
            seen = self.teacher(views)
        taught, found = _of_length_one(seen), _of_length_one(self.student(views))
        return self.judge(torch.cat([seen[0], _evidence(taught, found, views)], dim=1)), found


def _of_length_one(levels: list[Tensor]) -> list[Tensor]:
    """Features of length 1 at each place."""
    return [functional.normalize(level.float(), dim=1) for level in levels]


def _evidence(taught: list[Tensor], found: list[Tensor], views: Tensor) -> Tensor:
    """Where both agree, channel by channel, and the views: (B, channels + 3, H / 2, W / 2)."""
    size = taught[0].shape[2:]
    parts = [functional.avg_pool2d(views, 2)]
    for one, other in zip(taught, found, strict=True):
        product = one * other * one.shape[1]
        same = product.shape[2:] == size
        parts.append(
            product if same else functional.interpolate(product, size=size, mode="bilinear")
        )
    return torch.cat(parts, dim=1)
