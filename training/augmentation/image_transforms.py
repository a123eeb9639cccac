"""Random changes to training pictures: rotation, mirroring, cropping, brightness, blots."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def rotate_randomly(image: Image, random: np.random.Generator, *, zoom: float = 0.1) -> Image:
    """Rotated by any angle, mirrored, zoomed and shifted a little; the border is replicated."""
    height, width = image.shape[:2]
    scale = random.uniform(1 - zoom, 1 + zoom)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(0, 360), scale)
    matrix[:, 2] += random.uniform(-0.04, 0.04, 2) * (width, height)
    result = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(result[:, ::-1] if random.random() < 0.5 else result, np.uint8)


def dim_randomly(image: Image, random: np.random.Generator) -> Image:
    """With random brightness, contrast and gamma."""
    gain, offset = random.uniform(0.8, 1.2), random.uniform(-15, 15)
    gamma = random.uniform(0.85, 1.2)
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip((levels - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)
    return np.asarray(table[image], np.uint8)


def mirror_randomly(image: Image, random: np.random.Generator) -> Image:
    """Mirrored left to right and upside down, each in half of the cases."""
    result = image[:, ::-1] if random.random() < 0.5 else image
    return np.asarray(result[::-1] if random.random() < 0.5 else result, np.uint8)


def crop_randomly(image: Image, side: int, random: np.random.Generator) -> Image:
    """A square of this side from anywhere in the picture."""
    top = int(random.integers(image.shape[0] - side + 1))
    left = int(random.integers(image.shape[1] - side + 1))
    return image[top : top + side, left : left + side]


def add_blots(
    image: Image, random: np.random.Generator, max_count: int, max_size_px: float = 24
) -> tuple[Image, NDArray[np.bool_]]:
    """With random dark or bright blots, and their mask (H, W)."""
    result = image.astype(np.float32)
    where = np.zeros(image.shape[:2], bool)
    for _ in range(int(random.integers(1, max_count + 1))):
        size = float(np.exp(random.uniform(np.log(3), np.log(max_size_px))))
        mask, top, left = _make_blot(image.shape[:2], size, random)
        inside = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
        depth = random.uniform(25, 110) * (1 if random.random() < 0.5 else -1)
        result[inside] += depth * mask[:, :, None]
        where[inside] |= mask > 0.25
    return np.clip(result, 0, 255).astype(np.uint8), where


def _make_blot(
    shape: tuple[int, ...], size: float, random: np.random.Generator
) -> tuple[NDArray[np.float32], int, int]:
    """An uneven spot of about this size with soft edges, and its top left corner."""
    side = min(int(4 * size + 8), *shape)
    noise = cv2.GaussianBlur(random.normal(size=(side, side)), (0, 0), max(1.0, size / 3))
    y, x = np.mgrid[:side, :side] - side / 2
    angle, stretch = random.uniform(0, np.pi), random.uniform(1, 3)
    across = (x * np.cos(angle) + y * np.sin(angle)) * stretch**0.5
    along = (y * np.cos(angle) - x * np.sin(angle)) / stretch**0.5
    field = 1 - (across**2 + along**2) / (size / 2) ** 2 + noise / (noise.std() + 1e-6) * 0.4
    mask = cv2.GaussianBlur((field > 0).astype(np.float32), (0, 0), random.uniform(0.5, 1.5))
    top, left = (int(random.integers(0, length - side + 1)) for length in shape)
    return np.asarray(mask, np.float32), top, left
