"""A small training with the commands, from pictures to a model that serves."""

import json
from pathlib import Path

import pytest

from hil.plant.pool import ensure_pool
from sightline.vision.golden_frames import check_golden_frames
from sightline.vision.onnx_detector import OnnxDetector

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

from training import evaluate, export, train
from training.methods.checkpoint_file import load_checkpoint


@pytest.mark.timeout(240)
def test_training_writes_a_checkpoint_that_exports_to_a_model_with_golden_frames_and_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ensure_pool(tmp_path / "data", 24, 31, "training")
    work, model = tmp_path / "work", tmp_path / "cap"
    arguments = ["ssd", "--data", str(data), "--out", str(work), "--plan", "cap", "--epochs", "2"]
    assert train.main(arguments) == 0
    checkpoint = load_checkpoint(work / "checkpoint.pt")
    assert checkpoint.facts["training"]["epochs"] == 2
    assert "epoch 2: validation" in capsys.readouterr().err
    assert export.main([str(work / "checkpoint.pt"), "--data", str(data), "--out", str(model)]) == 0
    detector = OnnxDetector(model, threads=1)
    check_golden_frames(detector, model / "golden.npz")
    assert detector.contract.labels == ("cap_present", "cap_missing")
    card = json.loads((model / "card.json").read_text())
    assert card["digest"] == detector.digest
    capsys.readouterr()
    assert evaluate.main([str(model), "--data", str(data), "--cards"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["parts"]["good"] + result["parts"]["bad"] == 24
    assert "| escapes |" in (model / "card.md").read_text()


def test_a_plan_that_does_not_exist_and_data_that_is_none_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ssd", "--data", str(tmp_path), "--out", str(tmp_path / "w")]
    assert train.main([*arguments, "--plan", "nose"]) == 1
    assert "allowed are surface, cap" in capsys.readouterr().err
    assert train.main(arguments) == 1
    assert "not a data set" in capsys.readouterr().err
