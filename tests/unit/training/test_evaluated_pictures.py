"""`training.evaluate` evaluates the pictures that its options select, or refuses."""

import json
from pathlib import Path

import pytest

from tests.unit.training.bright_spot_model import CONTRACT, write_map_model
from tests.unit.training.example_card import CARD
from tests.unit.training.small_data_sets import write_coco
from training import evaluate
from training.datasets import read_dataset
from training.datasets.holdout import select_training_part

BOX = (1.0, 2.0, 10.0, 5.0)


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model."""
    return write_map_model(tmp_path_factory.mktemp("model"), CONTRACT)


def test_training_pictures_are_not_evaluated_as_a_test_part_that_is_not_there(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, BOX)], name="coco_train.json")
    arguments = [str(bright), "--data", str(tmp_path)]
    assert evaluate.main(arguments) == 1
    assert "no pictures of the split test; there are train (3)" in capsys.readouterr().err
    assert evaluate.main([*arguments, "--split", "train"]) == 0
    assert json.loads(capsys.readouterr().out)["split"] == "train"


def test_pictures_without_any_split_are_all_evaluated_and_not_called_a_test_part(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, BOX)])
    assert evaluate.main([str(bright), "--data", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["split"], result["fold"]) == ("all", "no split")
    assert result["by_picture"]["pictures"] == 3


def test_a_test_part_that_cannot_be_read_is_named_and_not_passed_over(
    tmp_path: Path, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coco(tmp_path, [(1, BOX)], name="coco_train.json")
    test = write_coco(tmp_path, [(4, BOX)], name="coco_test.json", first=4)
    test.write_text(test.read_text()[:-20])
    (tmp_path / "settings.json").write_text("[1]")
    (tmp_path / "old.json").write_bytes(b"\xff\xfe")
    assert evaluate.main([str(bright), "--data", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert "2 bad labels" in printed
    assert f"{test}:" in printed
    assert f"{tmp_path / 'old.json'}:1:1: cannot be read" in printed
    (tmp_path / "coco_train.json").unlink()
    assert evaluate.main([str(bright), "--data", str(tmp_path)]) == 1
    assert "coco_test.json" in capsys.readouterr().err


def test_pictures_that_the_model_was_trained_on_are_reported_and_are_on_its_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_coco(data, [(1, BOX)], name="coco_train.json")
    write_coco(data, [(4, BOX)], name="coco_test.json", first=4)
    model = write_map_model(tmp_path / "model", CONTRACT)
    digest = select_training_part(read_dataset(data)).compute_digest()
    (model / "card.json").write_text(json.dumps(CARD | {"data_digest": digest}))
    arguments = [str(model), "--data", str(data), "--cards"]
    assert evaluate.main(arguments) == 0
    printed = capsys.readouterr()
    assert "trained on" not in printed.err
    assert json.loads(printed.out)["pictures that it was trained on"] == 0
    assert evaluate.main([*arguments, "--split", "train", "test"]) == 0
    assert "It was trained on 3 of these pictures" in capsys.readouterr().err
    assert "It was trained on 3 of these pictures" in (model / "card.md").read_text()
