"""Picture files as bytes, made by hand where a test wants what no encoder writes."""

import struct
import zlib

import cv2
import numpy as np


def encode(pixels: np.ndarray, suffix: str) -> bytes:
    """The picture in the format of this suffix, without loss where the format can."""
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def exif(orientation: int, order: str = "<") -> bytes:
    """A block of EXIF that holds an orientation and nothing else."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 274, 3, 1, orientation, 0)
    return head + struct.pack(f"{order}IH", 8, 1) + entry + b"\0\0\0\0"


def add_exif(content: bytes, orientation: int, order: str = "<") -> bytes:
    """The JPEG, PNG or lossless WebP file with an EXIF orientation; `tiff` has its own."""
    block = exif(orientation, order)
    if content.startswith(b"\xff\xd8"):
        segment = b"Exif\0\0" + block
        return (
            content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
        )
    if content.startswith(b"\x89PNG"):
        chunk = b"eXIf" + block
        chunk = struct.pack(">I", len(block)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return content[:33] + chunk + content[33:]
    (packed,) = struct.unpack_from("<I", content, 21)
    sides = (packed & 0x3FFF, packed >> 14 & 0x3FFF)
    canvas = b"".join(side.to_bytes(3, "little") for side in sides)
    extended = b"VP8X" + struct.pack("<IB3x", 10, 8) + canvas
    inner = b"WEBP" + extended + content[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def tiff(pixels: np.ndarray, orientation: int = 1) -> bytes:
    """An uncompressed TIFF file of a BGR picture."""
    height, width, _ = pixels.shape
    data = pixels[..., ::-1].tobytes()
    directory = 8 + len(data)
    short, long = 3, 4
    tags = [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, 3, directory + 2 + 12 * 10 + 4),
        (259, long, 1, 1),
        (262, long, 1, 2),
        (273, long, 1, 8),
        (274, short, 1, orientation),
        (277, long, 1, 3),
        (278, long, 1, height),
        (279, long, 1, len(data)),
    ]
    rows = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    end = b"\0\0\0\0" + struct.pack("<HHH", 8, 8, 8)
    return b"II*\0" + struct.pack("<I", directory) + data + struct.pack("<H", 10) + rows + end


def claim_size(content: bytes, width: int, height: int) -> bytes:
    """The file with another size in its header, whatever pixels follow."""
    if content.startswith(b"\xff\xd8"):
        place = content.index(b"\xff\xc0") + 5
        return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]
    if content.startswith(b"\x89PNG"):
        chunk = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
        return content[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]
    if content.startswith(b"BM"):
        return content[:18] + struct.pack("<ii", width, height) + content[26:]
    if content.startswith(b"RIFF"):
        packed = (width - 1) | (height - 1) << 14 | content[24] >> 4 << 28
        return content[:21] + struct.pack("<I", packed) + content[25:]
    return content.replace(
        struct.pack("<HHII", 256, 4, 1, _tiff_side(content, 256)),
        struct.pack("<HHII", 256, 4, 1, width),
    ).replace(
        struct.pack("<HHII", 257, 4, 1, _tiff_side(content, 257)),
        struct.pack("<HHII", 257, 4, 1, height),
    )


def _tiff_side(content: bytes, tag: int) -> int:
    place = content.rindex(struct.pack("<HHI", tag, 4, 1))
    return int(struct.unpack_from("<I", content, place + 8)[0])
