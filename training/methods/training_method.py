"""The interface of a training method: plans, network, training, and the network as served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec
from torch import nn

from training.datasets import DataSet
from training.fitting.training_loop import TrainingSchedule

ANOMALY_MAP_OUTPUT = "heat"  # name of the output with the anomaly map, in 0..1


@dataclass(frozen=True)
class TrainingOptions:
    """Command-line options of a training; `epochs` 0: the plan's.

    `inputs`: folder for pictures at model size; None: the training's own folder.
    """

    seed: int = 1
    epochs: int = 0
    inputs: Path | None = None


def apply_options(schedule: TrainingSchedule, options: TrainingOptions) -> TrainingSchedule:
    """A plan's schedule with the command line's seed and epochs."""
    changed: TrainingSchedule = msgspec.structs.replace(
        schedule, seed=options.seed, epochs=options.epochs or schedule.epochs
    )
    return changed


@dataclass(frozen=True)
class Checkpoint:
    """A trained network in evaluation mode, with its method, plan and facts about its training.

    `facts["thresholds"]`: `box` and `image`, chosen on held-out training pictures.
    """

    method: str
    plan: Any
    network: nn.Module
    facts: dict[str, Any] = field(default_factory=dict)


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

    def build_served_network(self, checkpoint: Checkpoint) -> nn.Module:
        """The network to export: (1, H, W, 3) uint8 RGB to the method's outputs."""
