"""Picture files as pixels: 8 bits a value, turned as their EXIF orientation says.

The header comes first, so that a file that claims an absurd size takes no memory. A file that is cut off
is refused, and so is one whose 16 bits hold fewer: at 8 bits it would be nearly black.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.errors import PictureError
from sightline.imaging.picture_header import PictureHeader, read_picture_header

Pixels = NDArray[np.uint8]
MAX_PICTURE_MEGAPIXELS = 100.0
MAX_BITS = 16
CAMERA_BITS = (10, 12, 14)
MIN_PEAK_OF_16_BITS = (
    1 << CAMERA_BITS[-1]
)  # a 16-bit file below it is of such a camera, or nearly black
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def read_picture_file(file: Path) -> Pixels:
    """The file's picture, (height, width, 3) BGR, turned upright; PictureError says why not."""
    try:
        return decode_picture(file.read_bytes())
    except OSError as error:
        raise PictureError(f"{file} cannot be read: {error.strerror or error}") from error
    except PictureError as error:
        raise PictureError(f"{file} cannot be decoded as a picture: {error}") from error


def decode_picture(content: bytes) -> Pixels:
    """A picture file's content as (height, width, 3) BGR, turned upright; PictureError."""
    header = check_picture_header(content)
    pixels = _decode(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    return turn_upright(_reduce_to_8_bits(pixels), header)


def decode_grey_plane(content: bytes) -> Pixels:
    """A picture file's content as (height, width) grey, as stored, for files that hold raw values."""
    check_picture_header(content)
    return np.asarray(_decode(content, cv2.IMREAD_GRAYSCALE), np.uint8)


def check_decoding(content: bytes) -> PictureHeader:
    """The header of content that can be decoded, found out as cheaply as possible; PictureError."""
    header = check_picture_header(content)
    if header.format == "JPEG":  # every pixel's code is read, an eighth of the lines are computed
        _decode(content, cv2.IMREAD_REDUCED_GRAYSCALE_8)
    else:
        _reduce_to_8_bits(_decode(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH))
    return header


def check_picture_header(content: bytes) -> PictureHeader:
    """The header; PictureError if the size or the bits are beyond what is read."""
    header = read_picture_header(content)
    if header.megapixels > MAX_PICTURE_MEGAPIXELS:
        raise PictureError(
            f"its header says {header.width} x {header.height} px; at most "
            f"{MAX_PICTURE_MEGAPIXELS:g} megapixels are read: scale it down or cut it"
        )
    if header.bits > MAX_BITS:
        raise PictureError(f"it has {header.bits} bits a value; save it with 8")
    return header


def turn_upright(pixels: Pixels, header: PictureHeader) -> Pixels:
    """The picture as it is to be shown, by its EXIF orientation."""
    if header.format == "TIFF":  # its decoder has turned it
        return pixels
    sideways = header.orientation > 4
    turned = cv2.transpose(pixels) if sideways else pixels
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(header.orientation)
    return np.asarray(turned if flip is None else cv2.flip(turned, flip), np.uint8)


def _decode(content: bytes, flags: int) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(
            np.frombuffer(content, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error as error:
        raise PictureError(f"it is damaged: {error.err}") from error
    if pixels is None:
        raise PictureError(f"it is damaged, or cut off after {len(content)} bytes: fetch it again")
    return np.asarray(pixels)


def _reduce_to_8_bits(pixels: NDArray[Any]) -> Pixels:
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    if pixels.dtype != np.uint16:
        raise PictureError(f"it has values of the type {pixels.dtype}; save it with 8 bits")
    peak = int(pixels.max())
    if peak < MIN_PEAK_OF_16_BITS:
        bits = next(bits for bits in CAMERA_BITS if peak < 1 << bits)
        raise PictureError(
            f"its values of 16 bits reach only {peak}, as from a camera of {bits} bits: it would be nearly "
            f"black; save all pictures of that camera with 8 bits (each value divided by {1 << (bits - 8)})"
        )
    return np.asarray(pixels >> 8, np.uint8)
