"""Odd labels are read as they are meant or left out, and either is said."""

import json
import shutil
from pathlib import Path

import pytest

from sightline.errors import PictureError
from tests.unit.training.label_files import ONE, PICTURE, coco, edit, lay, twice
from tests.unit.training.small_data_sets import write_coco, write_picture, write_voc
from training import manifest
from training.datasets import DataSet, read_dataset
from training.datasets.reading_summary import format_reading, summarize_reading


def write_image_sets(folder: Path, content: bytes, name: str = "train") -> None:
    sets = folder / "ImageSets" / "Main"
    sets.mkdir(parents=True, exist_ok=True)
    (sets / f"{name}.txt").write_bytes(content)


@pytest.mark.parametrize(
    "lines",
    [
        b"part 1\npart 2\n",
        b"part 1\r\npart 2\r\n",
        b"\xef\xbb\xbfpart 1\npart 2",
        "part 1\npart 2\n".encode("utf-16"),
        b"part 1.png\npart 2.png\n",
        b"JPEGImages/part 1.png\nVOC2012\\JPEGImages\\part 2.png\n",
        b"part 1  1\npart 2 -1\n",
        b"  part 1 \n\n\tpart 2\n",
        b"PART 1\nPart 2\n",
    ],
)
def test_each_line_of_an_image_set_is_a_name_as_a_whole(tmp_path: Path, lines: bytes) -> None:
    for name in ("part 1", "part 2", "part"):
        write_voc(tmp_path, name, [("dent", 0, 1, 1, 5, 5)] if name == "part 1" else [])
    write_image_sets(tmp_path, lines)
    found = {one.name: one.split for one in read_dataset(tmp_path).pictures}
    assert found == {
        "JPEGImages/part 1.png": "train",
        "JPEGImages/part 2.png": "train",
        "JPEGImages/part.png": "",
    }


def test_lines_that_name_no_picture_or_one_twice_are_listed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_voc(tmp_path, name, [])
    write_picture(tmp_path / "JPEGImages" / "three.png", 5)
    write_image_sets(tmp_path, b"one\ngone 7\nthree\n")
    write_image_sets(tmp_path, b"two\none\n", "test")
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    sets = tmp_path / "ImageSets" / "Main"
    assert f"{sets / 'train.txt'}:2: no picture is called 'gone 7'; write" in str(refused.value)
    assert "'one' is listed for" in str(refused.value)
    assert "2 bad labels" in str(refused.value)
    notes = [note.text for note in read_dataset(tmp_path, drop_bad_labels=True).notes]
    assert "pictures of ImageSets without a label file: not read" in notes


def test_masks_of_pictures_that_differ_by_their_suffix_do_not_overwrite_one_another(
    tmp_path: Path,
) -> None:
    lay(tmp_path, {"a.jpg": PICTURE, "a.png": PICTURE, "sub/a.png": PICTURE})
    label = json.loads(coco("a.jpg", "a.png", "sub/a.png"))
    box = label["annotations"][0]
    label["annotations"] += [box | {"id": n, "image_id": n, "bbox": [n, n, 5, 5]} for n in (2, 3)]
    (tmp_path / "train.json").write_text(json.dumps(label))
    out = tmp_path / "out" / "train.manifest"
    assert manifest.main(["--data", str(tmp_path), "--out", str(out)]) == 0
    assert len(list((tmp_path / "out" / "masks").rglob("*.png"))) == 3
    boxes = {
        one.file.relative_to(tmp_path).as_posix(): one.boxes[0].box
        for one in read_dataset(out.parent).pictures
    }
    assert boxes == {
        "a.jpg": (10.0, 5.0, 8.0, 6.0),
        "a.png": (2.0, 2.0, 5.0, 5.0),
        "sub/a.png": (3.0, 3.0, 5.0, 5.0),
    }


def test_a_manifest_of_a_split_without_pictures_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, (1, 2, 3, 4))], name="train.json")
    out = tmp_path / "out" / "test.manifest"
    assert manifest.main(["--data", str(tmp_path), "--out", str(out), "--split", "test"]) == 1
    assert (
        "no picture with a known label of the split test; nothing is written"
        in capsys.readouterr().err
    )
    assert not out.exists()


def test_a_picture_that_lost_a_box_is_not_in_a_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, (1, 2, 3, 4)), (1, (99, 2, 3, 4))])
    out = tmp_path / "out" / "all.manifest"
    assert manifest.main(["--data", str(tmp_path), "--out", str(out), "--drop-bad-labels"]) == 0
    assert (
        "2 of 3 pictures (1 without a known label, or with dropped ones)" in capsys.readouterr().out
    )


def read_notes(data_set: DataSet) -> dict[str, int]:
    """How often each note was made."""
    return {text: found["count"] for text, found in summarize_reading(data_set)["notes"].items()}


def test_what_programs_leave_behind_and_what_is_not_read_is_counted(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "train/normal/a.png": PICTURE,
            "train/normal/._a.png": "x",
            "train/normal/Thumbs.db": "x",
            "train/normal/.ipynb_checkpoints/a-checkpoint.png": PICTURE,
            "__MACOSX/train/normal/._a.png": "x",
            "train/normal/b.heic": "x",
            "train/normal/c.gif": "x",
            "extra.png": PICTURE,
        },
    )
    data_set = read_dataset(tmp_path)
    assert [one.name for one in data_set.pictures] == ["train/normal/a.png"]
    assert read_notes(data_set) == {
        "files that programs left behind (hidden files, Thumbs.db, __MACOSX)": 4,
        "pictures in a format that is not read (.heic): convert them": 1,
        "pictures in a format that is not read (.gif): convert them": 1,
        "pictures without a label: not read": 1,
    }


def test_folders_that_are_linked_are_read_once(tmp_path: Path) -> None:
    write_picture(tmp_path / "elsewhere" / "a.png")
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    (data / "train" / "normal").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(data)
    assert [one.name for one in read_dataset(data).pictures] == ["train/normal/a.png"]


def test_labels_that_differ_by_case_are_one_and_it_is_said(tmp_path: Path) -> None:
    label = json.loads(coco("a.png"))
    label["categories"] += [{"id": 8, "name": "Scratch "}, {"id": 9, "name": "SCRATCH"}]
    label["annotations"] += [
        {"id": 2, "image_id": 1, "category_id": 9, "bbox": [1, 1, 5, 5]},
        {"id": 3, "image_id": 1, "category_id": 9, "bbox": [2, 9, 5, 5]},
    ]
    lay(tmp_path, {"train.json": json.dumps(label), "a.png": PICTURE})
    data_set = read_dataset(tmp_path)
    assert data_set.labels == ("SCRATCH",)
    assert {box.label for box in data_set.pictures[0].boxes} == {"SCRATCH"}
    assert read_notes(data_set) == {"labels that differ only by case or spaces: read as one": 2}


def test_a_box_or_a_picture_listed_twice_alike_is_read_once(tmp_path: Path) -> None:
    text = twice(twice(coco("a.png"), "annotations", id=2), "images")
    lay(tmp_path, {"train.json": text, "a.png": PICTURE})
    data_set = read_dataset(tmp_path)
    assert [len(one.boxes) for one in data_set.pictures] == [1]
    assert read_notes(data_set) == {
        "an image listed twice: read once": 1,
        "the same box twice in a picture: read once": 1,
    }


def test_the_same_picture_in_training_and_test_is_said(tmp_path: Path) -> None:
    write_picture(tmp_path / "train" / "normal" / "a.png")
    (tmp_path / "test" / "normal").mkdir(parents=True)
    shutil.copyfile(tmp_path / "train" / "normal" / "a.png", tmp_path / "test" / "normal" / "b.png")
    assert read_notes(read_dataset(tmp_path)) == {
        "the same picture in several files (test, train): all are read": 1
    }


@pytest.mark.parametrize("word", ["1", "true", "True", "yes"])
def test_difficult_objects_are_not_visible_however_it_is_written(tmp_path: Path, word: str) -> None:
    write_voc(tmp_path, "one", [("dent", word, 1, 1, 5, 5)])
    (picture,) = read_dataset(tmp_path).pictures
    assert [box.visible for box in picture.boxes] == [False]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "sep=;\r\n"])
def test_labels_csv_is_read_as_table_programs_save_it(
    tmp_path: Path, encoding: str, separator: str, start: str
) -> None:
    write_picture(tmp_path / "train" / "normal" / "a.png")
    rows = f"{start}Path{separator}Group\r\ntrain\\normal\\a.png{separator}17\r\n"
    (tmp_path / "labels.csv").write_bytes(rows.encode(encoding))
    assert [one.group for one in read_dataset(tmp_path).pictures] == ["17"]


def test_with_bad_labels_dropped_no_picture_becomes_normal_because_its_boxes_were_lost(
    tmp_path: Path,
) -> None:
    cases = {
        "null": edit(ONE).replace('"annotations": [', '"annotations": null, "other": ['),
        "text": edit(ONE).replace('"annotations": [', '"annotations": ["x", '),
    }
    for name, text in cases.items():
        lay(tmp_path / name, {"train.json": text, "a.png": PICTURE, "b.png": PICTURE})
        found = read_dataset(tmp_path / name, drop_bad_labels=True).pictures
        assert "normal" not in {one.label for one in found}


def test_the_summary_tells_splits_labels_and_what_was_left_out(tmp_path: Path) -> None:
    write_coco(tmp_path, [(1, (1, 2, 3, 4)), (2, (99, 2, 3, 4))], name="coco_train.json")
    write_picture(tmp_path / "other.png", 77)
    data_set = read_dataset(tmp_path, drop_bad_labels=True)
    text = format_reading(summarize_reading(data_set))
    assert ": 3 pictures in the format coco" in text
    assert "train: 3 (1 normal, 1 anomaly, 1 unknown, 1 boxes)" in text
    assert "boxes: scratch 1" in text
    assert "bad labels dropped: 1 (" in text
    assert "pictures without a label: not read: 1 (other.png)" in text
    json.dumps(summarize_reading(data_set))
