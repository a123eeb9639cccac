"""An export uses the pictures of the training, and replaces a model only by a valid one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

from sightline.storage.model_folder import compute_digest
from sightline.vision.onnx_detector import load_contract
from tests.unit.training.tiny_training import trained
from training import export
from training.datasets import LabelledPicture, load_input
from training.exporting import model_export
from training.jobs.data_options import read_data

FOLD = "1/5"


@pytest.fixture(scope="module")
def fold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data and checkpoint of a training that left a fold out."""
    return trained("ssd", tmp_path_factory.mktemp("fold"), "--fold", FOLD, "--epochs", "1")


def inputs_of(pictures: tuple[LabelledPicture, ...]) -> set[bytes]:
    """The pictures as the model sees them."""
    return {load_input(picture.file, "area-halves-1", (64, 64)).tobytes() for picture in pictures}


def test_after_a_training_by_fold_no_test_picture_goes_into_the_model(
    fold: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, checkpoint = fold
    out = tmp_path / "model"
    arguments = [str(checkpoint), "--data", str(data), "--out", str(out), "--precision", "int8"]
    assert export.main([*arguments, "--fold", FOLD]) == 0
    assert "not those that the model was trained on" not in capsys.readouterr().err
    found = read_data(str(data), "", False, [], FOLD)
    with np.load(out / "golden.npz") as content:
        golden = {image.tobytes() for image in content["images"]}
    assert golden <= inputs_of(found.select_splits("train").pictures)
    assert not golden & inputs_of(found.select_splits("test").pictures)
    assert export.main(arguments) == 0
    assert "not those that the model was trained on" in capsys.readouterr().err


def test_a_model_that_is_too_large_does_not_replace_the_one_that_is_there(
    fold: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, checkpoint = fold
    out = tmp_path / "model"
    arguments = [str(checkpoint), "--data", str(data), "--fold", FOLD, "--out", str(out)]
    assert export.main(arguments) == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert set(before) == {"model.onnx", "golden.npz", "card.json", "card.md"}
    assert json.loads(before["card.json"])["digest"] == compute_digest(out / "model.onnx")
    monkeypatch.setattr(model_export, "MAX_MODEL_BYTES", 1000)
    assert export.main([*arguments, "--precision", "fp16"]) == 1
    assert "the limit is 1000" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_the_model_file_says_the_shapes_of_the_training_pictures(
    fold: tuple[Path, Path], tmp_path: Path
) -> None:
    data, checkpoint = fold
    out = tmp_path / "model"
    arguments = [str(checkpoint), "--data", str(data), "--fold", FOLD, "--out", str(out)]
    assert export.main(arguments) == 0
    pictures = read_data(str(data), "", False, [], FOLD).select_splits("train").pictures
    shapes = [picture.width / picture.height for picture in pictures]
    contract = load_contract(out / "model.onnx")
    assert contract.picture_shapes == pytest.approx((min(shapes), max(shapes)), abs=1e-4)
    assert contract.knows_shape(pictures[0].width, pictures[0].height)
    assert not contract.knows_shape(pictures[0].width * 2, pictures[0].height)


def test_bad_labels_are_refused_as_in_training(
    fold: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, checkpoint = fold
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "train_0.png").unlink()
    arguments = [str(checkpoint), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "m")]
    assert export.main(arguments) == 1
    assert "the file train_0.png is missing" in capsys.readouterr().err
    assert export.main([*arguments, "--drop-bad-labels"]) == 0


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_file_that_is_no_checkpoint_is_refused_by_name(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(content)
    arguments = [str(file), "--data", str(tmp_path), "--out", str(tmp_path / "model")]
    assert export.main(arguments) == 1
    assert f"Cannot read {file}" in capsys.readouterr().err
