"""Pictures made small and grey, for what compares many of them with each other."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from training.datasets import Picture

SIDE_PX = 64
KEPT = 16_384  # of 4 KiB each


def small_grey(picture: Picture) -> NDArray[np.uint8]:
    """(64, 64) grey, by area; kept, since each is asked for several times. PictureError."""
    return _small_grey(picture.file, picture.file.stat().st_mtime_ns)


@lru_cache(maxsize=KEPT)
def _small_grey(file: Path, _changed_ns: int) -> NDArray[np.uint8]:
    grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise PictureError(f"{file} cannot be decoded as a picture")
    return np.asarray(cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)
