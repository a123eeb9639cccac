"""A folder of pictures that cameras play: which camera plays which, and the size of its frames.

The frames have the pictures' own size, so that the station prepares them as training does. Pictures of
several shapes are refused: stretched or framed in black, a model would not know them again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from sightline.errors import CameraError, PictureError
from sightline.imaging.picture_decoder import PICTURE_SUFFIXES
from sightline.imaging.picture_header import READABLE_FORMATS, read_picture_header
from sightline.imaging.pixels import RAW_FRAME_SUFFIX

PictureSize = tuple[int, int]  # width and height
MAX_SHAPE_DIFFERENCE = 0.02  # of width over height: pictures that were cut a pixel apart are alike
MIN_SIDE_PX, MAX_SIDE_PX = 16, 8192
HEADER_BYTES = 1 << 18  # in which nearly every file says its size
MAX_DESCRIBED_SHAPES = 3


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


def find_frame_size(folder: Path, files: Iterable[Path]) -> PictureSize:
    """The size that most of the pictures have, with even sides; CameraError if their shapes differ.

    A file that is no picture counts for nothing: it costs its own part only.
    """
    found = [(size, file) for file in files if (size := _find_picture_size(file)) is not None]
    if not found:
        raise CameraError(f"no picture in {folder} can be read; {READABLE_FORMATS} are played")
    counts = Counter(size for size, _ in found)
    size = max(counts, key=lambda each: (counts[each], each))
    if not all(is_same_shape(other, size) for other in counts):
        raise CameraError(_describe_shapes(folder, counts, dict(reversed(found))))
    frame = round_up_to_even(size)
    if min(frame) < MIN_SIDE_PX or max(frame) > MAX_SIDE_PX:
        raise CameraError(
            f"the pictures in {folder} are {size[0]}x{size[1]}; sides of {MIN_SIDE_PX} to {MAX_SIDE_PX} "
            "pixels can be played: scale them, for training, too"
        )
    return frame


def is_same_shape(one: PictureSize, other: PictureSize) -> bool:
    """Whether two sizes have the same aspect ratio, but for rounding."""
    ratio = one[0] * other[1] / (one[1] * other[0])
    rounding = sum(1 / side for side in (*one, *other))
    return max(ratio, 1 / ratio) <= 1 + max(MAX_SHAPE_DIFFERENCE, rounding)


def round_up_to_even(size: PictureSize) -> PictureSize:
    """The size of a camera's frame: UYVY has no odd width."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def _find_picture_size(file: Path) -> PictureSize | None:
    try:
        facts = file.stat()
        return _read_picture_size(file, facts.st_mtime_ns, facts.st_size)
    except (OSError, PictureError):
        return None


@lru_cache(maxsize=1 << 17)
def _read_picture_size(file: Path, changed_ns: int, file_bytes: int) -> PictureSize:
    """As decoded; remembered, since a folder of thousands is looked at again and again."""
    with file.open("rb") as stream:
        content = stream.read(HEADER_BYTES)
        try:
            header = read_picture_header(content)
        except PictureError:
            header = read_picture_header(content + stream.read())
    width, height = header.shown_size
    return (width, height // 2) if file.name.endswith(RAW_FRAME_SUFFIX) else (width, height)


def _describe_shapes(
    folder: Path, counts: Counter[PictureSize], examples: dict[PictureSize, Path]
) -> str:
    told = [
        f"{width}x{height} ({count}, such as {examples[width, height].relative_to(folder)})"
        for (width, height), count in counts.most_common(MAX_DESCRIBED_SHAPES)
    ]
    more = len(counts) - len(told)
    return (
        f"the pictures in {folder} differ in shape: {', '.join(told)}"
        f"{f' and {more} more sizes' if more else ''}. A camera has one shape: put the pictures of each "
        "shape into a folder of their own, and play and train one of them"
    )
