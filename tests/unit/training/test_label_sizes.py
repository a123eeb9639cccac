"""Labels of another size or orientation than the picture are converted where certain, else refused."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import read_picture_file
from tests.unit.shared.picture_bytes import add_exif, encode, tiff
from tests.unit.training.label_files import coco, labelme, patched_picture, voc
from tests.unit.training.small_data_sets import write_picture
from training.datasets import read_dataset
from training.datasets.reading_summary import format_reading, summarize_reading

STORED = (8.0, 4.0, 12.0, 6.0)  # a bright patch, in the stored picture of 40 x 24


def find_patch(file: Path) -> tuple[float, ...]:
    """Where the patch is in the picture as cameras and browsers show it."""
    rows, columns = np.nonzero(read_picture_file(file)[..., 0] > 128)
    return tuple(map(float, (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)))


def write_exif_coco(folder: Path, suffix: str, orientation: int, size: Any, box: Any) -> Path:
    """One picture with an EXIF orientation, and a label of this size."""
    if suffix == ".tif":
        content = tiff(patched_picture(), orientation)
    else:
        content = add_exif(encode(patched_picture(), suffix), orientation)
    (folder / f"a{suffix}").write_bytes(content)
    label = json.loads(coco(f"a{suffix}"))
    label["images"][0] |= {"width": size[0], "height": size[1]}
    label["annotations"][0]["bbox"] = list(box)
    (folder / "train.json").write_text(json.dumps(label))
    return folder / f"a{suffix}"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_of_a_stored_picture_are_turned_as_the_picture_is(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    file = write_exif_coco(tmp_path, suffix, orientation, (40, 24), STORED)
    data_set = read_dataset(tmp_path)
    (picture,) = data_set.pictures
    assert (picture.width, picture.height) == (24, 40)
    assert picture.boxes[0].box == pytest.approx(find_patch(file), abs=1.5)  # JPEG blurs
    assert "boxes turned by its EXIF orientation: 1 (a" in format_reading(
        summarize_reading(data_set)
    )


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_of_the_shown_picture_stay_as_they_are(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    shown = (4.0, 8.0, 6.0, 12.0)
    write_exif_coco(tmp_path, suffix, orientation, (24, 40), shown)
    data_set = read_dataset(tmp_path)
    assert data_set.pictures[0].boxes[0].box == shown
    assert data_set.notes == ()


@pytest.mark.parametrize("orientation", [2, 3, 4])
@pytest.mark.parametrize(("choice", "turned"), [("stored", True), ("shown", False)])
def test_where_the_size_tells_nothing_the_user_must(
    tmp_path: Path, orientation: int, choice: Any, turned: bool
) -> None:
    file = write_exif_coco(tmp_path, ".png", orientation, (40, 24), STORED)
    with pytest.raises(
        PictureError, match=r"EXIF orientation ., and nothing tells.*--exif-boxes stored"
    ) as at:
        read_dataset(tmp_path)
    assert str(tmp_path / "train.json") in str(at.value)
    (picture,) = read_dataset(tmp_path, exif_boxes=choice).pictures
    assert picture.boxes[0].box == (find_patch(file) if turned else STORED)
    assert read_dataset(tmp_path, drop_bad_labels=True).pictures == ()


def test_a_picture_without_boxes_is_read_with_any_orientation(tmp_path: Path) -> None:
    (tmp_path / "train" / "normal").mkdir(parents=True)
    (tmp_path / "train" / "normal" / "a.jpg").write_bytes(
        add_exif(encode(patched_picture(), ".jpg"), 3)
    )
    (picture,) = read_dataset(tmp_path).pictures
    assert (picture.width, picture.height) == (40, 24)


@pytest.mark.parametrize(
    ("width", "height", "scale"), [(80, 60, 2.0), (20, 15, 0.5), (41, 31, 40 / 41)]
)
def test_labels_of_an_evenly_scaled_picture_are_scaled(
    tmp_path: Path, width: int, height: int, scale: float
) -> None:
    write_picture(tmp_path / "a.png", size=(width, height))
    (tmp_path / "train.json").write_text(coco("a.png"))
    data_set = read_dataset(tmp_path)
    (picture,) = data_set.pictures
    assert (picture.width, picture.height) == (width, height)
    expected = [side * width / 40 for side in (10, 5, 8, 6)]
    assert picture.boxes[0].box == pytest.approx(expected, abs=0.3)
    assert [note.text for note in data_set.notes] == [
        "labels of a picture of another size: boxes scaled"
    ]


@pytest.mark.parametrize("format", ["coco", "voc", "labelme"])
def test_labels_of_another_aspect_are_refused_with_both_sizes(tmp_path: Path, format: str) -> None:
    write_picture(tmp_path / "a.png", size=(30, 40))
    labels = {
        "coco": ("train.json", coco("a.png")),
        "voc": ("a.xml", voc("a.png")),
        "labelme": ("a.json", labelme("a.png")),
    }
    name, text = labels[format]
    (tmp_path / name).write_text(text)
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    assert f"{tmp_path / name}" in str(refused.value)
    assert "a.png has 30 x 40 px, its labels are of 40 x 30 px, of another aspect" in str(
        refused.value
    )


def test_a_mask_of_the_shown_or_stored_size_fits_a_picture_with_exif(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(add_exif(encode(patched_picture(), ".jpg"), 6))
    colours = {"0": ("BACKGROUND", "#000000"), "1": ("dent", "#ffffff")}
    metadata = {
        "internal-color-map": {
            key: {"class-name": name, "hex-color": c} for key, (name, c) in colours.items()
        }
    }
    line = {
        "source-ref": "a.jpg",
        "anomaly-mask-ref": "m.png",
        "anomaly-mask-ref-metadata": metadata,
    }
    (tmp_path / "train.manifest").write_text(json.dumps(line))
    stored = (patched_picture() > 128).astype(np.uint8) * 255
    for mask in (stored, cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE)):
        cv2.imwrite(str(tmp_path / "m.png"), mask)
        (picture,) = read_dataset(tmp_path).pictures
        assert picture.boxes[0].box == pytest.approx(find_patch(tmp_path / "a.jpg"), abs=1.5)
