"""Picture files as people make them: the header tells the size before pixels take memory."""

import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import (
    check_decoding,
    decode_picture,
    read_picture_file,
)
from sightline.imaging.picture_header import read_picture_header
from tests.unit.shared.picture_bytes import add_exif, claim_size, encode, tiff

SUFFIXES = (".jpg", ".png", ".bmp", ".webp", ".tif")
DARK, BRIGHT = 20, 230


def corner_picture() -> np.ndarray:
    """40 x 24, bright in its upper left corner."""
    pixels = np.full((24, 40, 3), DARK, np.uint8)
    pixels[:8, :16] = BRIGHT
    return pixels


def find_bright_corner(pixels: np.ndarray) -> str:
    """Where the bright corner is now."""
    rows = {"upper": 3, "lower": -4}
    columns = {"left": 3, "right": -4}
    bright = [
        f"{row} {column}"
        for row, y in rows.items()
        for column, x in columns.items()
        if pixels[y, x].mean() > (DARK + BRIGHT) / 2
    ]
    assert len(bright) == 1
    return bright[0]


def encode_or_write(pixels: np.ndarray, suffix: str) -> bytes:
    return tiff(pixels) if suffix == ".tif" else encode(pixels, suffix)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90))
def test_the_header_has_the_size_that_the_decoder_finds(
    suffix: str, width: int, height: int
) -> None:
    content = encode_or_write(np.zeros((height, width, 3), np.uint8), suffix)
    assert read_picture_header(content).stored_size == (width, height)
    assert decode_picture(content).shape == (height, width, 3)
    assert check_decoding(content).shown_size == (width, height)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 16_383), st.integers(1, 16_383))
def test_the_header_has_any_size_that_a_file_claims(suffix: str, width: int, height: int) -> None:
    content = claim_size(encode_or_write(corner_picture(), suffix), width, height)
    assert read_picture_header(content).stored_size == (width, height)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_file_cut_off_anywhere_is_refused_or_whole_and_never_half_a_picture(
    suffix: str, data: st.DataObject
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (24, 40, 3), np.uint8)
    content = encode_or_write(noise, suffix)
    whole = decode_picture(content)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    for read in (decode_picture, check_decoding):
        try:
            found = read(cut)
        except PictureError:
            continue
        assert read is check_decoding or np.array_equal(np.asarray(found), whole)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"II*\0", b"MM\0*"]),
    st.binary(max_size=80),
)
def test_any_bytes_have_a_header_or_a_picture_error(start: bytes, rest: bytes) -> None:
    try:
        header = read_picture_header(start + rest)
    except PictureError:
        return
    assert min(header.stored_size) > 0


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize(
    ("orientation", "corner", "size"),
    [
        (1, "upper left", (40, 24)),
        (2, "upper right", (40, 24)),
        (3, "lower right", (40, 24)),
        (4, "lower left", (40, 24)),
        (5, "upper left", (24, 40)),
        (6, "upper right", (24, 40)),
        (7, "lower right", (24, 40)),
        (8, "lower left", (24, 40)),
    ],
)
def test_a_picture_is_turned_as_its_exif_orientation_says(
    suffix: str, orientation: int, corner: str, size: tuple[int, int]
) -> None:
    if suffix == ".tif":
        content = tiff(corner_picture(), orientation)
    else:
        content = add_exif(encode(corner_picture(), suffix), orientation, "<>"[orientation % 2])
    header = read_picture_header(content)
    assert (header.orientation, header.stored_size, header.shown_size) == (
        orientation,
        (40, 24),
        size,
    )
    pixels = decode_picture(content)
    assert (pixels.shape[1], pixels.shape[0]) == size
    assert find_bright_corner(pixels) == corner


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_small_file_that_claims_an_absurd_size_takes_no_memory(suffix: str) -> None:
    content = claim_size(encode_or_write(corner_picture(), suffix), 16_000, 16_000)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (decode_picture, check_decoding):
        with pytest.raises(
            PictureError, match=r"16000 x 16000 px; at most 100 megapixels are read"
        ):
            read(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 50_000


@pytest.mark.parametrize(("bits", "divisor"), [(10, 4), (12, 16), (14, 64)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_camera_s_12_bits_in_a_16_bit_file_are_refused_rather_than_nearly_black(
    suffix: str, bits: int, divisor: int
) -> None:
    values = np.linspace(0, (1 << bits) - 1, 24 * 40).reshape(24, 40).astype(np.uint16)
    for read in (decode_picture, check_decoding):
        with pytest.raises(PictureError, match=rf"a camera of {bits} bits.*divided by {divisor}\)"):
            read(encode(values, suffix))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_that_are_used_are_read_with_their_upper_8(suffix: str) -> None:
    values = np.linspace(0, 65_535, 24 * 40).reshape(24, 40).astype(np.uint16)
    assert np.array_equal(decode_picture(encode(values, suffix))[..., 0], values >> 8)


def test_32_bits_a_value_are_refused_with_what_to_do() -> None:
    content = cv2.imencode(".tif", np.zeros((4, 5, 3), np.float32))[1].tobytes()
    with pytest.raises(PictureError, match="32 bits a value; save it with 8"):
        decode_picture(content)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"<html>404</html>", "it begins with b'<html>404</h', and is none of JPEG, PNG"),
        (b"GIF89a" + b"\0" * 20, "is none of JPEG, PNG, BMP, TIFF and WebP"),
        (b"\x89PNG\r\n\x1a\n", "ends within its header"),
        (b"\xff\xd8\xff\xd9", "a JPEG file without a picture"),
    ],
)
def test_what_is_no_picture_is_named_with_its_file(
    tmp_path: Path, content: bytes, text: str
) -> None:
    file = tmp_path / "part.png"
    file.write_bytes(content)
    with pytest.raises(PictureError) as refused:
        read_picture_file(file)
    assert str(refused.value).startswith(f"{file} cannot be decoded as a picture: ")
    assert text in str(refused.value)
    with pytest.raises(PictureError, match=r"gone\.png cannot be read: No such file"):
        read_picture_file(tmp_path / "gone.png")
