"""SSD: a detector trained on labelled boxes, with anchors of several sizes and any input size."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from sightline.errors import PictureError
from sightline.vision.anchor_boxes import DetectedBoxes, find_boxes, make_anchors
from training.augmentation.detector_crops import (
    GroundTruth,
    build_ground_truth,
    cut_random_crop,
    cut_zoomed_crop,
)
from training.datasets import NORMAL, DataSet, Images, LabelledPicture, load_inputs
from training.datasets.holdout import (
    Rows,
    build_training_identity,
    hold_out_rows,
    select_training_part,
)
from training.evaluation.average_precision import compute_ap50, match_boxes_by_label
from training.evaluation.box_matching import IOU_LIMITS
from training.evaluation.box_thresholds import find_matched_threshold
from training.evaluation.predictions import (
    PicturePrediction,
    PredictedBox,
    build_prediction_from_boxes,
)
from training.fitting.anchor_targets import match_anchors
from training.fitting.detector_losses import compute_detector_loss, compute_overlap_loss
from training.fitting.training_loop import TrainingLoop, TrainingOutcome
from training.fitting.training_progress import ValidationFigure
from training.methods.training_method import Checkpoint, TrainingOptions
from training.models.dense_ssd import DenseSsd
from training.models.pyramid_ssd import PyramidSsd
from training.models.ssd_lite import ChannelWidths, SsdLite
from training.plans.detector_plans import DETECTOR_PLANS, DetectorPlan
from training.plans.training_schedule import TrainingSchedule

BOX_WEIGHT = 0.5
MIN_VALIDATION_SCORE = 0.05
SCORE_CANDIDATES = tuple(round(0.05 * step, 2) for step in range(2, 18))


def build_ssd_network(plan: DetectorPlan) -> nn.Module:
    """The plan's network with fresh weights."""
    if plan.network == "pyramid":
        return PyramidSsd(len(plan.labels), plan.anchors, plan.channels)
    if plan.network == "dense":
        return DenseSsd(len(plan.labels), plan.anchors, ChannelWidths(*plan.channels))
    return SsdLite(len(plan.labels), plan.anchors, ChannelWidths(*plan.channels))


class SsdTask:
    """Training on random crops; held-out pictures are validated whole.

    AP50 and matched F1 know labels. The union F1 does not: one box over the whole picture does well by it.
    """

    figure = ValidationFigure("AP50", higher_is_better=True)

    def __init__(
        self,
        plan: DetectorPlan,
        images: Images,
        pictures: Sequence[LabelledPicture],
        held_out: Rows,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.network = build_ssd_network(plan)
        self._plan, self._images, self._seed = plan, images, seed
        self._held_out = [int(row) for row in held_out]
        self._rows = np.setdiff1d(np.arange(len(pictures)), held_out)
        size = (plan.anchors.width, plan.anchors.height)
        self._truths = [build_ground_truth(picture, plan.labels, size) for picture in pictures]
        self._held_out_pictures = [
            keep_box_labels(pictures[row], plan.labels) for row in self._held_out
        ]
        self._anchors = make_anchors(plan.training_anchors)
        self._anchor_tensor = torch.from_numpy(self._anchors)
        self.steps_per_epoch = max(1, len(self._rows) // plan.batch)
        self.threshold, self.matched_f1, self.ap50 = SCORE_CANDIDATES[0], 0.0, 0.0

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Each picture once, in the epoch's random order and with its random crops."""
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(self._rows)
        for step in range(self.steps_per_epoch):
            yield self._batch(
                order[step * self._plan.batch : (step + 1) * self._plan.batch], random
            )

    def _batch(self, rows: Rows, random: np.random.Generator) -> tuple[Tensor, ...]:
        images, classes, offsets = [], [], []
        for row in rows:
            crop, truth = self._cut_training_crop(int(row), random)
            target = match_anchors(truth.boxes, truth.classes, truth.ignored, self._anchors)
            images.append(crop)
            classes.append(target.classes)
            offsets.append(target.offsets)
        return tuple(torch.from_numpy(np.stack(part)) for part in (images, classes, offsets))

    def _cut_training_crop(
        self, row: int, random: np.random.Generator
    ) -> tuple[Images, GroundTruth]:
        image, truth, size = self._images[row], self._truths[row], self._plan.training_size
        if self._plan.zoom is None:
            return cut_random_crop(image, truth, size, random)
        return cut_zoomed_crop(image, truth, size, self._plan.zoom, random)

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Focal loss of the scores, smooth L1 and generalised IoU of the boxes."""
        images, classes, offsets = batch
        boxes, logits = network(images)
        boxes, logits = boxes.float(), logits.float()
        scores_loss, boxes_loss = compute_detector_loss(boxes, logits, classes, offsets)
        matched = classes >= 0
        anchors = self._anchor_tensor.to(images.device).expand(len(images), -1, -1)[matched]
        shape_loss = compute_overlap_loss(boxes[matched], offsets[matched], anchors)
        return scores_loss + BOX_WEIGHT * boxes_loss + shape_loss / matched.sum().clamp(min=1)

    def validate(self, network: nn.Module) -> float:
        """AP50 of the held-out pictures; also sets the threshold with the highest matched F1."""
        predictions = [
            predict_validation_picture(network, self._images[row], picture, self._plan)
            for row, picture in zip(self._held_out, self._held_out_pictures, strict=True)
        ]
        by_label = match_boxes_by_label(
            self._held_out_pictures, predictions, self._plan.labels, IOU_LIMITS[:1]
        )
        self.ap50 = compute_ap50(by_label)
        self.threshold, self.matched_f1 = find_matched_threshold(by_label, SCORE_CANDIDATES)
        return self.ap50


def drop_unboxed_anomalies(data_set: DataSet) -> DataSet:
    """Without anomalous pictures that have no box: the detector would learn their defects as background."""
    kept = tuple(
        picture
        for picture in data_set.pictures
        if not picture.lost_labels and (picture.boxes or picture.label == NORMAL)
    )
    return replace(data_set, pictures=kept)


def keep_box_labels(picture: LabelledPicture, labels: Sequence[str]) -> LabelledPicture:
    """The picture with the boxes of these labels only."""
    kept = tuple(box for box in picture.boxes if box.label in labels)
    return replace(picture, boxes=kept)


def predict_validation_picture(
    network: nn.Module, image: Images, picture: LabelledPicture, plan: DetectorPlan
) -> PicturePrediction:
    """The prediction for a whole picture, (height, width, 3) at model size."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        boxes, logits = network(torch.from_numpy(np.array(image)[None]).to(device))
    found = find_boxes(
        boxes[0].float().cpu().numpy(),
        torch.sigmoid(logits[0].float()).cpu().numpy(),
        make_anchors(plan.anchors),
        score_threshold=MIN_VALIDATION_SCORE,
    )
    return scale_to_picture(found, plan, picture.width, picture.height)


def scale_to_picture(
    found: DetectedBoxes, plan: DetectorPlan, width: int, height: int
) -> PicturePrediction:
    """Boxes at the model's scale as a prediction in pixels of the picture."""
    scale = np.array([width / plan.anchors.width, height / plan.anchors.height] * 2)
    corners = np.clip(found.boxes * scale, 0, np.array([width, height] * 2))
    return build_prediction_from_boxes(
        [
            PredictedBox(
                plan.labels[label],
                float(score),
                (float(x), float(y), float(right - x), float(bottom - y)),
            )
            for (x, y, right, bottom), score, label in zip(
                corners, found.scores, found.classes, strict=True
            )
        ]
    )


class ServedSsd(nn.Module):  # type: ignore[misc]
    """The network as served: scores in 0..1 instead of logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, H, W, 3) uint8 to raw offsets (1, N, 4) and scores (1, N, labels)."""
        boxes, logits = self.network(image)
        return boxes, torch.sigmoid(logits)


class SsdMethod:
    """SSD for `training.train`."""

    name = "ssd"
    plan_type: type = DetectorPlan
    plans: Mapping[str, Any] = DETECTOR_PLANS
    outputs: Sequence[str] = ("boxes", "scores")
    fp32_parts: Sequence[str] = ("heads",)

    def build_network(self, plan: DetectorPlan) -> nn.Module:
        """The plan's network with fresh weights."""
        return build_ssd_network(plan)

    def train(
        self, plan: DetectorPlan, data_set: DataSet, out: Path, options: TrainingOptions
    ) -> Checkpoint:
        """Train on the boxes of the plan's labels (default: all labels)."""
        plan, whole = _adapt_plan(plan, data_set, options), data_set
        data_set = drop_unboxed_anomalies(whole)
        if len(data_set.pictures) < len(whole.pictures):
            left_out = len(whole.pictures) - len(data_set.pictures)
            sys.stderr.write(
                f"  training without {left_out} pictures: not known to be normal, but not fully boxed\n"
            )
        part, held_out = (
            select_training_part(data_set),
            hold_out_rows(data_set, plan.held_out, options.seed),
        )
        size = (plan.anchors.width, plan.anchors.height)
        cache = (options.inputs or out) / f"inputs-{size[0]}x{size[1]}.u8"
        images = load_inputs(part.pictures, plan.preprocessing, size, cache)
        _check_held_out_boxes(part, held_out, plan.labels)
        task = SsdTask(plan, images, part.pictures, held_out, options.seed)
        schedule = TrainingSchedule(
            epochs=plan.epochs,
            patience=plan.patience,
            max_learning_rate=plan.max_learning_rate,
            seed=options.seed,
        )

        def build(outcome: TrainingOutcome) -> Checkpoint:
            return Checkpoint(self.name, plan, task.network, _build_facts(task, outcome, held_out))

        identity, save_best = _build_identity(plan, part), options.build_best_saver(build)
        outcome = TrainingLoop(task, schedule, out, identity, save_best).run()
        task.validate(task.network)
        return build(outcome)

    def complete(self, checkpoint: Checkpoint, data_set: DataSet, inputs: Path) -> Checkpoint:
        """The checkpoint itself: each epoch sets the threshold."""
        return checkpoint

    def build_served_network(self, checkpoint: Checkpoint) -> nn.Module:
        """The network with the outputs that `sightline.vision.anchor_boxes` decodes."""
        return ServedSsd(checkpoint.network).eval()


def _build_identity(plan: DetectorPlan, part: DataSet) -> str:
    still = msgspec.structs.replace(plan, epochs=0, patience=0)
    return f"{SsdTask.figure.name} {build_training_identity(still, part)}"


def _check_held_out_boxes(part: DataSet, held_out: Rows, labels: Sequence[str]) -> None:
    """PictureError if no held-out picture has a box of the plan's labels: no epoch could be the best."""
    boxes = [box for row in held_out for box in part.pictures[row].boxes]
    if not any(box.visible and box.label in labels for box in boxes):
        raise PictureError(
            f"{part.name}: none of the {len(held_out)} held-out pictures has a box of {', '.join(labels)}: "
            "no best epoch could be chosen. Label more pictures, or try another --seed."
        )


def _adapt_plan(plan: DetectorPlan, data_set: DataSet, options: TrainingOptions) -> DetectorPlan:
    labels = plan.labels or data_set.labels
    missing = [label for label in labels if label not in data_set.labels]
    if missing or not labels:
        raise PictureError(
            f"{data_set.name}: no boxes with the labels {', '.join(missing) or '(any)'}; "
            f"found are {', '.join(data_set.labels) or 'none'}"
        )
    changed: DetectorPlan = msgspec.structs.replace(
        plan, labels=tuple(labels), epochs=options.epochs or plan.epochs
    )
    return changed


def _build_facts(task: SsdTask, outcome: TrainingOutcome, held_out: Rows) -> dict[str, Any]:
    return {
        "thresholds": {"box": task.threshold, "image": task.threshold},
        "validation": {
            "ap50": round(task.ap50, 4),
            "matched_f1": round(task.matched_f1, 4),
            "pictures": len(held_out),
        },
        "training": msgspec.to_builtins(outcome),
    }
