"""The split of a picture by label, file or folder: one table of words."""

import json
from pathlib import Path
from typing import Any

import pytest

from sightline.errors import PictureError
from tests.unit.training.small_data_sets import write_coco, write_picture
from training import manifest
from training.datasets import read_dataset
from training.datasets.splits import SPLIT_WORDS, find_split_in_name

WORDS = [
    ("train", "train"),
    ("training", "train"),
    ("val", "validation"),
    ("Valid", "validation"),
    ("validation", "validation"),
    ("TEST", "test"),
    ("testing", "test"),
]


@pytest.mark.parametrize(("word", "split"), WORDS)
def test_each_word_for_a_split_is_understood_in_coco_and_manifests(
    tmp_path: Path, word: str, split: str
) -> None:
    assert word.lower() in SPLIT_WORDS
    write_coco(tmp_path / "coco", [], pictures=1, split=word)
    (picture,) = read_dataset(tmp_path / "coco").pictures
    assert picture.split == split
    line = {"source-ref": "1.png", "split": word}
    write_picture(tmp_path / "lookout" / "1.png")
    (tmp_path / "lookout" / "all.manifest").write_text(json.dumps(line) + "\n")
    (picture,) = read_dataset(tmp_path / "lookout").pictures
    assert picture.split == split


@pytest.mark.parametrize("word", ["dev", "trian", 3, ["train"]])
def test_an_unknown_word_is_a_bad_label_with_its_place(tmp_path: Path, word: Any) -> None:
    file = write_coco(tmp_path, [(1, (1, 2, 3, 4))], pictures=2)
    coco = json.loads(file.read_text())
    coco["images"][0]["split"] = word
    file.write_text(json.dumps(coco, indent=1))
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    assert f"{file}:9:3: image 1: unknown split {word!r}; known are train" in str(refused.value)
    assert [p.name for p in read_dataset(tmp_path, drop_bad_labels=True).pictures] == ["2.png"]
    line = {"source-ref": "1.png", "split": word}
    (tmp_path / "all.manifest").write_text(json.dumps(line) + "\n")
    with pytest.raises(PictureError, match="1: unknown split"):
        read_dataset(tmp_path, "lookout")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("latest", ""),
        ("strain", ""),
        ("interval", ""),
        ("trainval", ""),
        ("castings", ""),
        ("train_and_test", ""),
        ("coco_train", "train"),
        ("instances_val2017", "validation"),
        ("image_info_test-dev2017", "test"),
        ("cocoTest", "test"),
        ("TRAIN", "train"),
        ("aeroplane_train", "train"),
        ("aeroplane_trainval", ""),
    ],
)
def test_a_file_s_name_gives_the_split_by_whole_words_only(
    tmp_path: Path, name: str, split: str
) -> None:
    assert find_split_in_name(name) == split
    write_coco(tmp_path, [], pictures=1, name=f"{name}.json")
    assert [picture.split for picture in read_dataset(tmp_path).pictures] == [split]


def test_the_docs_own_word_for_validation_selects_its_pictures(tmp_path: Path) -> None:
    write_coco(tmp_path, [], pictures=2, split="val")
    out = tmp_path / "out" / "a.manifest"
    arguments = ["--data", str(tmp_path), "--out", str(out), "--split", "val"]
    assert manifest.main(arguments) == 0
    assert [picture.split for picture in read_dataset(out.parent).pictures] == ["validation"] * 2
