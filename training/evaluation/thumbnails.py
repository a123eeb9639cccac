"""Small grey versions of pictures, for comparing many of them."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.imaging.picture_decoder import read_picture_file
from training.datasets import LabelledPicture

THUMBNAIL_SIDE_PX = 64
MAX_CACHED_THUMBNAILS = 16_384  # of 4 KiB each


def load_thumbnail(picture: LabelledPicture) -> NDArray[np.uint8]:
    """(64, 64) grey, cached; PictureError if the picture cannot be decoded."""
    return _load_thumbnail(picture.file, picture.file.stat().st_mtime_ns)


@lru_cache(maxsize=MAX_CACHED_THUMBNAILS)
def _load_thumbnail(file: Path, _changed_ns: int) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(read_picture_file(file), cv2.COLOR_BGR2GRAY)
    return np.asarray(
        cv2.resize(grey, (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), interpolation=cv2.INTER_AREA),
        np.uint8,
    )
