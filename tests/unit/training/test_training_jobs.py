"""A SageMaker training job leaves a model that a processing job can evaluate, and nothing else."""

import json
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

from tests.unit.training.tiny_training import TINY, data_for
from training import evaluate, train
from training.jobs.sagemaker_environment import create_job_scratch_folder, find_job_work_folder


@pytest.mark.parametrize("method", ["ssd", "classifier", "student-teacher"])
def test_what_a_training_job_leaves_as_its_model_can_be_evaluated(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, plan = data_for(method, tmp_path / "data"), tmp_path / "plan.json"
    plan.write_text(json.dumps(TINY[method]))
    model, checkpoints = tmp_path / "model", tmp_path / "checkpoints"
    monkeypatch.setenv("SM_CHANNEL_DATA", str(data))
    monkeypatch.setenv("SM_MODEL_DIR", str(model))
    monkeypatch.setenv("SIGHTLINE_CHECKPOINTS", str(checkpoints))
    hyperparameters = ["--method", method, "--plan", str(plan), "--epochs", "1", "--threads", "1"]
    assert train.main(hyperparameters) == 0
    files = {"model.onnx", "golden.npz", "card.json", "card.md", "checkpoint.pt"}
    assert {file.name for file in model.iterdir()} == files
    assert (checkpoints / "state.pt").is_file()
    assert not list(checkpoints.rglob("*.u8"))
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(model, ".")
    monkeypatch.delenv("SM_MODEL_DIR")
    assert evaluate.main([str(archive), "--data", str(data)]) == 0


def test_a_training_elsewhere_keeps_all_in_its_own_folder(tmp_path: Path) -> None:
    nowhere = {"SIGHTLINE_PROCESSING": str(tmp_path / "none")}
    assert find_job_work_folder(nowhere) == ""
    assert create_job_scratch_folder(nowhere) is None
    job = {"SM_MODEL_DIR": "/opt/ml/model"}
    assert find_job_work_folder(job) == "/opt/ml/checkpoints"
