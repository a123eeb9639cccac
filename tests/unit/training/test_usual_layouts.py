"""Data sets are read as the usual tools and exporters write them."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.label_files import (
    CVAT_XML,
    GOOD,
    MAIN,
    MASK,
    PICTURE,
    YOLO_BOX,
    YOLO_POLYGON,
    coco,
    ground_truth,
    label_studio,
    labelme,
    lay,
    voc,
)
from training.datasets import LabelledPicture, read_dataset

LAYOUTS: dict[str, tuple[dict[str, str | bytes], dict[str, tuple[str, tuple[str, list[Any]]]]]] = {
    "COCO's own: annotations/ beside train2017/ and val2017/, with captions": (
        {
            "annotations/instances_train2017.json": coco("1.jpg", "2.jpg"),
            "annotations/instances_val2017.json": coco("1.jpg", first=9),
            "annotations/captions_train2017.json": coco("1.jpg"),
            "train2017/1.jpg": PICTURE,
            "train2017/2.jpg": PICTURE,
            "val2017/1.jpg": PICTURE,
        },
        {
            "train2017/1.jpg": ("train", MAIN),
            "train2017/2.jpg": ("train", GOOD),
            "val2017/1.jpg": ("validation", MAIN),
        },
    ),
    "COCO as CVAT exports it": (
        {
            "annotations/instances_default.json": coco("a.png", "b.png"),
            "images/default/a.png": PICTURE,
            "images/default/b.png": PICTURE,
        },
        {"images/default/a.png": ("", MAIN), "images/default/b.png": ("", GOOD)},
    ),
    "COCO as Roboflow exports it": (
        {
            "README.dataset.txt": "# castings > v1\n",
            "train/_annotations.coco.json": coco("a_jpg.rf.12.jpg", "b_jpg.rf.34.jpg"),
            "train/a_jpg.rf.12.jpg": PICTURE,
            "train/b_jpg.rf.34.jpg": PICTURE,
            "valid/_annotations.coco.json": coco("c_jpg.rf.56.jpg"),
            "valid/c_jpg.rf.56.jpg": PICTURE,
        },
        {
            "train/a_jpg.rf.12.jpg": ("train", MAIN),
            "train/b_jpg.rf.34.jpg": ("train", GOOD),
            "valid/c_jpg.rf.56.jpg": ("validation", MAIN),
        },
    ),
    "COCO as Label Studio exports it, on Windows": (
        {"result.json": coco("images\\a.png"), "images/a.png": PICTURE},
        {"images/a.png": ("", MAIN)},
    ),
    "COCO with a path of another machine": (
        {
            "train.json": coco("C:\\Users\\me\\a.png", "/mnt/pics/b.png"),
            "a.png": PICTURE,
            "b.png": PICTURE,
        },
        {"a.png": ("train", MAIN), "b.png": ("train", GOOD)},
    ),
    "COCO with a byte order mark": (
        {"train.json": coco("a.png").encode("utf-8-sig"), "a.png": PICTURE},
        {"a.png": ("train", MAIN)},
    ),
    "COCO in UTF-16": (
        {"train.json": coco("a.png").encode("utf-16"), "a.png": PICTURE},
        {"a.png": ("train", MAIN)},
    ),
    "COCO with polygons and no bbox": (
        {
            "train.json": coco("a.png").replace(
                '"bbox": [10.0, 5.0, 8.0, 6.0]', '"segmentation": [[10, 5, 18, 5, 18, 11, 10, 11]]'
            ),
            "a.png": PICTURE,
        },
        {"a.png": ("train", MAIN)},
    ),
    "COCO with ids as text": (
        {"train.json": coco("a.png").replace('"image_id": 1', '"image_id": "1"'), "a.png": PICTURE},
        {"a.png": ("train", MAIN)},
    ),
    "COCO without sizes": (
        {"train.json": coco("a.png").replace(', "width": 40, "height": 30', ""), "a.png": PICTURE},
        {"a.png": ("train", MAIN)},
    ),
    "COCO with boxes as shares of the picture": (
        {
            "train.json": coco("a.png").replace(
                "[10.0, 5.0, 8.0, 6.0]", "[0.25, 0.16667, 0.2, 0.2]"
            ),
            "a.png": PICTURE,
        },
        {"a.png": ("train", MAIN)},
    ),
    "COCO whose names differ in case from the files": (
        {"train.json": coco("IMG_1.jpg"), "IMG_1.JPG": PICTURE},
        {"IMG_1.JPG": ("train", MAIN)},
    ),
    "COCO whose names are written with combining accents": (
        {"train.json": coco("Pru\u0308fling.png"), "Pr\u00fcfling.png": PICTURE},
        {"Pr\u00fcfling.png": ("train", MAIN)},
    ),
    "Pascal VOC": (
        {
            "Annotations/a 1.xml": voc("a 1.jpg"),
            "Annotations/b.xml": voc("b.jpg", has_box=False),
            "JPEGImages/a 1.jpg": PICTURE,
            "JPEGImages/b.jpg": PICTURE,
            "ImageSets/Main/train.txt": "a 1\n",
            "ImageSets/Main/val.txt": "b\n",
        },
        {"JPEGImages/a 1.jpg": ("train", MAIN), "JPEGImages/b.jpg": ("validation", GOOD)},
    ),
    "VOC beside the pictures (labelImg)": (
        {"a.jpg": PICTURE, "a.xml": voc("a.jpg")},
        {"a.jpg": ("", MAIN)},
    ),
    "VOC as Roboflow exports it": (
        {
            "train/a.rf.1.jpg": PICTURE,
            "train/a.rf.1.xml": voc("a.rf.1.jpg"),
            "test/b.rf.2.jpg": PICTURE,
            "test/b.rf.2.xml": voc("b.rf.2.jpg", has_box=False),
        },
        {"train/a.rf.1.jpg": ("train", MAIN), "test/b.rf.2.jpg": ("test", GOOD)},
    ),
    "NEU-DET: IMAGES and ANNOTATIONS": (
        {"ANNOTATIONS/crazing_1.xml": voc("crazing_1.jpg"), "IMAGES/crazing_1.jpg": PICTURE},
        {"IMAGES/crazing_1.jpg": ("", MAIN)},
    ),
    "NEU-DET: a folder for each class of pictures": (
        {
            "train/annotations/crazing_1.xml": voc("crazing_1"),
            "train/images/crazing/crazing_1.jpg": PICTURE,
            "validation/annotations/patches_9.xml": voc("patches_9.jpg"),
            "validation/images/patches/patches_9.jpg": PICTURE,
        },
        {
            "train/images/crazing/crazing_1.jpg": ("train", MAIN),
            "validation/images/patches/patches_9.jpg": ("validation", MAIN),
        },
    ),
    "VOC of size 0, as labelImg writes it": (
        {"Annotations/a.xml": voc("a.jpg", size="0 0"), "JPEGImages/a.jpg": PICTURE},
        {"JPEGImages/a.jpg": ("", MAIN)},
    ),
    "VOC whose filename has no suffix, another one, or a Windows path": (
        {
            "Annotations/a.xml": voc("a"),
            "Annotations/b.xml": voc("b.jpg"),
            "Annotations/c.xml": voc("D:\\pics\\c.png"),
            "JPEGImages/a.png": PICTURE,
            "JPEGImages/b.png": PICTURE,
            "JPEGImages/c.png": PICTURE,
        },
        {f"JPEGImages/{name}.png": ("", MAIN) for name in "abc"},
    ),
    "VOC with label files in sub-folders of equal names": (
        {
            "Annotations/line1/1.xml": voc("1.jpg"),
            "Annotations/line2/1.xml": voc("1.jpg", has_box=False),
            "JPEGImages/line1/1.jpg": PICTURE,
            "JPEGImages/line2/1.jpg": PICTURE,
        },
        {"JPEGImages/line1/1.jpg": ("", MAIN), "JPEGImages/line2/1.jpg": ("", GOOD)},
    ),
    "VOC in GB2312": (
        {
            "Annotations/a.xml": (
                '<?xml version="1.0" encoding="GB2312"?>\n' + voc("\u7f3a.jpg")
            ).encode("gb2312"),
            "JPEGImages/\u7f3a.jpg": PICTURE,
        },
        {"JPEGImages/\u7f3a.jpg": ("", MAIN)},
    ),
    "VOC in UTF-16": (
        {"Annotations/a.xml": voc("a.jpg").encode("utf-16"), "JPEGImages/a.jpg": PICTURE},
        {"JPEGImages/a.jpg": ("", MAIN)},
    ),
    "YOLO as Ultralytics wants it": (
        {
            "data.yaml": "path: ../castings\ntrain: images/train\nval: images/val\nnames:\n  0: scratch\n",
            "images/train/a.png": PICTURE,
            "images/val/b.png": PICTURE,
            "labels/train/a.txt": YOLO_BOX,
            "labels/val/b.txt": "",
        },
        {"images/train/a.png": ("train", MAIN), "images/val/b.png": ("validation", GOOD)},
    ),
    "YOLO as Roboflow exports it, with polygons": (
        {
            "data.yaml": "names: ['scratch']\nnc: 1\ntrain: ../train/images\nval: ../valid/images\n",
            "train/images/a.jpg": PICTURE,
            "train/labels/a.txt": YOLO_POLYGON,
            "valid/images/b.jpg": PICTURE,
            "valid/labels/b.txt": YOLO_BOX,
        },
        {"train/images/a.jpg": ("train", MAIN), "valid/images/b.jpg": ("validation", MAIN)},
    ),
    "YOLO as CVAT exports it": (
        {
            "obj.names": "scratch\n",
            "obj.data": "classes = 1\nnames = data/obj.names\n",
            "train.txt": "data/obj_train_data/a.png\n",
            "obj_train_data/a.png": PICTURE,
            "obj_train_data/a.txt": YOLO_BOX,
        },
        {"obj_train_data/a.png": ("train", MAIN)},
    ),
    "YOLO beside the pictures, with classes.txt (labelImg)": (
        {"classes.txt": "scratch\r\n", "a.jpg": PICTURE, "a.txt": YOLO_BOX},
        {"a.jpg": ("", MAIN)},
    ),
    "LabelMe beside the pictures": (
        {
            "a.png": PICTURE,
            "a.json": labelme("a.png"),
            "b.png": PICTURE,
            "b.json": labelme("..\\pics\\b.png", shapes=False),
        },
        {"a.png": ("", MAIN), "b.png": ("", GOOD)},
    ),
    "Label Studio": (
        {
            "project-1.json": label_studio(("1f-a.png", True), ("2f-b.png", False)),
            "images/1f-a.png": PICTURE,
            "images/2f-b.png": PICTURE,
        },
        {"images/1f-a.png": ("", MAIN), "images/2f-b.png": ("", GOOD)},
    ),
    "CVAT for images": (
        {"annotations.xml": CVAT_XML, "images/a.png": PICTURE, "images/b.png": PICTURE},
        {"images/a.png": ("", MAIN), "images/b.png": ("", GOOD)},
    ),
    "a bounding box job of Ground Truth with its own name": (
        {"train.manifest": ground_truth("object-detection"), "a.png": PICTURE, "b.png": PICTURE},
        {"a.png": ("train", MAIN), "b.png": ("train", GOOD)},
    ),
    "MVTec": (
        {
            "train/good/000.png": PICTURE,
            "test/good/000.png": PICTURE,
            "test/scratch/000.png": PICTURE,
            "ground_truth/scratch/000_mask.png": MASK,
        },
        {
            "train/good/000.png": ("train", GOOD),
            "test/good/000.png": ("test", GOOD),
            "test/scratch/000.png": ("test", MAIN),
        },
    ),
    "class folders in any case and with other words": (
        {
            "Train/OK_front/a.bmp": PICTURE,
            "Train/Def_front/b.TIF": PICTURE,
            "TEST/Good/c.webp": PICTURE,
            "TEST/Bad/d.jpeg": PICTURE,
        },
        {
            "Train/OK_front/a.bmp": ("train", GOOD),
            "Train/Def_front/b.TIF": ("train", ("anomaly", [])),
            "TEST/Good/c.webp": ("test", GOOD),
            "TEST/Bad/d.jpeg": ("test", ("anomaly", [])),
        },
    ),
    "class folders in a folder of their own": (
        {"castings_v2/train/ok/a.png": PICTURE, "castings_v2/train/ng/b.png": PICTURE},
        {
            "castings_v2/train/ok/a.png": ("train", GOOD),
            "castings_v2/train/ng/b.png": ("train", ("anomaly", [])),
        },
    ),
    "VOC of two years with equal names": (
        {
            "VOCdevkit/VOC2007/Annotations/1.xml": voc("1.jpg"),
            "VOCdevkit/VOC2007/JPEGImages/1.jpg": PICTURE,
            "VOCdevkit/VOC2007/ImageSets/Main/train.txt": "1\n",
            "VOCdevkit/VOC2012/Annotations/1.xml": voc("1.jpg", has_box=False),
            "VOCdevkit/VOC2012/JPEGImages/1.jpg": PICTURE,
            "VOCdevkit/VOC2012/ImageSets/Main/val.txt": "1\n",
        },
        {
            "VOCdevkit/VOC2007/JPEGImages/1.jpg": ("train", MAIN),
            "VOCdevkit/VOC2012/JPEGImages/1.jpg": ("validation", GOOD),
        },
    ),
    "class folders without splits": (
        {"normal/a.png": PICTURE, "anomaly/b.png": PICTURE},
        {"normal/a.png": ("", GOOD), "anomaly/b.png": ("", ("anomaly", []))},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_data_set_is_read_as_its_tool_wrote_it(tmp_path: Path, layout: str) -> None:
    files, expected = LAYOUTS[layout]
    lay(tmp_path, files)
    found = read_dataset(tmp_path)
    assert {one.name: (one.split, describe(one)) for one in found.pictures} == expected


def describe(picture: LabelledPicture) -> tuple[str, list[Any]]:
    """Label and boxes, in whole pixels."""
    assert (picture.width, picture.height) == (40, 30)
    return picture.label, [
        (box.label, tuple(float(round(side)) for side in box.box)) for box in picture.boxes
    ]
