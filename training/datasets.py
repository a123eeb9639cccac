"""Pictures and their true boxes, read from COCO JSON, and the pictures as a model sees them."""

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.preprocess import PREPROCESSINGS, FramePyramid
from sightline.errors import PictureError
from sightline.pixels import bgr_to_uyvy

Images = NDArray[np.uint8]
COCO_FILE = "ground_truth.json"


@dataclass(frozen=True)
class TrueBox:
    """One labelled box: x, y, width, height in pixels of the picture; `severity` where it is known."""

    label: str
    box: tuple[float, float, float, float]
    severity: str = ""
    visible: bool = True


@dataclass(frozen=True)
class Picture:
    """One picture and what is on it."""

    file: Path
    width: int
    height: int
    boxes: tuple[TrueBox, ...]
    camera: str = ""
    part_number: int = 0


def read_coco(folder: Path) -> list[Picture]:
    """The pictures of a folder with a COCO file; PictureError names what is wrong and where."""
    file = folder / COCO_FILE
    try:
        coco = json.loads(file.read_text(encoding="utf-8"))
        return _pictures_of(folder, coco)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PictureError(f"{file} is no COCO file: {type(error).__name__}: {error}") from error


def _pictures_of(folder: Path, coco: dict[str, Any]) -> list[Picture]:
    names = {category["id"]: str(category["name"]) for category in coco["categories"]}
    boxes: dict[int, list[TrueBox]] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        x, y, width, height = (float(value) for value in annotation["bbox"])
        boxes[annotation["image_id"]].append(
            TrueBox(
                names[annotation["category_id"]],
                (x, y, width, height),
                str(annotation.get("severity", "")),
                bool(annotation.get("visible", True)),
            )
        )
    return [
        Picture(
            folder / image["file_name"],
            int(image["width"]),
            int(image["height"]),
            tuple(boxes[image["id"]]),
            str(image.get("camera", "")),
            int(image.get("part_number", 0)),
        )
        for image in coco["images"]
    ]


def load_frame(file: Path) -> FramePyramid:
    """A picture as the station sees it: through the camera's packing, as RGB."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise PictureError(f"{file} cannot be decoded as a picture")
    return FramePyramid.of_frame(bgr_to_uyvy(picture), "UYVY")


def load_inputs(
    pictures: Sequence[Picture], preprocessing: str, size: tuple[int, int], cache: Path
) -> Images:
    """All pictures at model size, (K, height, width, 3), in a file that later runs find again."""
    shape = (len(pictures), size[1], size[0], 3)
    marker = cache.with_suffix(".done")
    if marker.is_file() and marker.read_text() == _description(pictures, preprocessing, size):
        return np.memmap(cache, np.uint8, "r", shape=shape)
    cache.parent.mkdir(parents=True, exist_ok=True)
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
    marker.write_text(_description(pictures, preprocessing, size))
    return images


def load_input(file: Path, preprocessing: str, size: tuple[int, int]) -> Images:
    """One picture at model size, (height, width, 3) uint8 RGB."""
    return PREPROCESSINGS[preprocessing](load_frame(file), *size)


def _description(pictures: Sequence[Picture], preprocessing: str, size: tuple[int, int]) -> str:
    newest = max(picture.file.stat().st_mtime_ns for picture in pictures)
    return json.dumps([len(pictures), str(pictures[0].file), newest, preprocessing, size])
