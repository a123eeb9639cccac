"""Teacher, student and judge: the student restores what the teacher would see in an undamaged picture."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.blocks import ResidualSeparable, convolution
from training.models.vae import upwards


class Encoder(nn.Module):  # type: ignore[misc]
    """From grey (B, 1, H, W) to features at 1/2, 1/4 and 1/8."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        widths = (1, *channels)
        self.levels = nn.ModuleList(
            nn.Sequential(convolution(inputs, outputs, 5, 2), ResidualSeparable(outputs))
            for inputs, outputs in zip(widths[:-1], channels, strict=True)
        )

    def forward(self, grey: Tensor) -> list[Tensor]:
        """The features of each level."""
        found = []
        for level in self.levels:
            grey = level(grey)
            found.append(grey)
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
        restored: Tensor = self.answer(self.up(self.encoder(grey)[-1]))
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

    def forward(self, grey: Tensor) -> list[Tensor]:
        """Features at 1/2, 1/4 and 1/8."""
        features = self.deep(self.encoder(grey)[-1])
        found = []
        for up, answer in zip(self.up, self.answers, strict=True):
            features = up(features)
            found.append(answer(features))
        return found[::-1]


class StudentTeacher(nn.Module):  # type: ignore[misc]
    """From grey (B, 1, H, W) to logits of anomaly (B, 1, H / 2, W / 2), and both sides' features."""

    def __init__(self, channels: tuple[int, int, int], judge: int) -> None:
        super().__init__()
        self.teacher = Encoder(channels)
        self.student = Student(channels)
        self.judge = nn.Sequential(
            convolution(sum(channels) + 1, judge, 1, 1),
            convolution(judge, judge, 3, 1),
            ResidualSeparable(judge),
            nn.Conv2d(judge, 1, 1),
        )
        nn.init.constant_(self.judge[-1].bias, -3.0)

    def train(self, mode: bool = True) -> "StudentTeacher":
        """The teacher learns no more."""
        super().train(mode)
        self.teacher.eval()
        return self

    def taught(self, grey: Tensor) -> list[Tensor]:
        """The teacher's features of a picture, of length 1 at each place."""
        with torch.no_grad():
            return [functional.normalize(part.float(), dim=1) for part in self.teacher(grey)]

    def forward(self, grey: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The judge's logits, and the student's features of length 1."""
        taught = self.taught(grey)
        found = [functional.normalize(part.float(), dim=1) for part in self.student(grey)]
        return self.judge(_products(taught, found, grey)), found


def _products(taught: list[Tensor], found: list[Tensor], grey: Tensor) -> Tensor:
    """Where both agree, channel by channel: (B, channels + 1, H / 2, W / 2)."""
    size = taught[0].shape[2:]
    parts = [functional.avg_pool2d(grey, 2)]
    for one, other in zip(taught, found, strict=True):
        product = one * other * one.shape[1]
        same = product.shape[2:] == size
        parts.append(
            product if same else functional.interpolate(product, size=size, mode="bilinear")
        )
    return torch.cat(parts, dim=1)
