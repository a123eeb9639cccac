"""Pictures changed at random so that a network learns what matters: turned, mirrored, dimmed."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def turned(image: Image, random: np.random.Generator, *, zoom: float = 0.1) -> Image:
    """Turned by any angle, mirrored, zoomed and moved a little; the edge is mirrored outwards."""
    height, width = image.shape[:2]
    scale = random.uniform(1 - zoom, 1 + zoom)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(0, 360), scale)
    matrix[:, 2] += random.uniform(-0.04, 0.04, 2) * (width, height)
    result = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(result[:, ::-1] if random.random() < 0.5 else result, np.uint8)


def quarter_turned(image: Image, random: np.random.Generator) -> Image:
    """One of the eight ways to lay a picture down; no pixel is interpolated."""
    result = np.rot90(image, int(random.integers(4)))
    return np.asarray(result[:, ::-1] if random.random() < 0.5 else result, np.uint8)


def dimmed(image: Image, random: np.random.Generator) -> Image:
    """Brighter or darker, with more or less contrast, and with the noise of a camera."""
    gain, offset = random.uniform(0.8, 1.2), random.uniform(-15, 15)
    gamma = random.uniform(0.85, 1.2)
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip((levels - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)
    return np.asarray(table[image], np.uint8)
