"""Student and teacher, after DeSTSeg (Zhang et al., CVPR 2023), without pretrained weights.

The teacher learns features by restoring damaged normal pictures. The student sees a normal picture with
synthetic defects and learns the teacher's features of the same picture without them. A segmentation head,
the judge, learns from their difference where the defects are. Labelled defects are not used.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.augmentation.image_transforms import dim_randomly, mirror_randomly
from training.augmentation.synthetic_defects import add_defects
from training.augmentation.xray_transforms import (
    add_film_grain,
    overlay_picture,
    transpose_randomly,
    zoom_randomly,
)
from training.datasets import DataSet, Images
from training.datasets.holdout import Rows
from training.fitting.training_loop import TrainingLoop, TrainingOutcome, compute_mean_loss
from training.fitting.training_progress import ValidationFigure
from training.methods.anomaly_map import (
    AnomalyMapInputs,
    MapTraining,
    build_map_facts,
    find_best_reading,
    prepare_map_training,
)
from training.methods.classifier_method import find_best_threshold
from training.methods.training_method import (
    ANOMALY_MAP_OUTPUT,
    Checkpoint,
    TrainingOptions,
    apply_options,
)
from training.models.autoencoder import to_grey
from training.models.student_teacher_networks import StudentTeacherNetwork, TeacherNetwork
from training.plans.anomaly_map_plans import STUDENT_TEACHER_PLANS, StudentTeacherPlan


class StudentTeacherReading(msgspec.Struct, frozen=True):
    """How the judge's map is read: smoothed, relative to the picture's own level, dilated."""

    smoothing: int = 1  # cells, each of 2 pixels
    level: float = 0.0  # share of the picture's own level to subtract, 0..1
    wider: int = 0  # cells to each side


STUDENT_TEACHER_READINGS = tuple(
    StudentTeacherReading(smoothing, level, wider)
    for smoothing in (1, 5)
    for level in (0.0, 0.5, 1.0)
    for wider in (0, 1, 2)
)
LEVEL_POWER = 4  # power mean: high areas set a picture's level, a single spot does not
MIN_CELL_VALUE = 0.001


class DamagedCrops:
    """Crops of normal pictures: with synthetic defects, without, and the defects' masks."""

    def __init__(self, plan: StudentTeacherPlan, both: AnomalyMapInputs, seed: int) -> None:
        self._plan, self._images, self._seed, self._odds = plan, both.normals, seed, both.odds
        self._held_out = np.repeat(both.held_out, plan.crops_per_picture)
        drawn = plan.crops_per_picture * int((both.odds > 0).sum())
        self.steps_per_epoch = max(1, drawn // plan.batch)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Crops for training."""
        random = np.random.default_rng([self._seed, epoch])
        order = random.choice(
            len(self._odds), self.steps_per_epoch * self._plan.batch, p=self._odds
        )
        for step in range(self.steps_per_epoch):
            yield self._batch(
                order[step * self._plan.batch : (step + 1) * self._plan.batch], random
            )

    def held_out_batches(self) -> Iterator[tuple[Tensor, ...]]:
        """The same crops of held-out pictures each time."""
        random = np.random.default_rng([self._seed, 1_000_003])
        for start in range(0, len(self._held_out), self._plan.batch):
            yield self._batch(self._held_out[start : start + self._plan.batch], random)

    def _batch(self, rows: Rows, random: np.random.Generator) -> tuple[Tensor, ...]:
        plan, damaged, whole, masks = self._plan, [], [], []
        for row in rows:
            crop = self._build_varied_crop(row, random)
            changed, mask = add_defects(crop, random, plan.max_flaws, plan.max_flaw_px)
            untouched = random.random() < 0.2
            whole.append(crop)
            damaged.append(crop if untouched else changed)
            masks.append(np.zeros_like(mask) if untouched else mask)
        return tuple(torch.from_numpy(np.stack(part)) for part in (damaged, whole, masks))

    def _build_varied_crop(self, row: int, random: np.random.Generator) -> Images:
        """A crop of this picture, sometimes overlaid with another crop, with film grain."""
        crop = self._cut_training_crop(row, random)
        if random.random() < self._plan.overlay_share:
            other = int(random.choice(len(self._odds), p=self._odds))
            crop = overlay_picture(crop, self._cut_training_crop(other, random), random)
        return add_film_grain(dim_randomly(crop, random), random)

    def _cut_training_crop(self, row: int, random: np.random.Generator) -> Images:
        crop = zoom_randomly(self._images[row], self._plan.crop, random)
        return mirror_randomly(transpose_randomly(crop, random), random)


class TeacherTask:
    """Training of the teacher: restore damaged pictures."""

    figure = ValidationFigure("loss of the teacher", higher_is_better=False)

    def __init__(self, plan: StudentTeacherPlan, crops: DamagedCrops, seed: int) -> None:
        torch.manual_seed(seed)
        self.network: nn.Module = TeacherNetwork(plan.channels)
        self.batches, self.steps_per_epoch = crops.batches, crops.steps_per_epoch
        self._crops = crops

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Smooth L1 between the restored and the undamaged picture."""
        restored = network(to_grey(batch[0])).float()
        return functional.smooth_l1_loss(restored, to_grey(batch[1]), beta=0.1) * 10

    def validate(self, network: nn.Module) -> float:
        """The loss of held-out crops."""
        return compute_mean_loss(self, network, self._crops.held_out_batches())


class StudentTask:
    """Training of student and judge: the teacher's features of the undamaged picture, and the defects."""

    figure = ValidationFigure("loss", higher_is_better=False)

    def __init__(
        self, plan: StudentTeacherPlan, teacher: TeacherNetwork, crops: DamagedCrops, seed: int
    ) -> None:
        torch.manual_seed(seed + 1)
        network = StudentTeacherNetwork(plan.channels, plan.judge)
        network.teacher.load_state_dict(teacher.encoder.state_dict())
        network.teacher.requires_grad_(False)
        self.network: nn.Module = network
        self.batches, self.steps_per_epoch = crops.batches, crops.steps_per_epoch
        self._crops = crops

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """1 - cosine of the features, focal and dice loss of the judge."""
        logits, found = network(to_grey(batch[0]))
        taught = network.teacher_features(to_grey(batch[1]))
        apart = sum((1 - (a * b).sum(dim=1)).mean() for a, b in zip(taught, found, strict=True))
        target = functional.max_pool2d(batch[2][:, None].float(), 2)
        return (
            torch.as_tensor(apart)
            + 10 * compute_focal_loss(logits.float(), target)
            + compute_dice_loss(logits.float(), target)
        )

    def validate(self, network: nn.Module) -> float:
        """The loss of held-out crops."""
        return compute_mean_loss(self, network, self._crops.held_out_batches())


def compute_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean focal loss over all cells."""
    plain = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = (target - torch.sigmoid(logits)).abs()
    return (wrong.square() * plain).mean()


def compute_dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - F1 over the cells of a batch."""
    found = torch.sigmoid(logits)
    return 1 - (2 * (found * target).sum() + 1) / (found.sum() + target.sum() + 1)


class ServedStudentTeacher(nn.Module):  # type: ignore[misc]
    """The network as served: score and anomaly map in 0..1.

    The score comes from the map before the picture's own level is subtracted, which would hide large defects.
    """

    def __init__(self, network: nn.Module, reading: StudentTeacherReading) -> None:
        super().__init__()
        self.network, self.reading = network, reading

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, H, W, 3) uint8 to the score (1,) and the anomaly map (1, H / 2, W / 2)."""
        raw = compute_anomaly_map(self.network, image)
        return max_per_picture(raw), read_anomaly_map(raw, self.reading)


def compute_anomaly_map(network: nn.Module, image: Tensor) -> Tensor:
    """The raw anomaly map, (B, 1, H / 2, W / 2) in 0..1."""
    return torch.sigmoid(network(to_grey(image))[0])


def max_per_picture(anomaly_map: Tensor) -> Tensor:
    """The maximum of each picture's map, (B, 1, h, w) to (B,)."""
    return anomaly_map.flatten(1).amax(dim=1)


def score_pictures(network: nn.Module, images: Images) -> NDArray[np.float64]:
    """The scores of pictures (K, H, W, 3), one by one."""
    with torch.inference_mode():
        found = [
            max_per_picture(compute_anomaly_map(network, torch.from_numpy(np.array(i)[None])))
            for i in images
        ]
    return np.asarray(torch.cat(found).numpy(), np.float64)


def read_anomaly_map(anomaly_map: Tensor, reading: StudentTeacherReading) -> Tensor:
    """Apply a reading to raw maps: (B, 1, h, w) to (B, h, w), in 0..1."""
    cells, wide = reading.smoothing, 2 * reading.wider + 1
    mean = functional.avg_pool2d(anomaly_map, cells, 1, cells // 2, count_include_pad=False)
    level = mean.pow(LEVEL_POWER).mean(dim=(2, 3), keepdim=True).pow(1 / LEVEL_POWER)
    apart = torch.sigmoid(_to_logits(mean) - reading.level * _to_logits(level))
    grown: Tensor = functional.max_pool2d(apart, wide, 1, reading.wider)
    return grown[:, 0]


def _to_logits(anomaly_map: Tensor) -> Tensor:
    inner = anomaly_map.clamp(MIN_CELL_VALUE, 1 - MIN_CELL_VALUE)
    return torch.log(inner / (1 - inner))


class StudentTeacherMethod:
    """Student and teacher for `training.train`."""

    name = "student-teacher"
    plan_type: type = StudentTeacherPlan
    plans: Mapping[str, Any] = STUDENT_TEACHER_PLANS
    outputs: Sequence[str] = ("score", ANOMALY_MAP_OUTPUT)
    fp32_parts: Sequence[str] = ("judge/answer",)

    def build_network(self, plan: StudentTeacherPlan) -> nn.Module:
        """The plan's network with fresh weights."""
        return StudentTeacherNetwork(plan.channels, plan.judge)

    def train(
        self, plan: StudentTeacherPlan, data_set: DataSet, out: Path, options: TrainingOptions
    ) -> Checkpoint:
        """Train teacher, then student; anomalous pictures of the training part set the threshold."""
        prepared = prepare_map_training(plan, data_set, options.inputs or out, options.seed)
        crops = DamagedCrops(plan, prepared.inputs, options.seed)
        teacher = TeacherTask(plan, crops, options.seed)
        few = TrainingOptions(options.seed, min(options.epochs, plan.teacher.epochs))
        teacher_schedule = apply_options(plan.teacher, few)
        TrainingLoop(teacher, teacher_schedule, out / "teacher", prepared.identity).run()
        task = StudentTask(plan, teacher.network, crops, options.seed)

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
        reading = msgspec.convert(checkpoint.facts["reading"], StudentTeacherReading)
        return ServedStudentTeacher(checkpoint.network, reading).eval()


def _choose_reading(checkpoint: Checkpoint, prepared: MapTraining) -> Checkpoint:
    """The checkpoint with the reading and the thresholds that are best on the validation pictures."""
    network, images = checkpoint.network, prepared.validation_images
    reading, best = find_best_reading(
        partial(compute_anomaly_map, network),
        read_anomaly_map,
        STUDENT_TEACHER_READINGS,
        prepared.parts.validation.pictures,
        images,
    )
    facts = {
        **build_map_facts(prepared.parts, best),
        **checkpoint.facts,
        "reading": msgspec.to_builtins(reading),
    }
    scores = [score_pictures(network, some) for some in images]
    flags = np.arange(sum(map(len, scores))) < len(scores[0])
    facts["thresholds"]["image"] = find_best_threshold(np.concatenate(scores), flags)
    return replace(checkpoint, facts=facts)
