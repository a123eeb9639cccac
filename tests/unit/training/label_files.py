"""Label files as the usual tools write them, of pictures of 40 x 30 with one and the same box."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.unit.training.small_data_sets import OBJECT, write_picture

BOX = (10.0, 5.0, 8.0, 6.0)  # of 40 x 30
MAIN = ("anomaly", [("scratch", BOX)])
GOOD: tuple[str, list[Any]] = ("normal", [])


def coco(*names: str, first: int = 1) -> str:
    """COCO of these pictures; the first one has the box."""
    x, y, width, height = BOX
    return json.dumps(
        {
            "images": [
                {"id": first + n, "file_name": name, "width": 40, "height": 30}
                for n, name in enumerate(names)
            ],
            "annotations": [
                {
                    "id": 1,
                    "image_id": first,
                    "category_id": 7,
                    "bbox": [x, y, width, height],
                    "iscrowd": 0,
                }
            ],
            "categories": [{"id": 7, "name": "scratch", "supercategory": "defect"}],
        }
    )


def voc(filename: str, has_box: bool = True, size: str = "40 30") -> str:
    """A label file of VOC; its corners count from 1 and include the last pixel."""
    width, height = size.split()
    thing = OBJECT.format("scratch", 0, 11, 6, 18, 11) if has_box else ""
    sides = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>\n<filename>{filename}</filename>\n{sides}\n{thing}</annotation>\n"


YOLO_BOX = "0 0.35 0.266667 0.2 0.2\n"
YOLO_POLYGON = "0 0.25 0.166667 0.45 0.166667 0.45 0.366667 0.25 0.366667\n"


def labelme(picture: str, shapes: bool = True) -> str:
    """A label file of LabelMe."""
    shape = {
        "label": "scratch",
        "points": [[10, 5], [18, 11]],
        "shape_type": "rectangle",
        "group_id": None,
    }
    return json.dumps(
        {
            "version": "5.5.0",
            "flags": {},
            "shapes": [shape] if shapes else [],
            "imagePath": picture,
            "imageData": None,
            "imageHeight": 30,
            "imageWidth": 40,
        }
    )


def label_studio(*tasks: tuple[str, bool]) -> str:
    """Label Studio's JSON export; shapes are in percent."""
    value = {
        "x": 25,
        "y": 100 / 6,
        "width": 20,
        "height": 20,
        "rotation": 0,
        "rectanglelabels": ["scratch"],
    }
    result = {
        "original_width": 40,
        "original_height": 30,
        "image_rotation": 0,
        "type": "rectanglelabels",
    }
    return json.dumps(
        [
            {
                "id": number,
                "data": {"image": f"/data/upload/1/{name}"},
                "annotations": [
                    {
                        "was_cancelled": False,
                        "result": [result | {"value": value}] if has_box else [],
                    }
                ],
            }
            for number, (name, has_box) in enumerate(tasks)
        ]
    )


CVAT_XML = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><size>2</size></task></meta>
<image id="0" name="a.png" width="40" height="30">
<box label="scratch" occluded="0" xtl="10.0" ytl="5.0" xbr="18.0" ybr="11.0" z_order="0"></box></image>
<image id="1" name="b.png" width="40" height="30"></image></annotations>
"""


def ground_truth(kind: str) -> str:
    """A manifest of a Ground Truth job with its own name: boxes of two pictures, the second without any."""
    boxes = [{"class_id": 0, "left": 10, "top": 5, "width": 8, "height": 6}]
    metadata = {
        "objects": [{"confidence": 0.09}],
        "class-map": {"0": "scratch"},
        "type": f"groundtruth/{kind}",
        "human-annotated": "yes",
    }
    size = [{"width": 40, "height": 30, "depth": 3}]
    lines = [
        {
            "source-ref": name,
            "my-job": {"image_size": size, "annotations": rows},
            "my-job-metadata": metadata,
        }
        for name, rows in (("a.png", boxes), ("b.png", []))
    ]
    return "\n".join(map(json.dumps, lines))


def lay(folder: Path, files: dict[str, str | bytes]) -> None:
    """Text files and pictures by name."""
    for number, (name, content) in enumerate(files.items()):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif content == PICTURE:
            write_picture(file, number)
        elif content == MASK:
            mask = np.zeros((30, 40), np.uint8)
            mask[5:11, 10:18] = 255
            cv2.imwrite(str(file), mask)
        else:
            file.write_text(content, encoding="utf-8")


GB2312 = '<?xml version="1.0" encoding="GB2312"?>\n'
PICTURE, MASK = "(a picture)", "(a mask)"


def edit(text: str, **changes: Any) -> str:
    """The COCO text with other values in its first annotation (`bbox=`), image (`image_id=`) or category."""
    value = json.loads(text)
    for key, new in changes.items():
        place = {"image": "images", "category": "categories"}.get(key.split("_")[0], "annotations")
        value[place][0][
            key.removeprefix("image_").removeprefix("category_") if place != "annotations" else key
        ] = new
    return json.dumps(value, indent=1)


def twice(text: str, place: str, **changes: Any) -> str:
    """The COCO text with its first image, category or annotation again, with changes."""
    value = json.loads(text)
    value[place].append(value[place][0] | changes)
    return json.dumps(value, indent=1)


ONE = coco("a.png", "b.png")


def patched_picture() -> np.ndarray:
    """40 x 24, dark but for the patch."""
    pixels = np.full((24, 40, 3), 30, np.uint8)
    pixels[4:10, 8:20] = 220
    return pixels
