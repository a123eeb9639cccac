"""Random changes to normal X-ray pictures: zoom, transposition, overlay, film grain."""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.augmentation.image_transforms import crop_randomly

Image = NDArray[np.uint8]


def zoom_randomly(image: Image, side: int, random: np.random.Generator) -> Image:
    """A random square of this side, at a zoom of 1/1.6 to 1.6."""
    zoom = float(np.exp(random.uniform(-0.47, 0.47)))
    crop_side = min(int(side / zoom), *image.shape[:2])
    crop = crop_randomly(image, crop_side, random)
    interpolation = cv2.INTER_AREA if crop_side > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (side, side), interpolation=interpolation), np.uint8)


def transpose_randomly(image: Image, random: np.random.Generator) -> Image:
    """Transposed in half of the cases."""
    return np.asarray(image.transpose(1, 0, 2) if random.random() < 0.5 else image, np.uint8)


def overlay_picture(image: Image, other: Image, random: np.random.Generator) -> Image:
    """Two castings one behind the other: the product of their transmissions."""
    share = random.uniform(0.3, 1.0)
    passed = 1 - share + share * other.astype(np.float32) / max(1, int(other.max()))
    return np.asarray(np.rint(image * passed), np.uint8)


def add_film_grain(image: Image, random: np.random.Generator) -> Image:
    """With fine or coarse film grain in half of the cases."""
    if random.random() < 0.5:
        return image
    grain = cv2.GaussianBlur(random.normal(size=image.shape[:2]), (0, 0), random.uniform(0.3, 1.2))
    grain *= np.exp(random.uniform(np.log(0.5), np.log(12))) / (grain.std() + 1e-6)
    changed = np.clip(np.rint(image + grain[:, :, None]), 0, 255)
    return np.asarray(changed, np.uint8)
