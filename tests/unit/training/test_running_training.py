"""What a running training shows and stores: which figure, the best epoch so far, and help without PyTorch."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.training.tiny_training import TINY, data_for

COMMANDS = ("train", "plan", "evaluate", "export", "predict")
WITHOUT_TORCH = "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; "
RUN = "runpy.run_module('training.' + sys.argv[0], run_name='__main__', alter_sys=True)"


def run_without_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of training as on a machine without PyTorch."""
    command = [sys.executable, "-c", WITHOUT_TORCH + RUN, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_pytorch(command: str) -> None:
    found = run_without_torch(command, "--help")
    assert found.returncode == 0, found.stderr
    assert "--data" in found.stdout


@pytest.mark.parametrize("command", ["train", "export"])
def test_without_pytorch_one_sentence_says_what_to_do(command: str, tmp_path: Path) -> None:
    first = "ssd" if command == "train" else str(tmp_path / "checkpoint.pt")
    found = run_without_torch(command, first, "--data", str(tmp_path), "--out", str(tmp_path / "o"))
    assert found.returncode == 1
    assert found.stderr == (
        f"training.{command} needs PyTorch, which is not installed here: run make training-environment\n"
    )


def start(method: str, folder: Path, epochs: int) -> tuple[Path, Path, "subprocess.Popen[bytes]"]:
    """Data, --out and process of a training that runs on."""
    data, plan, out = data_for(method, folder / "data"), folder / "plan.json", folder / "work"
    plan.write_text(json.dumps(TINY[method] | ({"epochs": epochs} if method == "ssd" else {})))
    arguments = [method, "--data", str(data), "--out", str(out), "--plan", str(plan)]
    command = [sys.executable, "-m", "training.train", *arguments, "--threads", "1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--epochs", str(epochs)], stderr=log)
    return data, out, process


def wait_for(process: "subprocess.Popen[bytes]", file: Path) -> None:
    """Until the file is there; the process must still run."""
    deadline = time.monotonic() + 100
    while not file.exists():
        assert process.poll() is None, "the training ended"
        assert time.monotonic() < deadline, f"no {file.name}"
        time.sleep(0.05)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("method", ["ssd", "vae"])
def test_the_best_epoch_so_far_is_exported_while_training_runs_and_after_it_was_killed(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")
    from training import export

    data, out, process = start(method, tmp_path, 1000)
    arguments = [str(out), "--data", str(data), "--out"]
    try:
        wait_for(process, out / "progress.json")
        assert export.main([*arguments, str(tmp_path / "running")]) == 0
        assert process.poll() is None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert export.main([*arguments, str(tmp_path / "killed")]) == 0
    assert f"exporting {out / 'best.pt'}: epoch " in capsys.readouterr().err
    for name in ("running", "killed"):
        card = json.loads((tmp_path / name / "card.json").read_text())
        assert card["training"]["best_epoch"] >= 1
        assert set(card["thresholds"]) == {"box", "image"}


def test_each_epoch_says_which_figure_it_is_and_which_way_is_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")
    from tests.unit.training.tiny_training import trained
    from training.methods.checkpoint_file import load_checkpoint

    _, checkpoint = trained("ssd", tmp_path)
    shown = capsys.readouterr().err
    assert "epoch 2: validation AP50 0." in shown
    assert ", higher is better, best so far 0." in shown
    progress = json.loads((checkpoint.parent / "progress.json").read_text())
    run = load_checkpoint(checkpoint).facts["training"]
    for found in (progress, run):
        assert (found["figure"], found["higher_is_better"]) == ("AP50", True)
    assert progress["max_epochs"] == 2


def test_a_folder_without_a_checkpoint_is_refused_with_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")
    from training import export

    arguments = [str(tmp_path), "--data", str(tmp_path), "--out", str(tmp_path / "model")]
    assert export.main(arguments) == 1
    assert "has neither checkpoint.pt nor best.pt" in capsys.readouterr().err
