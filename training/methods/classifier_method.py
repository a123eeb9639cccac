"""Classifier: normal or anomaly, with a calibrated score and an anomaly map."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sightline.errors import PictureError
from training.augmentation.image_transforms import add_blots, dim_randomly, rotate_randomly
from training.datasets import ANOMALY, NORMAL, UNKNOWN, DataSet, Images, load_inputs
from training.datasets.holdout import (
    Rows,
    build_training_identity,
    hold_out_rows,
    select_training_part,
)
from training.fitting.training_loop import TrainingLoop, TrainingOutcome
from training.fitting.training_progress import ValidationFigure
from training.methods.training_method import (
    ANOMALY_MAP_OUTPUT,
    Checkpoint,
    TrainingOptions,
    apply_options,
)
from training.models.classifier_network import ClassifierNetwork, MirrorMean
from training.plans.classifier_plans import CLASSIFIER_PLANS, CLASSIFIER_STRIDE, ClassifierPlan
from training.plans.training_schedule import TrainingSchedule

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

UNKNOWN_CELL = -1.0
CELL_WEIGHT = 0.5


class ScoreCalibration(msgspec.Struct, frozen=True):
    """Platt scaling: probability = 1 / (1 + exp(-(slope * logit + offset))); anomaly from `threshold`."""

    slope: float
    offset: float
    threshold: float

    def to_probability(self, logits: Floats) -> Floats:
        """Probabilities of anomaly."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * logits + self.offset))))


class ClassifierTask:
    """Training of a classifier on pictures with anomaly flags; some rows are held out."""

    figure = ValidationFigure("cross entropy", higher_is_better=False)

    def __init__(
        self,
        plan: ClassifierPlan,
        images: Images,
        flags: Flags,
        groups: Sequence[str],
        held_out: Rows,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.network: nn.Module = ClassifierNetwork(plan.channels)
        self._plan, self._images, self._flags, self._seed = plan, images, flags, seed
        self._held_out = np.asarray(held_out)
        self._rows = np.setdiff1d(np.arange(len(images)), self._held_out)
        self._odds = compute_draw_odds([(flags[row], groups[row]) for row in self._rows])
        self.steps_per_epoch = max(1, min(plan.max_epoch_pictures, len(self._rows)) // plan.batch)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Pictures drawn by their odds, with random rotation and brightness."""
        random = np.random.default_rng([self._seed, epoch])
        count = self.steps_per_epoch * self._plan.batch
        order = random.choice(self._rows, count, p=self._odds)
        for step in range(self.steps_per_epoch):
            rows = order[step * self._plan.batch : (step + 1) * self._plan.batch]
            found = [self._build_example(int(row), random) for row in rows]
            yield tuple(torch.from_numpy(np.stack(part)) for part in zip(*found, strict=True))

    def _build_example(
        self, row: int, random: np.random.Generator
    ) -> tuple[Images, NDArray[np.float32], NDArray[np.float32]]:
        """A picture, its anomaly flag, and its cells' targets: UNKNOWN_CELL if it has a real defect."""
        image, flag = rotate_randomly(self._images[row], random), bool(self._flags[row])
        targets = np.full(
            (image.shape[0] // CLASSIFIER_STRIDE, image.shape[1] // CLASSIFIER_STRIDE),
            0,
            np.float32,
        )
        if flag:
            targets[:] = UNKNOWN_CELL
        elif random.random() < self._plan.synthetic_share:
            image, where = add_blots(image, random, 1)
            flag, targets = True, _mark_defect_cells(where)
        return dim_randomly(image, random), np.float32(flag), targets

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Cross entropy of pictures, with smoothed labels, and of the cells with a known target."""
        logits, cells = network(batch[0])
        whole = functional.binary_cross_entropy_with_logits(logits.float(), 0.02 + 0.96 * batch[1])
        return whole + CELL_WEIGHT * compute_cells_loss(cells.float(), batch[2])

    def validate(self, network: nn.Module) -> float:
        """Cross entropy of the held-out pictures, calibrated on them."""
        logits, flags = (
            compute_logits(network, self._images[self._held_out]),
            self._flags[self._held_out],
        )
        scores = np.clip(fit_calibration(logits, flags).to_probability(logits), 1e-6, 1 - 1e-6)
        return float(-np.mean(np.where(flags, np.log(scores), np.log(1 - scores))))

    def calibrate(self) -> ScoreCalibration:
        """Slope, offset and threshold, fitted on the held-out pictures."""
        return fit_calibration(
            compute_logits(MirrorMean(self.network), self._images[self._held_out]),
            self._flags[self._held_out],
        )


def _mark_defect_cells(where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mark the cells with a defect pixel: (H, W) to (H / 8, W / 8)."""
    height, width = where.shape[0] // CLASSIFIER_STRIDE, where.shape[1] // CLASSIFIER_STRIDE
    whole = where[: height * CLASSIFIER_STRIDE, : width * CLASSIFIER_STRIDE]
    held = whole.reshape(height, CLASSIFIER_STRIDE, width, CLASSIFIER_STRIDE).any(axis=(1, 3))
    return np.asarray(held, np.float32)


def compute_cells_loss(cells: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of cells with a known target; abnormal and normal cells weigh the same."""
    plain = functional.binary_cross_entropy_with_logits(
        cells, targets.clamp(min=0), reduction="none"
    )
    parts = [
        (plain * (targets == value)).sum() / (targets == value).sum().clamp(min=1)
        for value in (0, 1)
    ]
    return (parts[0] + parts[1]) / 2


def compute_draw_odds(kinds: Sequence[tuple[bool, str]]) -> Floats:
    """Draw odds by (anomaly, group): both classes alike, groups by the square root of their size."""
    sizes = Counter(kinds)
    odds = np.array([1 / sizes[kind] ** 0.5 if kind[1] else 1.0 for kind in kinds])
    flags = np.array([flag for flag, _ in kinds])
    for flag in (True, False):
        odds[flags == flag] /= max(odds[flags == flag].sum(), 1e-12)
    return np.asarray(odds / odds.sum())


def compute_logits(network: nn.Module, images: Images, batch: int = 64) -> Floats:
    """Logits of pictures (K, height, width, 3); (K,) float64."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        found = [
            network(torch.from_numpy(np.array(images[at : at + batch])).to(device))[0]
            for at in range(0, len(images), batch)
        ]
    return np.asarray(torch.cat(found).double().cpu().numpy())


def fit_calibration(logits: Floats, flags: Flags) -> ScoreCalibration:
    """Platt's slope and offset by Newton's method, and the threshold with the highest F1.

    Targets are Platt's (N + 1) / (N + 2), so that perfectly separated pictures give no infinite slope.
    """
    positive, negative = int(flags.sum()), int((~flags).sum())
    targets = np.where(flags, (positive + 1) / (positive + 2), 1 / (negative + 2))
    slope_offset = np.array([1.0, 0.0])
    inputs = np.stack([logits, np.ones_like(logits)], axis=1)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-inputs @ slope_offset))
        gradient = inputs.T @ (probability - targets)
        weight = probability * (1 - probability)
        curvature = (inputs * weight[:, None]).T @ inputs + 1e-6 * np.eye(2)
        slope_offset = slope_offset - np.clip(np.linalg.solve(curvature, gradient), -2, 2)
    bare = ScoreCalibration(float(slope_offset[0]), float(slope_offset[1]), 0.5)
    return msgspec.structs.replace(
        bare, threshold=find_best_threshold(bare.to_probability(logits), flags)
    )


def find_best_threshold(scores: Floats, flags: Flags) -> float:
    """The median of the thresholds with the highest F1."""
    order = np.sort(np.unique(scores))
    candidates = np.concatenate([[order[0] / 2], (order[1:] + order[:-1]) / 2])
    found = np.array([compute_f1(scores >= value, flags) for value in candidates])
    best = candidates[found >= found.max() - 1e-12]
    return float(best[len(best) // 2])


def compute_f1(found: Flags, truth: Flags) -> float:
    """F1 of flags; 1 if neither side has one."""
    hits = int((found & truth).sum())
    of = int(found.sum()) + int(truth.sum())
    return 2 * hits / of if of else 1.0


class ServedClassifier(nn.Module):  # type: ignore[misc]
    """The network as served, averaged over mirror images: probability, and probability of each cell."""

    def __init__(self, network: nn.Module, calibration: ScoreCalibration) -> None:
        super().__init__()
        self.network, self.calibration = MirrorMean(network), calibration

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, H, W, 3) uint8 to the probability of anomaly (1,) and its map (1, H / 8, W / 8)."""
        slope, offset = self.calibration.slope, self.calibration.offset
        logits, cells = self.network(image)
        return torch.sigmoid(slope * logits + offset), torch.sigmoid(slope * cells + offset)


class ClassifierMethod:
    """The classifier for `training.train`."""

    name = "classifier"
    plan_type: type = ClassifierPlan
    plans: Mapping[str, Any] = CLASSIFIER_PLANS
    outputs: Sequence[str] = ("score", ANOMALY_MAP_OUTPUT)
    fp32_parts: Sequence[str] = ("cells",)

    def build_network(self, plan: ClassifierPlan) -> nn.Module:
        """The plan's network with fresh weights."""
        return ClassifierNetwork(plan.channels)

    def train(
        self, plan: ClassifierPlan, data_set: DataSet, out: Path, options: TrainingOptions
    ) -> Checkpoint:
        """Train on pictures with a label."""
        known = select_labelled(data_set)
        part = select_training_part(known)
        held_out = hold_out_rows(known, plan.held_out, options.seed, (NORMAL, ANOMALY))
        size = (plan.width, plan.height)
        cache = (options.inputs or out) / f"inputs-{size[0]}x{size[1]}.u8"
        images = load_inputs(part.pictures, plan.preprocessing, size, cache)
        flags = np.array([picture.label == ANOMALY for picture in part.pictures])
        schedule = apply_options(plan.schedule, options)
        groups = [picture.group for picture in part.pictures]
        task = ClassifierTask(plan, images, flags, groups, held_out, options.seed)

        def build(outcome: TrainingOutcome) -> Checkpoint:
            return Checkpoint(self.name, plan, task.network, _build_facts(task, outcome, held_out))

        identity, save_best = _build_identity(plan, part), options.build_best_saver(build)
        return build(TrainingLoop(task, schedule, out, identity, save_best).run())

    def complete(self, checkpoint: Checkpoint, data_set: DataSet, inputs: Path) -> Checkpoint:
        """The checkpoint itself: each one is calibrated."""
        return checkpoint

    def build_served_network(self, checkpoint: Checkpoint) -> nn.Module:
        """The network with its calibration, as served."""
        calibration = msgspec.convert(checkpoint.facts["calibration"], ScoreCalibration)
        return ServedClassifier(checkpoint.network, calibration).eval()


def _build_facts(task: ClassifierTask, outcome: TrainingOutcome, held_out: Rows) -> dict[str, Any]:
    calibration = task.calibrate()
    return {
        "thresholds": {"box": calibration.threshold, "image": calibration.threshold},
        "calibration": msgspec.to_builtins(calibration),
        "validation": {"cross_entropy": outcome.validation, "pictures": len(held_out)},
        "training": msgspec.to_builtins(outcome),
    }


def _build_identity(plan: ClassifierPlan, part: DataSet) -> str:
    return build_training_identity(
        msgspec.structs.replace(plan, schedule=TrainingSchedule(epochs=0, patience=0)), part
    )


def select_labelled(data_set: DataSet) -> DataSet:
    """All pictures with a label; PictureError if the training part has only one of both classes."""
    kept = tuple(picture for picture in data_set.pictures if picture.label != UNKNOWN)
    known = replace(data_set, pictures=kept)
    labels = {picture.label for picture in select_training_part(known).pictures}
    if labels != {NORMAL, ANOMALY}:
        raise PictureError(
            f"{data_set.name}: a classifier needs normal and anomalous pictures to learn from; "
            f"found are {', '.join(sorted(labels)) or 'none'}"
        )
    return known
