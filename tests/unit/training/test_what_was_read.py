"""The commands say what they read, and do not go on with what cannot be compared or read."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.shared.picture_bytes import claim_size, encode
from tests.unit.training.bright_spot_model import CONTRACT, write_map_model
from tests.unit.training.small_data_sets import write_coco, write_picture
from training import evaluate, predict

CAP = Path(__file__).parents[3] / "components" / "models" / "cap"
BOX = (1.0, 2.0, 10.0, 5.0)


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model."""
    return write_map_model(tmp_path_factory.mktemp("model"), CONTRACT)


def test_an_evaluation_says_what_it_read_for_people_and_in_its_json(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, BOX), (2, (99, 2, 3, 4))], name="coco_test.json")
    write_picture(tmp_path / "unknown.png", 9)
    (tmp_path / "._1.png").write_bytes(b"x")
    assert evaluate.main([str(bright), "--data", str(tmp_path), "--drop-bad-labels"]) == 0
    printed = capsys.readouterr()
    assert "test: 3 (1 normal, 1 anomaly, 1 unknown, 1 boxes)" in printed.err
    assert "pictures without a label: not read: 1 (unknown.png)" in printed.err
    read = json.loads(printed.out)["data read"]
    assert read["splits"] == {
        "test": {"pictures": 3, "anomaly": 1, "boxes": 1, "unknown": 1, "normal": 1}
    }
    assert read["bad_labels"]["count"] == 1
    assert read["notes"]["files that programs left behind (hidden files, Thumbs.db, __MACOSX)"] == {
        "count": 1,
        "first": ["._1.png"],
    }


def test_labels_that_differ_from_the_model_s_by_case_are_compared_as_the_model_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_coco(tmp_path, [(1, BOX)])
    file.write_text(file.read_text().replace("scratch", "Cap_Present"))
    assert evaluate.main([str(CAP), "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["data read"]["boxes"] == {"cap_present": 1}
    assert "compared without labels" not in printed.err


def test_boxes_that_are_compared_without_labels_are_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, BOX)])
    assert evaluate.main([str(CAP), "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr().err
    assert "the data set scratch: boxes are compared without labels" in printed
    assert "has a split: all 3 are evaluated, also those that a model was trained on" in printed


def test_pictures_of_which_no_label_is_known_are_not_evaluated(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "test.manifest").write_text('{"source-ref": "a.png"}\n')
    assert evaluate.main([str(bright), "--data", str(tmp_path)]) == 1
    assert "of 1 pictures none has a label that is known" in capsys.readouterr().err


def test_one_picture_that_cannot_be_read_does_not_end_a_prediction(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    bad = {
        "cut.jpg": encode(noise, ".jpg")[:-200],
        "huge.png": claim_size(encode(noise, ".png"), 60_000, 60_000),
        "dark.png": encode(np.full((60, 80), 4_000, np.uint16), ".png"),
        "empty.bmp": b"",
        "page.tif": b"<html>",
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    for name in ("good.webp", "also.png"):
        write_picture(tmp_path / name)
    for name in ("._good.png", "phone.heic"):
        (tmp_path / name).write_bytes(b"x")
    assert predict.main([str(bright), "--data", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "7 pictures" in printed.out
    assert "5 could not be read" in printed.out
    assert "(.heic): convert them: 1 (phone.heic)" in printed.err
    results = json.loads((tmp_path / "predictions" / "bright" / "results.json").read_text())
    assert {one["picture"] for one in results["pictures"] if "error" in one} == bad.keys()
    assert sum(found["count"] for found in results["left_out"].values()) == 2
