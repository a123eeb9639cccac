"""Labels that are doubtful are refused with their place and what to do."""

from pathlib import Path

import numpy as np
import pytest

from sightline.errors import PictureError
from tests.unit.shared.picture_bytes import claim_size, encode
from tests.unit.training.label_files import (
    ONE,
    PICTURE,
    coco,
    edit,
    labelme,
    lay,
    patched_picture,
    twice,
    voc,
)
from training.datasets import read_dataset

NORMAL_LINE = '{"source-ref": "a.png", "anomaly-label-metadata": {"class-name": "normal"}}\n'
REFUSED: dict[str, tuple[dict[str, str | bytes], list[str]]] = {
    "an image id twice, after a merge of files": (
        {"train.json": twice(ONE, "images", file_name="b.png")},
        [
            "train.json:3:3: the image id 1 is there twice: a.png",
            "for a.png (line 3) and b.png; renumber",
        ],
    ),
    "a category id twice": (
        {"train.json": twice(ONE, "categories", name="dent")},
        ["category 7 is 'scratch' and 'dent'; give each class its own id"],
    ),
    "a key twice": (
        {
            "train.json": ONE.replace(
                '"file_name": "a.png"', '"file_name": "a.png",\n"file_name": "b.png"'
            )
        },
        ["train.json:2:1: cannot be read: the key 'file_name' is there twice"],
    ),
    "the list of annotations twice": (
        {"train.json": ONE.replace('"annotations"', '"annotations": [],\n"annotations"')},
        ["train.json:2:1: cannot be read: the key 'annotations' is there twice"],
    ),
    "a picture twice with opposite labels": (
        {"train.json": twice(ONE, "images", id=3)},
        ["a.png is there twice with other labels: normal here, scratch (1) in"],
    ),
    "corners instead of width and height": (
        {"train.json": edit(ONE, bbox=[20, 10, 30, 20], area=100)},
        ["bbox must be x, y, width, height", "that of two corners"],
    ),
    "box of text": (
        {"train.json": edit(ONE, bbox=["1", "2", "3", "4"])},
        ["bbox must be four numbers"],
    ),
    "annotations: null": (
        {"train.json": edit(ONE).replace('"annotations": [', '"annotations": null, "other": [')},
        ["the list 'annotations' is missing; found NoneType"],
    ),
    "a part number of letters": (
        {"train.json": edit(ONE, image_part_number="SN-17")},
        ["part_number must be a whole number; found 'SN-17': write a name of the part into group"],
    ),
    "a class without a name": (
        {"train.json": edit(ONE, category_name=None)},
        ["categories need id and name; found {'id': 7, 'name': None"],
    ),
    "COCO and VOC in one folder": (
        {"train.json": ONE, "Annotations/a.xml": voc("a.png")},
        ["labels in several formats, coco and voc; choose one with --format"],
    ),
    "two pictures of a name": (
        {
            "ann/train.json": ONE,
            "x/a.png": PICTURE,
            "y/a.png": PICTURE,
            "c.png": PICTURE,
            "!a.png": "",
        },
        ["the file a.png may be any of 2 pictures: x/a.png, y/a.png; write its path"],
    ),
    "a picture of the same name in another folder": (
        {"train.json": coco("line1/a.png", "b.png"), "line2/a.png": PICTURE, "!a.png": ""},
        ["the file line1/a.png is missing; line2/a.png has the same name"],
    ),
    "VOC that was copied with its old filename": (
        {"Annotations/a.xml": voc("a.png"), "Annotations/b.xml": voc("a.png")},
        ["filename is a.png, but b.png is called like the label file"],
    ),
    "VOC that is empty": (
        {"Annotations/a.xml": "", "Annotations/b.xml": voc("b.png")},
        ["a.xml:1: not XML"],
    ),
    "VOC in another encoding than it says": (
        {
            "Annotations/a.xml": (
                "<?xml version='1.0' encoding='utf-8'?>" + voc("\xfc.png")
            ).encode("latin-1")
        },
        ["a.xml:1: not XML: the file says that it is utf-8, but is not"],
    ),
    "VOC with an encoding that nobody knows": (
        {"Annotations/a.xml": "<?xml version='1.0' encoding='klingon'?>" + voc("a.png")},
        ["says that it is klingon, but is not", "save it as UTF-8"],
    ),
    "VOC that declares entities": (
        {"Annotations/a.xml": '<!DOCTYPE a [<!ENTITY b "c">]>' + voc("a.png")},
        ["a.xml:1: declares an entity"],
    ),
    "VOC with swapped corners": (
        {"Annotations/a.xml": voc("a.png").replace("<xmin>11", "<xmin>31")},
        ["a.xml:4: bndbox must have xmin up to xmax", "found 31, 6, 18, 11"],
    ),
    "VOC with a word for difficult that is none": (
        {"Annotations/a.xml": voc("a.png").replace("<difficult>0", "<difficult>perhaps")},
        ["difficult must be 0 or 1; found 'perhaps'"],
    ),
    "YOLO without class names": (
        {"labels/a.txt": "0 0.5 0.5 0.1 0.1\n"},
        ["YOLO labels without class names; add data.yaml"],
    ),
    "YOLO with an unknown class, pixels, text": (
        {"classes.txt": "dent\n", "labels/a.txt": "3 0.5 0.5 0.1 0.1\n0 20 15 8 6\n0 a b c d\n"},
        [
            "a.txt:1: unknown class 3; known are 0 (dent)",
            "a.txt:2: coordinates must be shares",
            "a.txt:3: expected",
        ],
    ),
    "YOLO with a class number twice": (
        {"data.yaml": "names:\n  0: dent\n  0: hole\n", "labels/a.txt": "0 0.5 0.5 0.1 0.1\n"},
        ["data.yaml: line 3: ", "twice"],
    ),
    "YOLO of key points": (
        {
            "data.yaml": "names: [dent]\nkpt_shape: [1, 2]\n",
            "labels/a.txt": "0 0.5 0.5 0.1 0.1 0.5 0.5\n",
        },
        ["key points (kpt_shape) are not read"],
    ),
    "LabelMe with a line": (
        {"a.json": labelme("a.png").replace("rectangle", "line")},
        ["a.json:1:", "the shape 'line' of scratch has no area; allowed are rectangle"],
    ),
    "a manifest with the number alone": (
        {"train.manifest": '{"source-ref": "a.png", "anomaly-label": 1}\n'},
        [
            "train.manifest:1: anomaly-label is only a number (1)",
            '"anomaly-label-metadata": {"class-name"',
        ],
    ),
    "a manifest with a picture twice and opposite labels": (
        {"train.manifest": NORMAL_LINE + NORMAL_LINE.replace('"normal"', '"anomaly"')},
        ["train.manifest:2: a.png is there twice with other labels: anomaly here, normal in"],
    ),
    "a manifest with a class that is neither good nor bad": (
        {"train.manifest": NORMAL_LINE.replace('"normal"', '"maybe"')},
        ["unknown class 'maybe'; known are normal, anomaly (or good, ok"],
    ),
    "a manifest of a job that is not read": (
        {
            "train.manifest": '{"source-ref": "a.png", "t": 1, "t-metadata": {"type": "groundtruth/text"}}\n'
        },
        ["the job type 'groundtruth/text' is not read; allowed are image-classification"],
    ),
    "a manifest with a label that nobody knows": (
        {"train.manifest": '{"source-ref": "a.png", "label": "normal"}\n'},
        ["no label is read from label; expected is NAME-metadata"],
    ),
    "a manifest that is a JSON list": (
        {"train.manifest": '[{"source-ref": "a.png"}]'},
        ["expected an object, found list; a manifest has one picture a line"],
    ),
    "class folders with the same picture in both": (
        {
            "train/normal/1.png": encode(patched_picture(), ".png"),
            "train/anomaly/2.png": encode(patched_picture(), ".png"),
        },
        ["is there the same picture as", "with other labels: "],
    ),
    "a camera of 12 bits": (
        {"train/normal/1.png": encode(np.full((9, 9), 4000, np.uint16), ".png")},
        ["1.png cannot be decoded as a picture: its values of 16 bits reach only 4000"],
    ),
    "a picture that is cut off": (
        {
            "train/normal/1.jpg": encode(
                np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8), ".jpg"
            )[:-99]
        },
        ["1.jpg cannot be decoded as a picture: it is damaged, or cut off"],
    ),
    "a picture of absurd size": (
        {"train/normal/1.png": claim_size(encode(patched_picture(), ".png"), 60_000, 60_000)},
        ["60000 x 60000 px; at most 100 megapixels are read"],
    ),
    "labels.csv without a column path": (
        {"train/normal/1.png": PICTURE, "labels.csv": "bild;gruppe\ntrain/normal/1.png;7\n"},
        ["labels.csv:1: the first line must name the column path; found 'bild', 'gruppe'"],
    ),
    "a folder of VGG Image Annotator": (
        {"via.json": '{"_via_img_metadata": {}}'},
        [
            "is not a data set: expected is a COCO file",
            "via.json is of VGG Image Annotator; export it as COCO",
        ],
    ),
    "Label Studio without an annotation": (
        {"export.json": '[{"id": 1, "data": {"image": "/data/upload/a.png"}, "annotations": []}]'},
        [
            "no labelled pictures in the format label-studio: tasks of Label Studio without an annotation"
        ],
    ),
    "MVTec with a missing mask": (
        {
            "train/good/1.png": PICTURE,
            "test/dent/2.png": PICTURE,
            "ground_truth/dent/9_mask.png": "(a mask)",
        },
        ["found 0 masks for test/dent/2.png; expected ground_truth/dent/2_mask.png"],
    ),
    "a table of boxes": (
        {"boxes.csv": "a"},
        ["a table of boxes is not read: export COCO or Pascal VOC"],
    ),
    "an archive": ({"data.zip": "PK"}, ["is not a data set", "unpack the archive"]),
    "several data sets side by side": (
        {"bottle/train/good/1.png": PICTURE, "cable/train/good/1.png": PICTURE},
        ["its sub-folders bottle, cable may be data sets: choose one with --data"],
    ),
    "a pointer of Git LFS": (
        {"train.json": "version https://git-lfs.github.com/spec/v1\noid sha256:1\n"},
        ["train.json:1:1: cannot be read: a pointer of Git LFS: run `git lfs pull`"],
    ),
    "a folder of pictures without labels": ({}, ["is not a data set", "found files: 2 .png"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_doubtful_is_refused_with_its_place_and_what_to_do(
    tmp_path: Path, case: str
) -> None:
    files, texts = REFUSED[case]
    pictures: dict[str, str | bytes] = {"a.png": PICTURE, "b.png": PICTURE}
    lay(tmp_path, pictures | {name: content for name, content in files.items() if name[0] != "!"})
    for name in files:
        if name[0] == "!":
            (tmp_path / name[1:]).unlink()
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    for text in texts:
        assert text in str(refused.value)
