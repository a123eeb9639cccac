"""VAE: learns to reconstruct normal pictures; anomalies are where a picture differs from its reconstruction.

The reconstruction error, in units of the expected spread, is the anomaly map. Connected regions above a
threshold, which validation pictures set, become boxes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augmentation.image_transforms import crop_randomly, dim_randomly, mirror_randomly
from training.datasets import DataSet
from training.fitting.training_loop import TrainingLoop, TrainingOutcome, compute_mean_loss
from training.fitting.training_progress import ValidationFigure
from training.methods.anomaly_map import (
    AnomalyMapInputs,
    MapTraining,
    build_map_facts,
    find_best_reading,
    prepare_map_training,
)
from training.methods.training_method import (
    ANOMALY_MAP_OUTPUT,
    Checkpoint,
    TrainingOptions,
    apply_options,
)
from training.models.autoencoder import VariationalAutoencoder, to_grey
from training.plans.anomaly_map_plans import VAE_PLANS, VaePlan

ErrorSide = Literal["both", "brighter", "darker"]
ERROR_SIDES: tuple[ErrorSide, ...] = ("both", "brighter", "darker")
MAP_SMOOTHINGS = (3, 9)  # cells of the map, each of 2 pixels
HALF_VALUE_SPREADS = 3.0  # an error of so many spreads has the value 0.5


class VaeReading(msgspec.Struct, frozen=True):
    """How the error map is read: which errors count, and the width of the smoothing."""

    side: ErrorSide
    smoothing: int


class VaeTask:
    """Training on crops of normal pictures; some pictures are held out."""

    figure = ValidationFigure("loss", higher_is_better=False)

    def __init__(self, plan: VaePlan, both: AnomalyMapInputs, seed: int) -> None:
        torch.manual_seed(seed)
        self.network: nn.Module = VariationalAutoencoder(plan.channels, plan.code)
        self._plan, self._images, self._held_out, self._seed = (
            plan,
            both.normals,
            both.held_out,
            seed,
        )
        self._odds = both.odds
        drawn = plan.crops_per_picture * int((both.odds > 0).sum())
        self.steps_per_epoch = max(1, drawn // plan.batch)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Random crops, mirrored and with random brightness."""
        random = np.random.default_rng([self._seed, epoch])
        order = random.choice(
            len(self._odds), self.steps_per_epoch * self._plan.batch, p=self._odds
        )
        for step in range(self.steps_per_epoch):
            rows = order[step * self._plan.batch : (step + 1) * self._plan.batch]
            crops = [crop_randomly(self._images[row], self._plan.crop, random) for row in rows]
            changed = [dim_randomly(mirror_randomly(crop, random), random) for crop in crops]
            yield (torch.from_numpy(np.stack(changed)),)

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Reconstruction error, negative log likelihood of the spread, divergence of the code."""
        grey = to_grey(batch[0])
        expected, spread, mean, log_variance = (part.float() for part in network(grey))
        pixels = functional.smooth_l1_loss(expected, grey, beta=0.1) * 10
        unlikely = (((grey - expected.detach()) / spread.exp()).square() / 2 + spread).mean()
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
        return pixels + 0.1 * unlikely + self._plan.code_weight * divergence

    def validate(self, network: nn.Module) -> float:
        """The loss of the held-out pictures."""
        pictures = (self._images[row : row + 1] for row in self._held_out)
        return compute_mean_loss(
            self, network, ((torch.from_numpy(np.array(p)),) for p in pictures)
        )


class ServedVae(nn.Module):  # type: ignore[misc]
    """The network as served: score and anomaly map in 0..1."""

    def __init__(self, network: nn.Module, reading: VaeReading) -> None:
        super().__init__()
        self.network, self.reading = network, reading

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, H, W, 3) uint8 to the map's maximum (1,) and the map (1, H / 2, W / 2)."""
        anomaly_map = read_error_map(compute_error_map(self.network, image), self.reading)
        return anomaly_map.flatten(1).amax(dim=1), anomaly_map


def compute_error_map(network: nn.Module, image: Tensor) -> Tensor:
    """How much brighter a picture is than its reconstruction, in spreads: (B, 1, H / 2, W / 2)."""
    grey = to_grey(image)
    expected, spread, _, _ = network(grey)
    return functional.avg_pool2d((grey - expected) / spread.exp(), 2)


def read_error_map(errors: Tensor, reading: VaeReading) -> Tensor:
    """The anomaly map (B, h, w) in 0..1 from errors (B, 1, h, w)."""
    sided = {"both": errors.abs(), "brighter": errors, "darker": -errors}[reading.side]
    width = reading.smoothing
    smooth = functional.avg_pool2d(sided, width, 1, width // 2, count_include_pad=False)
    positive = smooth[:, 0].clamp(min=0)
    return positive / (positive + HALF_VALUE_SPREADS)


class VaeMethod:
    """The VAE for `training.train`."""

    name = "vae"
    plan_type: type = VaePlan
    plans: Mapping[str, Any] = VAE_PLANS
    outputs: Sequence[str] = ("score", ANOMALY_MAP_OUTPUT)
    fp32_parts: Sequence[str] = ("answer", "code")

    def build_network(self, plan: VaePlan) -> nn.Module:
        """The plan's network with fresh weights."""
        return VariationalAutoencoder(plan.channels, plan.code)

    def train(
        self, plan: VaePlan, data_set: DataSet, out: Path, options: TrainingOptions
    ) -> Checkpoint:
        """Train on normal pictures; anomalous pictures of the training part set the threshold."""
        prepared = prepare_map_training(plan, data_set, options.inputs or out, options.seed)
        task = VaeTask(plan, prepared.inputs, options.seed)

        def build(outcome: TrainingOutcome) -> Checkpoint:
            facts = {"training": msgspec.to_builtins(outcome)}
            return Checkpoint(self.name, plan, task.network, facts)

        schedule, save_best = apply_options(plan.schedule, options), options.build_best_saver(build)
        outcome = TrainingLoop(task, schedule, out, prepared.identity, save_best).run()
        return _choose_reading(build(outcome), prepared)

    def complete(self, checkpoint: Checkpoint, data_set: DataSet, inputs: Path) -> Checkpoint:
        """With the reading of its map and its thresholds, which a running training has not chosen yet."""
        if "reading" in checkpoint.facts:
            return checkpoint
        prepared = prepare_map_training(checkpoint.plan, data_set, inputs, checkpoint.facts["seed"])
        return _choose_reading(checkpoint, prepared)

    def build_served_network(self, checkpoint: Checkpoint) -> nn.Module:
        """The network with its reading, as served."""
        reading = msgspec.convert(checkpoint.facts["reading"], VaeReading)
        return ServedVae(checkpoint.network, reading).eval()


def _choose_reading(checkpoint: Checkpoint, prepared: MapTraining) -> Checkpoint:
    """The checkpoint with the reading and the threshold that are best on the validation pictures."""
    reading, best = find_best_reading(
        partial(compute_error_map, checkpoint.network),
        read_error_map,
        [VaeReading(side, width) for side in ERROR_SIDES for width in MAP_SMOOTHINGS],
        prepared.parts.validation.pictures,
        prepared.validation_images,
    )
    facts = {
        **build_map_facts(prepared.parts, best),
        **checkpoint.facts,
        "reading": msgspec.to_builtins(reading),
    }
    return replace(checkpoint, facts=facts)
