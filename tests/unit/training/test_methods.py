"""Each method, from generated pictures to an exported model; and resuming an interrupted training."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make training-environment")

import torch
from torch import nn

from sightline.errors import ConfigurationError, ModelError
from tests.unit.training.tiny_training import TINY, trained
from training import export
from training.datasets import read_dataset
from training.datasets.holdout import select_training_part
from training.evaluation.predictors import open_predictor
from training.fitting.training_loop import TRAINING_STATE_FILE, TrainingLoop
from training.fitting.training_progress import ValidationFigure
from training.plans.training_schedule import TrainingSchedule


@pytest.mark.parametrize("method", list(TINY))
def test_each_method_trains_and_exports_in_both_precisions_with_the_network_s_outputs(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, checkpoint = trained(method, tmp_path)
    assert "epoch 2: validation" in capsys.readouterr().err
    picture = read_dataset(data).select_splits("test").pictures[0]
    scores = {}
    for precision in ("fp32", "int8"):
        model = tmp_path / precision
        arguments = [str(checkpoint), "--data", str(data), "--out", str(model)]
        assert export.main([*arguments, "--precision", precision]) == 0
        card = json.loads((model / "card.json").read_text())
        assert card["digest"] == open_predictor(model).digest
        assert card["data_digest"] == select_training_part(read_dataset(data)).compute_digest()
        assert f"{precision}, " in (model / "card.md").read_text()
        scores[precision] = open_predictor(model).predict(picture.file).anomaly_score
    assert scores["int8"] == pytest.approx(scores["fp32"], abs=0.1)


class Line:
    """A line to be fitted, whose process dies in the third epoch if it is to."""

    steps_per_epoch = 4
    figure = ValidationFigure("loss", higher_is_better=False)

    def __init__(self, dies: bool = False) -> None:
        torch.manual_seed(5)
        self.network: nn.Module = nn.Linear(2, 1)
        self.dies = dies

    def batches(self, epoch: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Points of the epoch's own."""
        if self.dies and epoch == 2:
            raise KeyboardInterrupt
        random = np.random.default_rng(epoch)
        for _ in range(self.steps_per_epoch):
            points = torch.from_numpy(random.normal(size=(8, 2)).astype(np.float32))
            yield points, points.sum(dim=1, keepdim=True) * 3 + 1

    def loss(self, network: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Squares."""
        return ((network(batch[0]) - batch[1]) ** 2).mean()

    def validate(self, network: nn.Module) -> float:
        """The loss of some other points."""
        return float(self.loss(network, next(iter(Line().batches(99)))))


SCHEDULE = TrainingSchedule(epochs=5, patience=5, max_learning_rate=0.1)


def test_a_training_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed, resumed = Line(), Line(dies=True), Line()
    TrainingLoop(whole, SCHEDULE, tmp_path / "whole", "points").run()
    with pytest.raises(KeyboardInterrupt):
        TrainingLoop(killed, SCHEDULE, tmp_path / "work", "points").run()
    outcome = TrainingLoop(resumed, SCHEDULE, tmp_path / "work", "points").run()
    assert outcome.epochs == 5
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name])


def test_a_training_with_other_data_does_not_go_on_from_a_foreign_state(tmp_path: Path) -> None:
    TrainingLoop(Line(), SCHEDULE, tmp_path, "points").run()
    with pytest.raises(ConfigurationError, match="other data"):
        TrainingLoop(Line(), SCHEDULE, tmp_path, "other points").run()


def test_a_training_ends_when_nothing_gets_better_and_keeps_the_best(tmp_path: Path) -> None:
    task = Line()
    figures = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    task.validate = lambda network: next(figures)  # type: ignore[method-assign]
    schedule = TrainingSchedule(epochs=50, patience=3, max_learning_rate=0.1)
    outcome = TrainingLoop(task, schedule, tmp_path, "points").run()
    assert (outcome.epochs, outcome.best_epoch, outcome.validation) == (5, 2, 1.0)


@pytest.mark.parametrize("left_bytes", [0, 200])
def test_a_truncated_state_is_refused_with_what_to_do(tmp_path: Path, left_bytes: int) -> None:
    TrainingLoop(Line(), SCHEDULE, tmp_path, "points").run()
    os.truncate(tmp_path / TRAINING_STATE_FILE, left_bytes)
    with pytest.raises(ModelError, match=r"(?s)Cannot read .*state\.pt.*remove it to start again"):
        TrainingLoop(Line(), SCHEDULE, tmp_path, "points").run()
