"""What every method is: plans, a network for a plan, a training, and the network as it is served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec
from torch import nn

from training.datasets import DataSet
from training.fitting.training_loop import TrainingSchedule

ANOMALY_MAP_OUTPUT = "heat"  # the output that says for each place how abnormal it is, in 0..1


@dataclass(frozen=True)
class TrainingOptions:
    """What a person says beside the plan; `epochs` 0: the plan's own.

    `inputs`: where pictures at model size are kept; none: beside the state of the training.
    """

    seed: int = 1
    epochs: int = 0
    inputs: Path | None = None


def apply_options(schedule: TrainingSchedule, options: TrainingOptions) -> TrainingSchedule:
    """A plan's schedule with what a person said."""
    changed: TrainingSchedule = msgspec.structs.replace(
        schedule, seed=options.seed, epochs=options.epochs or schedule.epochs
    )
    return changed


@dataclass(frozen=True)
class Checkpoint:
    """A trained network in evaluation mode, with its method, its plan and facts of its training.

    `facts["thresholds"]`: `box` and `image`, chosen on held-out training pictures.
    """

    method: str
    plan: Any
    network: nn.Module
    facts: dict[str, Any] = field(default_factory=dict)


class TrainingMethod(Protocol):
    """One way to find defects."""

    name: str
    plan_type: type
    plans: Mapping[str, Any]
    outputs: Sequence[str]  # of the ONNX file
    fp32_parts: Sequence[str]  # modules of the served network that int8 leaves alone

    def build_network(self, plan: Any) -> nn.Module:
        """The plan's network with fresh weights."""

    def train(self, plan: Any, found: DataSet, out: Path, options: TrainingOptions) -> Checkpoint:
        """Train, resuming what `out` holds; PictureError if the data set does not fit the method."""

    def build_served_network(self, checkpoint: Checkpoint) -> nn.Module:
        """From (1, H, W, 3) uint8 RGB to the method's outputs."""
