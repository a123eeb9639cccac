"""Data sets are read as labelled, and bad labels are reported with file and line."""

import csv
import json
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.errors import PictureError, TextError
from tests.unit.training.small_data_sets import write_coco, write_picture
from training.datasets import read_dataset
from training.datasets.json_positions import read_lists

BOX, OTHER_BOX = (1.0, 2.0, 10.0, 5.0), (20.0, 2.0, 10.0, 5.0)


def test_coco_files_of_several_splits_are_one_data_set(tmp_path: Path) -> None:
    write_coco(tmp_path, [(1, BOX)], name="coco_train.json", series="C1")
    write_coco(tmp_path, [(4, BOX), (4, OTHER_BOX)], name="coco_test.json", first=4, series="C2")
    write_coco(tmp_path, [], name="coco_nobox.json", first=7)
    (tmp_path / "settings.json").write_text("[1]")
    found = read_dataset(tmp_path)
    assert [(p.name, p.split, p.group, p.label, len(p.boxes)) for p in found.pictures] == [
        ("7.png", "", "", "normal", 0),
        ("8.png", "", "", "normal", 0),
        ("9.png", "", "", "normal", 0),
        ("4.png", "test", "C2", "anomaly", 2),
        ("5.png", "test", "C2", "normal", 0),
        ("6.png", "test", "C2", "normal", 0),
        ("1.png", "train", "C1", "anomaly", 1),
        ("2.png", "train", "C1", "normal", 0),
        ("3.png", "train", "C1", "normal", 0),
    ]
    assert found.labels == ("scratch",)
    assert len(found.select_splits("test").pictures) == 3
    assert {p.group for p in found.without_groups("C1").pictures} == {"", "C2"}


coordinates = st.floats(0, 15, allow_nan=False, width=32)
lengths = st.floats(2, 15, allow_nan=False, width=32)  # smaller than a pixel, they would be shares


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.tuples(coordinates, coordinates, lengths, lengths), st.booleans()
        ),
        max_size=8,
        unique=True,
    )
)
def test_every_coco_box_comes_to_its_picture_as_it_was_drawn(
    tmp_path: Path, rows: list[tuple[int, tuple[float, float, float, float], bool]]
) -> None:
    file = write_coco(tmp_path, [(number, box) for number, box, _ in rows])
    coco = json.loads(file.read_text())
    for annotation, (_, _, crowd) in zip(coco["annotations"], rows, strict=True):
        annotation["iscrowd"] = int(crowd)
    file.write_text(json.dumps(coco))
    for picture in read_dataset(tmp_path).pictures:
        wanted = [
            (box, not crowd) for number, box, crowd in rows if f"{number}.png" == picture.name
        ]
        assert [(box.box, box.visible) for box in picture.boxes] == wanted
        seen = any(visible for _, visible in wanted)
        assert picture.label == ("anomaly" if seen else "" if wanted else "normal")


def test_class_folders_give_split_label_and_group(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("normal", "anomaly"):
            write_picture(tmp_path / split / name / "a.png", crc32(f"{split} {name}".encode()))
    (tmp_path / "labels.csv").write_text("path,near_dup_group\ntrain/normal/a.png,17\n")
    found = read_dataset(tmp_path)
    assert [(p.name, p.split, p.label, p.group) for p in found.pictures] == [
        ("train/anomaly/a.png", "train", "anomaly", ""),
        ("train/normal/a.png", "train", "normal", "17"),
        ("test/anomaly/a.png", "test", "anomaly", ""),
        ("test/normal/a.png", "test", "normal", ""),
    ]
    assert (found.pictures[0].width, found.pictures[0].height) == (40, 30)
    assert not found.has_boxes


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ((35.0, 2.0, 10.0, 5.0), "lies outside of 40 x 30 by 5 px"),
        ((-3.0, 2.0, 10.0, 5.0), "by 3 px"),
        ((1.0, 2.0, 0.0, 5.0), "has no area"),
        ((float("nan"), 2.0, 4.0, 5.0), "bbox must be four numbers; found [nan"),
    ],
)
def test_a_box_that_cannot_be_is_refused_with_file_and_line_or_dropped_if_asked(
    tmp_path: Path, box: tuple[float, float, float, float], text: str
) -> None:
    file = write_coco(tmp_path, [(1, BOX), (1, box), (2, box)])
    line = [n for n, row in enumerate(file.read_text().splitlines(), 1) if '"image_id"' in row][1]
    with pytest.raises(PictureError, match=r"2 bad labels.*--drop-bad-labels") as refused:
        read_dataset(tmp_path)
    assert text in str(refused.value)
    assert f"{file}:{line - 2}:" in str(refused.value)
    found = read_dataset(tmp_path, drop_bad_labels=True)
    assert [(len(p.boxes), p.label) for p in found.pictures] == [
        (1, "anomaly"),
        (0, ""),  # it had a box, so nobody knows that it is normal
        (0, "normal"),
    ]
    assert len(found.problems) == 2


def test_an_unknown_class_an_unknown_picture_and_a_missing_file_are_all_named(
    tmp_path: Path,
) -> None:
    file = write_coco(tmp_path, [(1, BOX), (1, BOX), (2, BOX)])
    coco = json.loads(file.read_text())
    coco["annotations"][0]["category_id"] = 9
    coco["annotations"][1]["image_id"] = 77
    file.write_text(json.dumps(coco))
    (tmp_path / "2.png").unlink()
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    text = str(refused.value)
    assert "annotation 1 has the unknown class 9; known are 1 (scratch)" in text
    assert "annotation 2 refers to image 77, which is not listed" in text
    assert "the file 2.png is missing" in text
    found = read_dataset(tmp_path, drop_bad_labels=True)
    assert [p.name for p in found.pictures] == ["1.png", "3.png"]


def test_folders_with_an_unknown_class_or_rows_without_a_file_are_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "train" / "normal" / "a.png")
    write_picture(tmp_path / "train" / "broken" / "b.png")
    rows = [
        ("path", "label"),
        ("train/normal/gone.png", "normal"),
        ("train/normal/a.png", "anomaly"),
    ]
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    text = str(refused.value)
    assert "unknown class 'broken'; known are normal, anomaly" in text
    assert f"{tmp_path / 'labels.csv'}:2: the file train/normal/gone.png is missing" in text
    assert f"{tmp_path / 'labels.csv'}:3: train/normal/a.png is in the folder normal but" in text


def test_a_file_that_is_no_picture_is_a_bad_label(tmp_path: Path) -> None:
    write_picture(tmp_path / "train" / "normal" / "a.png")
    (tmp_path / "train" / "normal" / "b.png").write_bytes(b"text")
    with pytest.raises(PictureError, match=r"b\.png cannot be decoded"):
        read_dataset(tmp_path)


def test_a_folder_without_any_known_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="is not a data set"):
        read_dataset(tmp_path)
    with pytest.raises(PictureError, match="allowed are coco"):
        read_dataset(tmp_path, "tfrecord")


def test_the_digest_changes_with_pictures_and_labels_but_not_with_the_place(tmp_path: Path) -> None:
    digests = []
    for name, boxes in (("a", [(1, BOX)]), ("b", [(1, BOX)]), ("c", [(2, BOX)])):
        write_coco_folder = tmp_path / name
        write_coco_folder.mkdir()
        write_coco(write_coco_folder, boxes)
        digests.append(read_dataset(write_coco_folder).compute_digest())
    write_picture(tmp_path / "b" / "1.png", seed=99)
    assert digests[0] == digests[1] != digests[2]
    assert read_dataset(tmp_path / "b").compute_digest() != digests[1]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=40)
@given(
    st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=5),
    st.sampled_from([None, 1, 3]),
)
def test_the_rows_of_any_json_object_are_read_with_their_places(
    document: dict[str, object], indent: int | None
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    found = read_lists(text)
    assert {key: [row.value for row in rows] for key, rows in found.items()} == {
        key: value for key, value in document.items() if isinstance(value, list)
    }
    lines = text.split("\n")
    for rows in found.values():
        for row in rows:
            rest = "\n".join([lines[row.line - 1][row.column - 1 :], *lines[row.line :]])
            assert json.JSONDecoder().raw_decode(rest)[0] == row.value


@given(st.text(alphabet='{}[]:,"1 a', max_size=14))
def test_text_that_is_no_json_object_is_a_text_error_and_nothing_else(text: str) -> None:
    try:
        read_lists(text)
    except TextError:
        return
    assert isinstance(json.loads(text), dict)
