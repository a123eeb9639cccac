"""The training loop of all methods: progress, early stopping, resuming, CPU or CUDA."""

import hashlib
import math
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from sightline.cpu_features import has_fast_bfloat16
from sightline.errors import ConfigurationError, ModelError
from training.fitting.torch_files import load_torch_file
from training.fitting.training_progress import TrainingProgress, ValidationFigure
from training.plans.training_schedule import TrainingSchedule

TRAINING_STATE_FILE, PROGRESS_FILE = "state.pt", "progress.json"
TensorBatch = tuple[Tensor, ...]


class TrainingTask(Protocol):
    """What is trained: a network with its batches, loss and validation figure."""

    network: nn.Module
    steps_per_epoch: int
    figure: ValidationFigure

    def batches(self, epoch: int) -> Iterable[TensorBatch]:
        """The batches of an epoch; the same each time for the same epoch."""

    def loss(self, network: nn.Module, batch: TensorBatch) -> Tensor:
        """The loss of a batch on the network's device."""

    def validate(self, network: nn.Module) -> float:
        """The figure for the held-out pictures, for this epoch's weights."""


def compute_mean_loss(
    task: TrainingTask, network: nn.Module, batches: Iterable[TensorBatch]
) -> float:
    """The mean loss of some batches, computed on the network's device."""
    device = next(network.parameters()).device
    losses = [float(task.loss(network, tuple(p.to(device) for p in batch))) for batch in batches]
    return float(np.mean(losses))


class TrainingOutcome(msgspec.Struct, frozen=True):
    """The result of a training: epochs run, the best epoch, its validation figure, and the time.

    `figure` names the validation figure, and `higher_is_better` its direction.
    """

    epochs: int
    best_epoch: int
    validation: float
    seconds: float
    figure: str = ""
    higher_is_better: bool = False


BestCallback = Callable[[TrainingOutcome], None]  # after an epoch that is the best so far


def choose_device() -> torch.device:
    """CUDA if available, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def use_mixed_precision(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 where it is fast: on a GPU, and on a CPU with bfloat16 instructions."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, torch.bfloat16, enabled=device.type == "cuda" or has_fast_bfloat16()
    )
    return context


class TrainingLoop:
    """A training in a folder; resumes after the last full epoch if the folder has its state."""

    def __init__(
        self,
        task: TrainingTask,
        schedule: TrainingSchedule,
        out: Path,
        identity: str,
        save_best: BestCallback | None = None,
    ) -> None:
        torch.manual_seed(schedule.seed)
        self._task, self._schedule, self._out = task, schedule, out
        self._save_best = save_best
        # how long to train may change in a resumed training
        fixed = msgspec.structs.replace(schedule, epochs=0, patience=0)
        self._identity = hashlib.sha256(identity.encode() + msgspec.json.encode(fixed)).hexdigest()
        self._device = choose_device()
        self._network = task.network.to(self._device, memory_format=torch.channels_last)
        self._averaged = {name: t.clone() for name, t in self._network.state_dict().items()}
        self._best = {name: t.clone() for name, t in self._averaged.items()}
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(),
            schedule.max_learning_rate,
            weight_decay=schedule.weight_decay,
        )
        self._epoch, self._best_epoch, self._steps = 0, 0, 0
        self._validation = task.figure.worst
        self._progress = TrainingProgress(task.steps_per_epoch, schedule.epochs, task.figure)

    def run(self) -> TrainingOutcome:
        """Train until the last epoch or no improvement; the network then has the best weights.

        While `save_best` runs, the network has the weights of the best epoch so far.
        """
        self._out.mkdir(parents=True, exist_ok=True)
        self._resume()
        while self._epoch < self._schedule.epochs and not self._has_stopped_improving():
            self._run_epoch()
            self._validate()
            self._save_state()
        self._network.load_state_dict(self._best)
        self._network.eval().to("cpu")
        return self._build_outcome()

    def _build_outcome(self) -> TrainingOutcome:
        figure = self._task.figure
        return TrainingOutcome(
            self._epoch,
            self._best_epoch,
            self._validation,
            self._progress.seconds,
            figure.name,
            figure.higher_is_better,
        )

    def _has_stopped_improving(self) -> bool:
        return self._epoch - self._best_epoch >= self._schedule.patience

    def _run_epoch(self) -> None:
        torch.manual_seed(self._schedule.seed * 1_000_003 + self._epoch)
        self._network.train()
        for batch in self._task.batches(self._epoch):
            for group in self._optimizer.param_groups:
                group["lr"] = self._learning_rate()
            self._optimizer.zero_grad(set_to_none=True)
            moved = tuple(part.to(self._device, non_blocking=True) for part in batch)
            with use_mixed_precision(self._device):
                loss = self._task.loss(self._network, moved)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
            self._optimizer.step()
            self._steps += 1
            self._update_averaged()
            self._progress.show_step(self._epoch, loss.item())
        self._epoch += 1

    def _learning_rate(self) -> float:
        """Warm-up for a twentieth of the steps, then cosine decay."""
        share = self._steps / max(1, self._task.steps_per_epoch * self._schedule.epochs)
        warm = min(1.0, share / 0.05 + 0.01)
        return (
            self._schedule.max_learning_rate
            * warm
            * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
        )

    def _update_averaged(self) -> None:
        """Move the averaged weights towards the current ones; integer buffers are copied."""
        decay = min(self._schedule.averaging, (1 + self._steps) / (10 + self._steps))
        for name, tensor in self._network.state_dict().items():
            if tensor.dtype.is_floating_point:
                self._averaged[name].lerp_(tensor, 1 - decay)
            else:
                self._averaged[name].copy_(tensor)

    def _validate(self) -> None:
        present = {name: t.clone() for name, t in self._network.state_dict().items()}
        self._network.load_state_dict(self._averaged)
        self._network.eval()
        with torch.inference_mode(), use_mixed_precision(self._device):
            value = self._task.validate(self._network)
        if self._task.figure.is_better(value, self._validation):
            self._validation, self._best_epoch = value, self._epoch
            self._best = {name: t.clone() for name, t in self._averaged.items()}
            if self._save_best is not None:
                self._save_best(self._build_outcome())
        self._network.load_state_dict(present)
        self._progress.show_epoch(self._epoch, value, self._validation, self._best_epoch)
        self._write_progress(value)

    def _write_progress(self, value: float) -> None:
        """The outcome so far as JSON, for those who watch the training."""
        content = msgspec.to_builtins(self._build_outcome()) | {
            "last_validation": value,
            "max_epochs": self._schedule.epochs,
        }
        draft = self._out / (PROGRESS_FILE + ".new")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
        draft.replace(self._out / PROGRESS_FILE)

    def _save_state(self) -> None:
        state = {
            "identity": self._identity,
            "network": self._network.state_dict(),
            "kept": self._averaged,
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "counts": [self._epoch, self._best_epoch, self._steps],
            "validation": self._validation,
            "seconds": self._progress.seconds,
        }
        draft = self._out / (TRAINING_STATE_FILE + ".new")
        torch.save(state, draft)
        draft.replace(self._out / TRAINING_STATE_FILE)

    def _resume(self) -> None:
        file = self._out / TRAINING_STATE_FILE
        if not file.is_file():
            return
        state = self._load_state(file)
        if state.get("identity") != self._identity:
            raise ConfigurationError(
                f"{file} is from a training with other data, plan, seed or learning rate, or from another "
                "release. Give another --out, or remove the file to start again."
            )
        self._network.load_state_dict(state["network"])
        self._averaged, self._best = state["kept"], state["best"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._epoch, self._best_epoch, self._steps = state["counts"]
        self._validation = state["validation"]
        self._progress.resume_from(self._epoch, state["seconds"])
        sys.stderr.write(f"  resuming after epoch {self._epoch}, from {file.name}\n")

    def _load_state(self, file: Path) -> dict[str, Any]:
        try:
            return load_torch_file(file, self._device)
        except ModelError as error:
            raise ModelError(f"{error}; remove it to start again") from error
