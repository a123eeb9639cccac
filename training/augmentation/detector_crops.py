"""Random training crops with their true boxes: cropped, mirrored, dimmed. Pure NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.vision.anchor_boxes import Floats
from training.augmentation.image_transforms import dim_randomly
from training.datasets import LabelledPicture

Image = NDArray[np.uint8]
CENTRAL_CROP_SHARE = 0.8  # of the crops are near the picture's centre, where the parts are
NEAR_BOX_SHARE = 0.75  # of zoomed crops
MIN_VISIBLE_SHARE = 0.5  # of a box at a crop's edge; boxes with less are ignored


@dataclass(frozen=True)
class GroundTruth:
    """The boxes of one picture at the model's scale: (G, 4) corners, class numbers, boxes to ignore."""

    boxes: Floats
    classes: NDArray[np.int64]
    ignored: Floats


def build_ground_truth(
    picture: LabelledPicture, labels: Sequence[str], size: tuple[int, int]
) -> GroundTruth:
    """The true boxes with these labels at model size; invisible ones are ignored."""
    scale = np.array([size[0] / picture.width, size[1] / picture.height] * 2, np.float32)
    known = [box for box in picture.boxes if box.label in labels]
    corners = {
        visible: np.array(
            [_to_corners(box.box) for box in known if box.visible == visible], np.float32
        ).reshape(-1, 4)
        * scale
        for visible in (True, False)
    }
    classes = [labels.index(box.label) for box in known if box.visible]
    return GroundTruth(corners[True], np.array(classes, np.int64), corners[False])


def _to_corners(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, width, height = box
    return x, y, x + width, y + height


def cut_random_crop(
    image: Image, truth: GroundTruth, size: tuple[int, int], random: np.random.Generator
) -> tuple[Image, GroundTruth]:
    """A crop of this (width, height), mirrored and dimmed at random, with its truth."""
    left, top = (
        _choose_crop_start(image.shape[1], size[0], random),
        _choose_crop_start(image.shape[0], size[1], random),
    )
    crop = image[top : top + size[1], left : left + size[0]]
    moved = clip_ground_truth(truth, left, top, size)
    if random.random() < 0.5:
        crop, moved = crop[:, ::-1], mirror_ground_truth(moved, size[0])
    gain, offset = random.uniform(0.85, 1.15), random.uniform(-8, 8)
    levels = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels[crop]), moved


def cut_zoomed_crop(
    image: Image,
    truth: GroundTruth,
    size: tuple[int, int],
    zoom: tuple[float, float],
    random: np.random.Generator,
) -> tuple[Image, GroundTruth]:
    """A crop of this (width, height) at a random zoom, mirrored both ways and dimmed, with its truth.

    The picture is stretched a little. Where the crop exceeds it, the crop has the picture's mean.
    """
    middle = np.exp(random.uniform(np.log(zoom[0]), np.log(zoom[1])))
    scale = middle * np.exp(random.uniform(-0.1, 0.1, 2))
    left, top = _choose_zoomed_origin(image, truth, size, scale, random)
    matrix = np.array([[scale[0], 0, -left], [0, scale[1], -top]])
    mean = image[::16, ::16].mean(axis=(0, 1))
    crop = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=mean.tolist())
    stretch = np.array([*scale, *scale], np.float32)
    larger = GroundTruth(truth.boxes * stretch, truth.classes, truth.ignored * stretch)
    moved = clip_ground_truth(larger, left, top, size)
    if random.random() < 0.5:
        crop, moved = crop[:, ::-1], mirror_ground_truth(moved, size[0])
    if random.random() < 0.5:
        crop, moved = crop[::-1], flip_ground_truth(moved, size[1])
    return np.ascontiguousarray(dim_randomly(np.asarray(crop, np.uint8), random)), moved


def _choose_zoomed_origin(
    image: Image,
    truth: GroundTruth,
    size: tuple[int, int],
    scale: NDArray[np.float64],
    random: np.random.Generator,
) -> tuple[float, float]:
    """Where the crop begins in the zoomed picture: mostly so that the middle of some box is in it."""
    if len(truth.boxes) and random.random() < NEAR_BOX_SHARE:
        box = truth.boxes[random.integers(len(truth.boxes))]
        middle = (box[:2] + box[2:]) / 2 * scale
        left, top = middle - random.uniform(0.1, 0.9, 2) * size
        return float(left), float(top)
    room = np.array([image.shape[1], image.shape[0]]) * scale - size
    margin = 0.1 * np.array(size)
    left, top = random.uniform(np.minimum(0, room) - margin, np.maximum(0, room) + margin)
    return float(left), float(top)


def _choose_crop_start(whole: int, part: int, random: np.random.Generator) -> int:
    room = whole - part
    if random.random() < CENTRAL_CROP_SHARE:
        spread = min(room, part)
        return int(np.clip(room / 2 + random.uniform(-spread, spread) / 2, 0, room))
    return int(random.integers(room + 1))


def clip_ground_truth(
    truth: GroundTruth, left: float, top: float, size: tuple[int, int]
) -> GroundTruth:
    """The truth of a window; boxes with less than half of their area in it are ignored."""
    moved = truth.boxes - np.array([left, top, left, top], np.float32)
    limits = np.array([size[0], size[1]] * 2, np.float32)
    inside = np.clip(moved, 0, limits)
    share = _box_areas(inside) / np.maximum(_box_areas(moved), 1e-6)
    whole, partly = share >= MIN_VISIBLE_SHARE, (share > 0) & (share < MIN_VISIBLE_SHARE)
    ignored = np.clip(truth.ignored - np.array([left, top, left, top], np.float32), 0, limits)
    return GroundTruth(
        inside[whole],
        truth.classes[whole],
        np.concatenate([ignored[_box_areas(ignored) > 0], inside[partly]]),
    )


def mirror_ground_truth(truth: GroundTruth, width: int) -> GroundTruth:
    """The truth of the picture mirrored left to right."""
    return GroundTruth(
        _mirror_boxes(truth.boxes, width), truth.classes, _mirror_boxes(truth.ignored, width)
    )


def flip_ground_truth(truth: GroundTruth, height: int) -> GroundTruth:
    """The truth of the picture upside down."""
    return GroundTruth(
        _flip_boxes(truth.boxes, height), truth.classes, _flip_boxes(truth.ignored, height)
    )


def _flip_boxes(boxes: Floats, height: int) -> Floats:
    return np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], axis=1)


def _mirror_boxes(boxes: Floats, width: int) -> Floats:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def _box_areas(boxes: Floats) -> Floats:
    area: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
