"""Pictures from files: which camera plays which, and any picture as a UYVY frame of the station's size."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import CameraError, PictureError
from sightline.imaging.picture_decoder import PICTURE_SUFFIXES, decode_grey_plane, decode_picture
from sightline.imaging.picture_header import READABLE_FORMATS
from sightline.imaging.pixels import RAW_FRAME_SUFFIX, planes_to_uyvy

Image = NDArray[np.uint8]


def assign_pictures(folder: Path, cameras: Sequence[str]) -> dict[str, list[Path]]:
    """Each camera's pictures: its own sub-folder's where there are such, else all files in turn.

    Raises CameraError if the folder is missing or any camera would have nothing to play.
    """
    if not folder.is_dir():
        raise CameraError(f"no folder of pictures at {folder}")
    if any((folder / camera).is_dir() for camera in cameras):
        dealt = {camera: _list_playable(folder / camera) for camera in cameras}
    else:
        dealt = _distribute(_list_playable(folder), cameras)
    for camera, files in dealt.items():
        if not files:
            raise CameraError(
                f"{camera} has no pictures in {folder}; {READABLE_FORMATS} are played"
            )
    return dealt


def _distribute(files: list[Path], cameras: Sequence[str]) -> dict[str, list[Path]]:
    if not files:
        return {camera: [] for camera in cameras}
    whole_parts = -(-len(files) // len(cameras))
    return {
        camera: [files[(n * len(cameras) + place) % len(files)] for n in range(whole_parts)]
        for place, camera in enumerate(cameras)
    }


def _list_playable(folder: Path) -> list[Path]:
    try:
        return sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in PICTURE_SUFFIXES
            and not path.name.startswith(".")
            and path.is_file()
        )
    except OSError as error:
        raise CameraError(f"{folder}: {error.strerror or error}") from error


def read_picture(file: Path, width: int, height: int) -> Image:
    """The picture as UYVY, (height, width, 2) uint8; PictureError if it is none, CameraError if gone.

    A raw frame (`.uyvy.png`) comes out as its camera gave it, to the bit; it must be of the same size.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CameraError(f"{file}: {error.strerror or error}") from error
    is_raw = file.name.endswith(RAW_FRAME_SUFFIX)
    try:
        picture = decode_grey_plane(content) if is_raw else decode_picture(content)
    except PictureError as error:
        raise PictureError(f"{file} cannot be decoded as a picture: {error}") from error
    if not is_raw:
        return bgr_picture_to_uyvy(fit_picture(picture, width, height))
    if picture.shape != (2 * height, width):
        raise PictureError(f"{file}: a raw frame of {picture.shape}; {width}x{height} is played")
    return planes_to_uyvy(picture)


def fit_picture(picture: Image, width: int, height: int) -> Image:
    """The BGR picture within a frame of this size, its aspect kept, black beside it."""
    found_height, found_width = picture.shape[:2]
    if (found_width, found_height) == (width, height):
        return picture
    scale = min(width / found_width, height / found_height)
    size = (max(1, round(found_width * scale)), max(1, round(found_height * scale)))
    shrunk = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    framed = np.zeros((height, width, 3), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    framed[top : top + size[1], left : left + size[0]] = cv2.resize(
        picture, size, interpolation=shrunk
    )
    return framed


def bgr_picture_to_uyvy(picture: Image) -> Image:
    """BGR (height, width, 3) as UYVY (height, width, 2), BT.601; the width must be even."""
    converted: Image = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_UYVY)
    return converted
