"""Amazon Lookout for Vision manifests: JSON Lines, one picture each, classified or segmented.

`anomaly-label-metadata/class-name` is the label (`anomaly-label` may be 1 for normal pictures, too). The
mask `anomaly-mask-ref` marks each kind of anomaly in a colour of `internal-color-map`; each connected
region of a colour becomes a box.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sightline.errors import EvidenceError, PictureError
from training.datasets.class_folders import read_picture_size
from training.datasets.data_set import (
    ANOMALY,
    NORMAL,
    UNKNOWN,
    DataSet,
    ImageLabel,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    TrueBox,
)
from training.datasets.splits import find_split_in_name, parse_split
from training.datasets.storage import S3_SCHEME, fetch_file

MANIFEST_SUFFIXES = (".manifest", ".jsonl")
CLASS_NAMES: dict[str, ImageLabel] = {"normal": NORMAL, "anomaly": ANOMALY}
BACKGROUND_LABEL = "BACKGROUND"
HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
FetchFile = Callable[[str, Path], Path]


def find_manifests(folder: Path) -> list[Path]:
    """The folder's manifests."""
    return sorted(file for file in folder.iterdir() if file.suffix in MANIFEST_SUFFIXES)


def read_lookout(folder: Path) -> DataSet:
    """The pictures of all manifests of a folder; the file name gives the split."""
    return read_manifests(folder.name, find_manifests(folder), fetch_file)


def read_manifest_at(address: str) -> DataSet:
    """The pictures of one manifest, a file or an object; relative names are relative to it."""
    file = fetch_file(address, Path())
    if not file.is_file():
        raise PictureError(f"{address} is missing")
    beside = address.rpartition("/")[0]

    def fetch(name: str, near: Path) -> Path:
        in_bucket = address.startswith(S3_SCHEME) and not name.startswith((S3_SCHEME, "/"))
        return fetch_file(f"{beside}/{name}" if in_bucket else name, near)

    return read_manifests(file.stem, [file], fetch)


def read_manifests(name: str, files: Sequence[Path], fetch: FetchFile) -> DataSet:
    """One data set from these manifests; `fetch` gets an address as a local file."""
    pictures: list[LabelledPicture] = []
    problems: list[LabelProblem] = []
    for file in files:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        for number, line in enumerate(lines, start=1):
            source = LabelLocation(str(file), number)
            try:
                if line.strip():
                    pictures.append(_read_picture(file, line, source, fetch))
            except (PictureError, EvidenceError) as error:
                problems.append(LabelProblem(source, str(error)))
    labels = sorted({box.label for picture in pictures for box in picture.boxes})
    return DataSet(name, "lookout", tuple(pictures), tuple(labels), tuple(problems))


def _read_picture(
    manifest: Path, line: str, source: LabelLocation, fetch: FetchFile
) -> LabelledPicture:
    value = _parse_object(line)
    address = _require_text(value, "source-ref")
    file = fetch(address, manifest.parent)
    if not file.is_file():
        raise PictureError(f"source-ref: the file {address} is missing")
    width, height = read_picture_size(file)
    boxes = _read_mask_boxes(value, manifest, (width, height), source, fetch)
    split = parse_split(value.get("split")) or find_split_in_name(manifest.stem)
    group = str(value.get("group", ""))
    label = _parse_label(value) or (ANOMALY if boxes else UNKNOWN)
    return LabelledPicture(
        file,
        width,
        height,
        boxes,
        group=group,
        split=split,
        label=label,
        source=source,
        name=address,
    )


def _parse_object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise PictureError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise PictureError(f"expected an object, found {type(value).__name__}")
    return value


def _require_text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not found:
        raise PictureError(f"{key} is missing")
    return found


def _parse_label(value: dict[str, Any]) -> ImageLabel:
    metadata = value.get("anomaly-label-metadata")
    if metadata is None:
        return UNKNOWN
    name = metadata.get("class-name") if isinstance(metadata, dict) else metadata
    if not isinstance(name, str) or name.lower() not in CLASS_NAMES:
        raise PictureError(
            f"anomaly-label-metadata/class-name: unknown class {name!r}; known are "
            f"{', '.join(CLASS_NAMES)}"
        )
    return CLASS_NAMES[name.lower()]


def _read_mask_boxes(
    value: dict[str, Any],
    manifest: Path,
    size: tuple[int, int],
    source: LabelLocation,
    fetch: FetchFile,
) -> tuple[TrueBox, ...]:
    if "anomaly-mask-ref" not in value:
        return ()
    address = _require_text(value, "anomaly-mask-ref")
    mask = cv2.imread(str(fetch(address, manifest.parent)), cv2.IMREAD_COLOR)
    if mask is None:
        raise PictureError(f"anomaly-mask-ref: {address} is missing or not a picture")
    if (mask.shape[1], mask.shape[0]) != size:
        raise PictureError(
            f"anomaly-mask-ref: {address} has {mask.shape[1]} x {mask.shape[0]} px, the picture "
            f"{size[0]} x {size[1]}"
        )
    colours = _parse_colours(value)
    packed = np.asarray(mask).astype(np.int64) @ np.array([1, 256, 65536])  # blue, green, red
    unknown = set(np.unique(packed).tolist()) - colours.keys()
    if unknown:
        shown = ", ".join(f"#{colour:06x}" for colour in sorted(unknown)[:5])
        raise PictureError(f"{address} has the colour {shown}, which is not in internal-color-map")
    boxes = [
        TrueBox(label, box, source=source)
        for colour, label in colours.items()
        if label != BACKGROUND_LABEL
        for box in find_regions((packed == colour).astype(np.uint8))
    ]
    return tuple(boxes)


def find_regions(mask: np.ndarray) -> list[tuple[float, float, float, float]]:
    """The boxes around the connected regions of a mask (height, width) of 0 and 1."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return [
        (float(x), float(y), float(width), float(height))
        for x, y, width, height, _ in stats[1:count].tolist()
    ]


def _parse_colours(value: dict[str, Any]) -> dict[int, str]:
    metadata = value.get("anomaly-mask-ref-metadata")
    entries = metadata.get("internal-color-map") if isinstance(metadata, dict) else None
    if not isinstance(entries, dict):
        raise PictureError("anomaly-mask-ref-metadata/internal-color-map is missing")
    found = {}
    for key, entry in entries.items():
        colour, name = (entry.get("hex-color"), entry.get("class-name")) if entry else (None, None)
        if (
            not isinstance(colour, str)
            or not HEX_COLOUR.fullmatch(colour)
            or not isinstance(name, str)
        ):
            raise PictureError(
                f"internal-color-map/{key} needs class-name and hex-color as #rrggbb; found {entry}"
            )
        found[int(colour[1:], 16)] = name
    return found
