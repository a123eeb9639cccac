"""The interface of a training method: plans, network, training, and the network as served."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec
from torch import nn

from training.datasets import DataSet
from training.fitting.training_loop import TrainingOutcome
from training.plans.training_schedule import TrainingSchedule

ANOMALY_MAP_OUTPUT = "heat"  # name of the output with the anomaly map, in 0..1


@dataclass(frozen=True)
class Checkpoint:
    """A trained network in evaluation mode, with its method, plan and facts about its training.

    `facts["thresholds"]`: `box` and `image`, chosen on held-out training pictures. A checkpoint of a running
    training may lack them: `TrainingMethod.complete` adds them.
    """

    method: str
    plan: Any
    network: nn.Module
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingOptions:
    """Command-line options of a training; `epochs` 0: the plan's.

    `inputs`: folder for pictures at model size; None: the training's own folder. `save_best` stores the
    checkpoint of each epoch that is the best so far.
    """

    seed: int = 1
    epochs: int = 0
    inputs: Path | None = None
    save_best: Callable[[Checkpoint], None] | None = None

    def build_best_saver(
        self, build: Callable[[TrainingOutcome], Checkpoint]
    ) -> Callable[[TrainingOutcome], None]:
        """What the training loop calls after each best epoch; `build` makes the checkpoint."""

        def save(outcome: TrainingOutcome) -> None:
            if self.save_best is not None:
                self.save_best(build(outcome))

        return save


def apply_options(schedule: TrainingSchedule, options: TrainingOptions) -> TrainingSchedule:
    """A plan's schedule with the command line's seed and epochs."""
    changed: TrainingSchedule = msgspec.structs.replace(
        schedule, seed=options.seed, epochs=options.epochs or schedule.epochs
    )
    return changed


class TrainingMethod(Protocol):
    """A way to find defects: how its network is built, trained and served."""

    name: str
    plan_type: type
    plans: Mapping[str, Any]
    outputs: Sequence[str]  # of the ONNX file
    fp32_parts: Sequence[str]  # modules of the served network that int8 leaves in fp32

    def build_network(self, plan: Any) -> nn.Module:
        """The plan's network with fresh weights."""

    def train(
        self, plan: Any, data_set: DataSet, out: Path, options: TrainingOptions
    ) -> Checkpoint:
        """Train, or resume the state in `out`; PictureError if the data set does not fit the method."""

    def complete(self, checkpoint: Checkpoint, data_set: DataSet, inputs: Path) -> Checkpoint:
        """With the facts that it needs to be served; `inputs` is a folder for pictures at model size."""

    def build_served_network(self, checkpoint: Checkpoint) -> nn.Module:
        """The network to export: (1, H, W, 3) uint8 RGB to the method's outputs."""
