"""What a picture file says of itself in its first bytes: format, size, EXIF orientation, bits of a value.

Read before anything is decoded: a JPEG of 700 bytes may claim 4,000 megapixels. JPEG, PNG, BMP, TIFF and
WebP are read; `PictureError` says why another file is not.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sightline.errors import PictureError

PictureFormat = Literal["JPEG", "PNG", "BMP", "TIFF", "WebP"]
READABLE_FORMATS = "JPEG, PNG, BMP, TIFF and WebP"
UPRIGHT = 1  # EXIF orientation: stored as shown
ORIENTATIONS = frozenset(range(1, 9))
SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that swap width and height
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF_MARK = b"Exif\0\0"
LFS_POINTER = b"version https://git-lfs"
ORIENTATION_TAG, WIDTH_TAG, HEIGHT_TAG, BITS_TAG = 274, 256, 257, 258
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame: size and bits
_JPEG_WITHOUT_LENGTH = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_JPEG_SCAN, _JPEG_END, _JPEG_APP1 = 0xDA, 0xD9, 0xE1
_TIFF_TYPES = {1: "B", 3: "H", 4: "I"}  # bytes, 16 and 32 bits


@dataclass(frozen=True)
class PictureHeader:
    """Size as stored; `orientation` 1 to 8 says how the picture is to be turned to be shown (EXIF)."""

    format: PictureFormat
    width: int
    height: int
    orientation: int = UPRIGHT
    bits: int = 8  # of a value

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height in the file."""
        return self.width, self.height

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the turned picture, as it is decoded."""
        if self.orientation in SIDEWAYS:
            return self.height, self.width
        return self.width, self.height

    @property
    def megapixels(self) -> float:
        """Pixels, in millions."""
        return self.width * self.height / 1e6


def read_picture_header(content: bytes) -> PictureHeader:
    """The header of a picture file's content; PictureError if it has none that is read here."""
    if not content:
        raise PictureError("the file is empty")
    if content.startswith(LFS_POINTER):
        raise PictureError("it is a pointer of Git LFS, not the file: run `git lfs pull`")
    for signature, read in _READERS.items():
        if content.startswith(signature):
            try:
                header = read(content)
            except (struct.error, IndexError) as error:
                raise PictureError("it ends within its header") from error
            if header.width <= 0 or header.height <= 0:
                raise PictureError(f"its header says {header.width} x {header.height} px")
            return header
    raise PictureError(f"it begins with {content[:12]!r}, and is none of {READABLE_FORMATS}")


def _read_jpeg(content: bytes) -> PictureHeader:
    orientation = 0
    for marker, start, end in _walk_jpeg(content):
        if marker == _JPEG_APP1 and not orientation and content.startswith(EXIF_MARK, start):
            orientation = _find_orientation(content[start + len(EXIF_MARK) : end])
        if marker in _JPEG_FRAMES:
            bits, height, width = struct.unpack_from(">BHH", content, start)
            return PictureHeader("JPEG", width, height, orientation or UPRIGHT, bits)
    raise PictureError("it is a JPEG file without a picture")


def _walk_jpeg(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, first and last position of each segment before the pixels."""
    position = 2
    while position < len(content):
        if content[position] != 0xFF:
            raise PictureError("it is a damaged JPEG file: a marker is missing in its header")
        marker = content[position + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif marker in (_JPEG_SCAN, _JPEG_END):
            return
        else:
            (length,) = struct.unpack_from(">H", content, position + 2)
            yield marker, position + 4, position + 2 + length
            position += 2 + max(2, length)


def _read_png(content: bytes) -> PictureHeader:
    width, height, bits = struct.unpack_from(">IIB", content, 16)
    position, orientation = len(PNG_SIGNATURE), UPRIGHT
    while position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        if name == b"eXIf":
            orientation = _find_orientation(content[position + 8 : position + 8 + length])
        position += 12 + length
    return PictureHeader("PNG", width, height, orientation or UPRIGHT, max(8, bits))


def _read_bmp(content: bytes) -> PictureHeader:
    (header_size,) = struct.unpack_from("<I", content, 14)
    if header_size == 12:  # of OS/2
        width, height = struct.unpack_from("<HH", content, 18)
    else:
        width, height = struct.unpack_from("<ii", content, 18)
    return PictureHeader("BMP", width, abs(height))


def _read_webp(content: bytes) -> PictureHeader:
    if content[8:12] != b"WEBP":
        raise PictureError(f"it is a RIFF file of {content[8:12]!r}, no WebP picture")
    size, orientation, position = (0, 0), UPRIGHT, 12
    while position + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, position)
        start = position + 8
        if name == b"EXIF":
            exif = content[start : start + length].removeprefix(EXIF_MARK)
            orientation = _find_orientation(exif) or UPRIGHT
        elif size == (0, 0) and name in _WEBP_SIZES:
            size = _WEBP_SIZES[name](content, start)
        position = start + length + length % 2
    return PictureHeader("WebP", *size, orientation)


def _read_webp_canvas(content: bytes, start: int) -> tuple[int, int]:
    return (
        int.from_bytes(content[start + 4 : start + 7], "little") + 1,
        int.from_bytes(content[start + 7 : start + 10], "little") + 1,
    )


def _read_webp_lossy(content: bytes, start: int) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, start + 6)
    return width & 0x3FFF, height & 0x3FFF


def _read_webp_lossless(content: bytes, start: int) -> tuple[int, int]:
    (packed,) = struct.unpack_from("<I", content, start + 1)
    return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1


def _read_tiff(content: bytes) -> PictureHeader:
    tags = _read_tags(content)
    orientation = tags.get(ORIENTATION_TAG, UPRIGHT)
    return PictureHeader(
        "TIFF",
        tags.get(WIDTH_TAG, 0),
        tags.get(HEIGHT_TAG, 0),
        orientation if orientation in ORIENTATIONS else UPRIGHT,
        max(8, tags.get(BITS_TAG, 8)),
    )


def _find_orientation(exif: bytes) -> int:
    """The orientation in an EXIF block; 0 if there is none, or the block is damaged."""
    try:
        found = _read_tags(exif).get(ORIENTATION_TAG, 0)
    except (struct.error, IndexError, PictureError):
        return 0
    return found if found in ORIENTATIONS else 0


def _read_tags(content: bytes) -> dict[int, int]:
    """The whole numbers of the first directory of TIFF or EXIF, by tag: of several values the first."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or struct.unpack_from(f"{order}H", content, 2)[0] != 42:
        raise PictureError("its TIFF header is damaged, or of BigTIFF, which is not read")
    (directory,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, directory)
    found: dict[int, int] = {}
    for place in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", content, place)
        letter = _TIFF_TYPES.get(kind)
        if letter and number:
            value_size = struct.calcsize(letter) * number
            where = place + 8
            if value_size > 4:
                (where,) = struct.unpack_from(f"{order}I", content, where)
            (found[tag],) = struct.unpack_from(f"{order}{letter}", content, where)
    return found


_WEBP_SIZES: dict[bytes, Callable[[bytes, int], tuple[int, int]]] = {
    b"VP8X": _read_webp_canvas,
    b"VP8 ": _read_webp_lossy,
    b"VP8L": _read_webp_lossless,
}
_READERS: dict[bytes, Callable[[bytes], PictureHeader]] = {
    b"\xff\xd8": _read_jpeg,
    PNG_SIGNATURE: _read_png,
    b"BM": _read_bmp,
    b"RIFF": _read_webp,
    b"II": _read_tiff,
    b"MM": _read_tiff,
}
