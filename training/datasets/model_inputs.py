"""Pictures as the station captures them, and as a model's input."""

import hashlib
import math
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.imaging.picture_decoder import read_picture_file
from sightline.imaging.pixels import bgr_to_uyvy
from sightline.vision.preprocess import PREPROCESSINGS, FramePyramid
from training.datasets.data_set import LabelledPicture

Images = NDArray[np.uint8]


def load_frame(file: Path) -> FramePyramid:
    """A picture as the station captures it: converted to the camera's UYVY and back to RGB."""
    picture = read_picture_file(file)
    if picture.shape[1] % 2:  # no camera packs an odd width
        return FramePyramid(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
    return FramePyramid.from_frame(bgr_to_uyvy(picture), "UYVY")


def load_inputs(
    pictures: Sequence[LabelledPicture], preprocessing: str, size: tuple[int, int], cache: Path
) -> Images:
    """All pictures at model size, (K, height, width, 3), cached in a file for later runs."""
    shape = (len(pictures), size[1], size[0], 3)
    marker = cache.with_suffix(".done")
    expected = _describe_inputs(pictures, preprocessing, size)
    known = marker.read_text() if marker.is_file() and _is_complete(cache, shape) else ""
    if known == expected:
        return np.memmap(cache, np.uint8, "r", shape=shape)
    cache.parent.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)  # if interrupted from here on, the cache is built again
    images = np.memmap(cache, np.uint8, "w+", shape=shape)
    files = [picture.file for picture in pictures]
    with ProcessPoolExecutor(max_workers=2) as workers:
        load = partial(load_input, preprocessing=preprocessing, size=size)
        started = time.monotonic()
        for row, image in enumerate(workers.map(load, files, chunksize=32)):
            images[row] = image
            if (row + 1) % 2000 == 0 or row + 1 == len(files):
                elapsed_s = time.monotonic() - started
                sys.stderr.write(
                    f"  reading pictures: {row + 1} of {len(files)}, {elapsed_s:.0f} s\n"
                )
    images.flush()
    marker.write_text(expected)
    return images


def load_input(file: Path, preprocessing: str, size: tuple[int, int]) -> Images:
    """One picture at model size, (height, width, 3) uint8 RGB."""
    return PREPROCESSINGS[preprocessing](load_frame(file), *size)


def _is_complete(cache: Path, shape: tuple[int, ...]) -> bool:
    """Whether the cache has its full size; it may have been removed, or the disk was full."""
    return cache.is_file() and cache.stat().st_size == math.prod(shape)


def _describe_inputs(
    pictures: Sequence[LabelledPicture], preprocessing: str, size: tuple[int, int]
) -> str:
    """A digest of the files, their order and state, and the preprocessing."""
    total = hashlib.sha256(repr((preprocessing, size)).encode())
    for picture in pictures:
        facts = picture.file.stat()
        total.update(repr((str(picture.file), facts.st_size, facts.st_mtime_ns)).encode())
    return total.hexdigest()
