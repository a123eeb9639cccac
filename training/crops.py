"""The crops that a network is trained on, with their true boxes: cut, mirrored, dimmed. Pure NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.ssd import Floats
from training.datasets import Picture

Image = NDArray[np.uint8]
MIDDLE_SHARE = 0.8  # of the crops lie about the picture's middle, where the parts stand
LEAST_VISIBLE_PART = 0.5  # of a box that a crop's edge cuts; less is neither right nor wrong


@dataclass(frozen=True)
class Truth:
    """The boxes of one picture at the model's scale: (G, 4) corners, class numbers, boxes to ignore."""

    boxes: Floats
    classes: NDArray[np.int64]
    ignored: Floats


def truth_of(picture: Picture, labels: Sequence[str], size: tuple[int, int]) -> Truth:
    """The true boxes of the given labels at model size; those not visible are to be ignored."""
    scale = np.array([size[0] / picture.width, size[1] / picture.height] * 2, np.float32)
    known = [box for box in picture.boxes if box.label in labels]
    corners = {
        visible: np.array(
            [_corners(box.box) for box in known if box.visible == visible], np.float32
        ).reshape(-1, 4)
        * scale
        for visible in (True, False)
    }
    classes = [labels.index(box.label) for box in known if box.visible]
    return Truth(corners[True], np.array(classes, np.int64), corners[False])


def _corners(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, width, height = box
    return x, y, x + width, y + height


def random_crop(
    image: Image, truth: Truth, size: tuple[int, int], random: np.random.Generator
) -> tuple[Image, Truth]:
    """A crop of this (width, height), mirrored and dimmed at random, with its truth."""
    left, top = _corner(image.shape[1], size[0], random), _corner(image.shape[0], size[1], random)
    crop = image[top : top + size[1], left : left + size[0]]
    moved = cut(truth, left, top, size)
    if random.random() < 0.5:
        crop, moved = crop[:, ::-1], mirror(moved, size[0])
    gain, offset = random.uniform(0.85, 1.15), random.uniform(-8, 8)
    levels = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels[crop]), moved


def _corner(whole: int, part: int, random: np.random.Generator) -> int:
    room = whole - part
    if random.random() < MIDDLE_SHARE:
        spread = min(room, part)
        return int(np.clip(room / 2 + random.uniform(-spread, spread) / 2, 0, room))
    return int(random.integers(room + 1))


def cut(truth: Truth, left: int, top: int, size: tuple[int, int]) -> Truth:
    """The truth of a window; boxes that it cuts to less than half are to be ignored."""
    moved = truth.boxes - np.array([left, top, left, top], np.float32)
    limits = np.array([size[0], size[1]] * 2, np.float32)
    inside = np.clip(moved, 0, limits)
    share = _area(inside) / np.maximum(_area(moved), 1e-6)
    whole, partly = share >= LEAST_VISIBLE_PART, (share > 0) & (share < LEAST_VISIBLE_PART)
    ignored = np.clip(truth.ignored - np.array([left, top, left, top], np.float32), 0, limits)
    return Truth(
        inside[whole],
        truth.classes[whole],
        np.concatenate([ignored[_area(ignored) > 0], inside[partly]]),
    )


def mirror(truth: Truth, width: int) -> Truth:
    """The truth of the picture seen in a mirror."""
    return Truth(_mirrored(truth.boxes, width), truth.classes, _mirrored(truth.ignored, width))


def _mirrored(boxes: Floats, width: int) -> Floats:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def _area(boxes: Floats) -> Floats:
    area: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
