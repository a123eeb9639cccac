"""A picture that lost a bad label is neither normal in figures nor background in training."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

from tests.unit.training.small_data_sets import write_coco, write_voc
from tests.unit.training.tiny_data_sets import coco_folder
from tests.unit.training.tiny_training import TINY
from training import train
from training.datasets import ANOMALY, NORMAL, UNKNOWN, read_dataset
from training.methods.ssd_method import drop_unboxed_anomalies

GOOD, OUTSIDE = (1.0, 2.0, 10.0, 5.0), (35.0, 2.0, 10.0, 5.0)


def test_an_ssd_does_not_learn_the_place_of_a_dropped_box_as_background(tmp_path: Path) -> None:
    write_coco(tmp_path, [(1, GOOD), (1, OUTSIDE), (2, OUTSIDE), (3, GOOD)], pictures=4)
    found = read_dataset(tmp_path, drop_bad_labels=True)
    assert [picture.label for picture in found.pictures] == [ANOMALY, UNKNOWN, ANOMALY, NORMAL]
    assert [picture.name for picture in drop_unboxed_anomalies(found).pictures] == [
        "3.png",
        "4.png",
    ]


def test_a_picture_whose_only_label_is_of_an_unknown_class_is_not_taken_for_normal(
    tmp_path: Path,
) -> None:
    file = write_coco(tmp_path, [(1, GOOD)], pictures=2)
    coco = json.loads(file.read_text())
    coco["annotations"][0]["category_id"] = 9
    file.write_text(json.dumps(coco))
    found = read_dataset(tmp_path, drop_bad_labels=True)
    assert [picture.label for picture in found.pictures] == [UNKNOWN, NORMAL]
    assert [picture.name for picture in drop_unboxed_anomalies(found).pictures] == ["2.png"]


def test_nor_is_one_of_pascal_voc(tmp_path: Path) -> None:
    write_voc(tmp_path, "one", [("nose", 0, 1, 1, 5, 5)])
    write_voc(tmp_path, "two", [])
    (tmp_path / "labels.txt").write_text("dent\n")
    found = read_dataset(tmp_path, drop_bad_labels=True)
    assert [picture.label for picture in found.pictures] == [UNKNOWN, NORMAL]
    assert len(drop_unboxed_anomalies(found).pictures) == 1


@pytest.mark.parametrize("label", [ANOMALY, UNKNOWN])
def test_nor_is_a_picture_learned_from_of_which_only_a_manifest_says_that_it_is_no_normal_one(
    tmp_path: Path, label: str
) -> None:
    write_coco(tmp_path, [], pictures=1)
    line = {"source-ref": "1.png"}
    known = {"anomaly-label-metadata": {"class-name": label}} if label else {}
    (tmp_path / "all.manifest").write_text(json.dumps(line | known) + "\n")
    found = read_dataset(tmp_path, "lookout")
    assert drop_unboxed_anomalies(found).pictures == ()


def test_the_command_trains_an_ssd_without_them_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, plan = coco_folder(tmp_path / "data"), tmp_path / "plan.json"
    plan.write_text(json.dumps(TINY["ssd"]))
    coco = json.loads((data / "coco_train.json").read_text())
    bad = {"id": 99, "image_id": 3, "category_id": 1, "bbox": [60, 60, 30, 30]}
    coco["annotations"].append(bad)
    (data / "coco_train.json").write_text(json.dumps(coco))
    work = tmp_path / "work"
    arguments = ["ssd", "--data", str(data), "--out", str(work), "--plan", str(plan)]
    assert train.main([*arguments, "--threads", "1", "--epochs", "1", "--drop-bad-labels"]) == 0
    assert "without 1 pictures" in capsys.readouterr().err
    assert (work / "inputs-64x64.u8").stat().st_size == (len(coco["images"]) - 1) * 64 * 64 * 3
