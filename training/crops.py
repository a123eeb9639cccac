"""The crops that a network is trained on, with their true boxes: cut, mirrored, dimmed. Pure NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.ssd import Floats
from training.augment import dimmed
from training.datasets import Picture

Image = NDArray[np.uint8]
MIDDLE_SHARE = 0.8  # of the crops lie about the picture's middle, where the parts stand
ABOUT_A_BOX_SHARE = 0.75  # of zoomed crops
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


def zoomed_crop(
    image: Image,
    truth: Truth,
    size: tuple[int, int],
    zoom: tuple[float, float],
    random: np.random.Generator,
) -> tuple[Image, Truth]:
    """A crop of this (width, height) at a random zoom, mirrored both ways and dimmed, with its truth.

    The picture is stretched a little, and may end within the crop; beyond is its mean.
    """
    middle = np.exp(random.uniform(np.log(zoom[0]), np.log(zoom[1])))
    scale = middle * np.exp(random.uniform(-0.1, 0.1, 2))
    left, top = _start(image, truth, size, scale, random)
    matrix = np.array([[scale[0], 0, -left], [0, scale[1], -top]])
    mean = image[::16, ::16].mean(axis=(0, 1))
    crop = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=mean.tolist())
    stretch = np.array([*scale, *scale], np.float32)
    larger = Truth(truth.boxes * stretch, truth.classes, truth.ignored * stretch)
    moved = cut(larger, left, top, size)
    if random.random() < 0.5:
        crop, moved = crop[:, ::-1], mirror(moved, size[0])
    if random.random() < 0.5:
        crop, moved = crop[::-1], upside_down(moved, size[1])
    return np.ascontiguousarray(dimmed(np.asarray(crop, np.uint8), random)), moved


def _start(
    image: Image,
    truth: Truth,
    size: tuple[int, int],
    scale: NDArray[np.float64],
    random: np.random.Generator,
) -> tuple[float, float]:
    """Where the crop begins in the zoomed picture: mostly so that the middle of some box is in it."""
    if len(truth.boxes) and random.random() < ABOUT_A_BOX_SHARE:
        box = truth.boxes[random.integers(len(truth.boxes))]
        middle = (box[:2] + box[2:]) / 2 * scale
        left, top = middle - random.uniform(0.1, 0.9, 2) * size
        return float(left), float(top)
    room = np.array([image.shape[1], image.shape[0]]) * scale - size
    margin = 0.1 * np.array(size)
    left, top = random.uniform(np.minimum(0, room) - margin, np.maximum(0, room) + margin)
    return float(left), float(top)


def _corner(whole: int, part: int, random: np.random.Generator) -> int:
    room = whole - part
    if random.random() < MIDDLE_SHARE:
        spread = min(room, part)
        return int(np.clip(room / 2 + random.uniform(-spread, spread) / 2, 0, room))
    return int(random.integers(room + 1))


def cut(truth: Truth, left: float, top: float, size: tuple[int, int]) -> Truth:
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


def upside_down(truth: Truth, height: int) -> Truth:
    """The truth of the picture upside down."""
    return Truth(
        _overturned(truth.boxes, height), truth.classes, _overturned(truth.ignored, height)
    )


def _overturned(boxes: Floats, height: int) -> Floats:
    return np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], axis=1)


def _mirrored(boxes: Floats, width: int) -> Floats:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def _area(boxes: Floats) -> Floats:
    area: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
