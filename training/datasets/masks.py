"""Masks as boxes: each connected region of a colour is a box."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import read_picture_file
from training.datasets.box_shapes import Box

BACKGROUND_LABEL = "BACKGROUND"
MASK_THRESHOLD = 128  # of a black and white mask


@dataclass(frozen=True)
class MaskBoxes:
    """A mask's size and its boxes with their labels."""

    width: int
    height: int
    boxes: tuple[tuple[str, Box], ...]


def read_colour_mask(file: Path, colours: Mapping[int, str], shown: str) -> MaskBoxes:
    """The boxes of a mask whose colours (0xrrggbb) are labels; PictureError for any other colour."""
    mask = read_picture_file(file)
    packed = mask.astype(np.int64) @ np.array([1, 256, 65536])  # blue, green, red
    unknown = set(np.unique(packed).tolist()) - colours.keys()
    if unknown:
        found = ", ".join(f"#{colour:06x}" for colour in sorted(unknown)[:5])
        raise PictureError(
            f"{shown} has the colour {found}, which is not in internal-color-map; save masks as PNG, "
            "without soft edges"
        )
    boxes = tuple(
        (label, box)
        for colour, label in colours.items()
        if label != BACKGROUND_LABEL
        for box in find_regions((packed == colour).astype(np.uint8))
    )
    return MaskBoxes(mask.shape[1], mask.shape[0], boxes)


def read_white_mask(file: Path, label: str) -> MaskBoxes:
    """The boxes of a mask that is white on black."""
    mask = read_picture_file(file).max(axis=2)
    boxes = find_regions((mask >= MASK_THRESHOLD).astype(np.uint8))
    return MaskBoxes(mask.shape[1], mask.shape[0], tuple((label, box) for box in boxes))


def find_regions(mask: NDArray[np.uint8]) -> list[Box]:
    """The boxes around the connected regions of a mask (height, width) of 0 and 1."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return [
        (float(x), float(y), float(width), float(height))
        for x, y, width, height, _ in stats[1:count].tolist()
    ]
