"""A picture file as a UYVY frame of the station's size."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import CameraError, PictureError
from sightline.imaging.picture_decoder import decode_grey_plane, decode_picture
from sightline.imaging.picture_folder import is_same_shape
from sightline.imaging.pixels import RAW_FRAME_SUFFIX, planes_to_uyvy

Image = NDArray[np.uint8]


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
        try:
            return bgr_picture_to_uyvy(fit_picture(picture, width, height))
        except PictureError as error:
            raise PictureError(f"{file}: {error}") from error
    if picture.shape != (2 * height, width):
        raise PictureError(f"{file}: a raw frame of {picture.shape}; {width}x{height} is played")
    return planes_to_uyvy(picture)


def fit_picture(picture: Image, width: int, height: int) -> Image:
    """The BGR picture stretched to a frame of its own shape, as training does; else PictureError."""
    found = (picture.shape[1], picture.shape[0])
    if found == (width, height):
        return picture
    if not is_same_shape(found, (width, height)):
        raise PictureError(
            f"it is {found[0]}x{found[1]} and the frames are {width}x{height}: a picture of another shape "
            "is not played"
        )
    shrinks = found[0] > width
    resized: Image = cv2.resize(
        picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return resized


def bgr_picture_to_uyvy(picture: Image) -> Image:
    """BGR (height, width, 3) as UYVY (height, width, 2), BT.601; the width must be even."""
    converted: Image = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_UYVY)
    return converted
