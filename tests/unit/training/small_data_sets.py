"""Small data sets on disk for the tests of training."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np

from training.datasets import ANOMALY, DataSet, ImageLabel, LabelledPicture, SplitName, TrueBox

OBJECT = """  <object>
    <name>{}</name><difficult>{}</difficult>
    <bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>
  </object>
"""


def write_picture(
    file: Path, seed: int = 0, size: tuple[int, int] = (40, 30), cells: tuple[int, int] = (4, 5)
) -> Path:
    """A picture of this width and height, of smooth noise that depends on the seed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*cells, 3), np.uint8)
    cv2.imwrite(str(file), cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))
    return file


def write_coco(
    folder: Path,
    boxes: Iterable[tuple[int, tuple[float, float, float, float]]],
    pictures: int = 3,
    name: str = "ground_truth.json",
    first: int = 1,
    **more: Any,
) -> Path:
    """A COCO file of `pictures` pictures with these boxes (picture number from `first`, box)."""
    images = []
    for number in range(first, first + pictures):
        write_picture(folder / f"{number}.png", number)
        images.append(
            {"id": number, "file_name": f"{number}.png", "width": 40, "height": 30, **more}
        )
    annotations = [
        {"id": row + 1, "image_id": number, "category_id": 1, "bbox": list(box)}
        for row, (number, box) in enumerate(boxes)
    ]
    coco = {
        "info": {"lists": [1, 2]},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "scratch"}],
    }
    file = folder / name
    file.write_text(json.dumps(coco, indent=1), encoding="utf-8")
    return file


def write_voc(folder: Path, name: str, objects: list[tuple[Any, ...]]) -> Path:
    """A picture of 40 x 30 and its annotation; objects: name, difficult, four sides."""
    write_picture(folder / "JPEGImages" / f"{name}.png", crc32(name.encode()))
    file = folder / "Annotations" / f"{name}.xml"
    file.parent.mkdir(exist_ok=True)
    things = "".join(OBJECT.format(*one) for one in objects)
    size = "<size><width>40</width><height>30</height><depth>3</depth></size>"
    file.write_text(
        f"<annotation>\n<filename>{name}.png</filename>\n{size}\n{things}</annotation>\n"
    )
    return file


def read_pictures(
    split: SplitName,
    group: str,
    label: ImageLabel,
    count: int,
    first: int = 0,
    folder: Path = Path(),
) -> list[LabelledPicture]:
    """Pictures that are only named, in the folder."""
    return [
        LabelledPicture(
            folder / f"{group}-{label}-{number}.png",
            40,
            30,
            (TrueBox("spot", (1, 1, 5, 5)),) if label == ANOMALY else (),
            group=group,
            split=split,
            label=label,
            name=f"{split}/{group}-{label}-{number}.png",
        )
        for number in range(first, first + count)
    ]


def data_set(*parts: Sequence[LabelledPicture]) -> DataSet:
    """A data set of these pictures."""
    return DataSet("data", "coco", tuple(picture for part in parts for picture in part), ("spot",))
