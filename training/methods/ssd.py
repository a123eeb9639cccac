"""SSD: boxes learned from boxes. A MobileNet backbone, anchors of several sizes, any input size."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from inference.ssd import Boxes, find_boxes, make_anchors
from sightline.errors import PictureError
from training.boxes import best_box_threshold
from training.crops import Truth, random_crop, truth_of, zoomed_crop
from training.datasets import NORMAL, DataSet, Images, Picture, load_inputs
from training.evaluation.answers import Answer, FoundBox, answer_of_boxes
from training.holdout import Rows, hold_out, identity_of, training_part
from training.loop import Fit, Outcome, Schedule
from training.losses import detector_loss, overlap_loss
from training.methods.method import Checkpoint, Options
from training.models.dense import DenseSsd
from training.models.pyramid import PyramidSsd
from training.models.ssd import SsdLite, Widths
from training.plans import PLANS, DetectorPlan
from training.targets import match

BOX_WEIGHT = 0.5
LOWEST_SCORE = 0.05
CANDIDATES = tuple(round(0.05 * step, 2) for step in range(2, 18))


def new_network(plan: DetectorPlan) -> nn.Module:
    """The plan's network with fresh weights."""
    if plan.network == "pyramid":
        return PyramidSsd(len(plan.labels), plan.anchors, plan.channels)
    if plan.network == "dense":
        return DenseSsd(len(plan.labels), plan.anchors, Widths(*plan.channels))
    return SsdLite(len(plan.labels), plan.anchors, Widths(*plan.channels))


class SsdTask:
    """Crops of pictures with their targets; the held-out pictures are seen whole."""

    def __init__(
        self,
        plan: DetectorPlan,
        images: Images,
        pictures: Sequence[Picture],
        held_out: Rows,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.network = new_network(plan)
        self._plan, self._images, self._seed = plan, images, seed
        self._held_out = [int(row) for row in held_out]
        self._rows = np.setdiff1d(np.arange(len(pictures)), held_out)
        size = (plan.anchors.width, plan.anchors.height)
        self._truths = [truth_of(picture, plan.labels, size) for picture in pictures]
        self._held_out_pictures = [of_labels(pictures[row], plan.labels) for row in self._held_out]
        self._anchors = make_anchors(plan.training_anchors)
        self._anchor_tensor = torch.from_numpy(self._anchors)
        self.steps_per_epoch = max(1, len(self._rows) // plan.batch)
        self.threshold, self.union_f1 = CANDIDATES[0], 0.0

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Each picture once, in an order and with crops of the epoch's own."""
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(self._rows)
        for step in range(self.steps_per_epoch):
            yield self._batch(
                order[step * self._plan.batch : (step + 1) * self._plan.batch], random
            )

    def _batch(self, rows: Rows, random: np.random.Generator) -> tuple[Tensor, ...]:
        images, classes, offsets = [], [], []
        for row in rows:
            crop, truth = self._crop(int(row), random)
            target = match(truth.boxes, truth.classes, truth.ignored, self._anchors)
            images.append(crop)
            classes.append(target.classes)
            offsets.append(target.offsets)
        return tuple(torch.from_numpy(np.stack(part)) for part in (images, classes, offsets))

    def _crop(self, row: int, random: np.random.Generator) -> tuple[Images, Truth]:
        image, truth, size = self._images[row], self._truths[row], self._plan.training_size
        if self._plan.zoom is None:
            return random_crop(image, truth, size, random)
        return zoomed_crop(image, truth, size, self._plan.zoom, random)

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Focal loss of the scores, smooth L1 and generalised IoU of the boxes."""
        images, classes, offsets = batch
        boxes, logits = network(images)
        boxes, logits = boxes.float(), logits.float()
        scores_loss, boxes_loss = detector_loss(boxes, logits, classes, offsets)
        matched = classes >= 0
        anchors = self._anchor_tensor.to(images.device).expand(len(images), -1, -1)[matched]
        shape_loss = overlap_loss(boxes[matched], offsets[matched], anchors)
        return scores_loss + BOX_WEIGHT * boxes_loss + shape_loss / matched.sum().clamp(min=1)

    def validate(self, network: nn.Module) -> float:
        """1 - the mean union F1 of the held-out pictures at the best threshold."""
        answers = [
            answer_of(network, self._images[row], picture, self._plan)
            for row, picture in zip(self._held_out, self._held_out_pictures, strict=True)
        ]
        self.threshold, self.union_f1 = best_box_threshold(
            self._held_out_pictures, answers, CANDIDATES
        )
        return 1 - self.union_f1


def placed(found: DataSet) -> DataSet:
    """Without pictures with something on them that no box tells of: to learn from, it would be background."""
    kept = tuple(
        picture
        for picture in found.pictures
        if not picture.lost_labels and (picture.boxes or picture.label == NORMAL)
    )
    return replace(found, pictures=kept)


def of_labels(picture: Picture, labels: Sequence[str]) -> Picture:
    """The picture with the boxes of these labels only."""
    kept = tuple(box for box in picture.boxes if box.label in labels)
    return replace(picture, boxes=kept)


def answer_of(network: nn.Module, image: Images, picture: Picture, plan: DetectorPlan) -> Answer:
    """The network's answer to a picture seen whole, (height, width, 3) at model size."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        boxes, logits = network(torch.from_numpy(np.array(image)[None]).to(device))
    found = find_boxes(
        boxes[0].float().cpu().numpy(),
        torch.sigmoid(logits[0].float()).cpu().numpy(),
        make_anchors(plan.anchors),
        score_threshold=LOWEST_SCORE,
    )
    return in_picture(found, plan, picture.width, picture.height)


def in_picture(found: Boxes, plan: DetectorPlan, width: int, height: int) -> Answer:
    """Boxes at the model's scale as an answer in pixels of the picture."""
    scale = np.array([width / plan.anchors.width, height / plan.anchors.height] * 2)
    corners = np.clip(found.boxes * scale, 0, np.array([width, height] * 2))
    return answer_of_boxes(
        [
            FoundBox(
                plan.labels[label],
                float(score),
                (float(x), float(y), float(right - x), float(bottom - y)),
            )
            for (x, y, right, bottom), score, label in zip(
                corners, found.scores, found.classes, strict=True
            )
        ]
    )


class Served(nn.Module):  # type: ignore[misc]
    """The network as it is served: scores in 0..1 instead of logits."""

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
    plans: Mapping[str, Any] = PLANS
    outputs: Sequence[str] = ("boxes", "scores")
    fp32_parts: Sequence[str] = ("heads",)

    def new_network(self, plan: DetectorPlan) -> nn.Module:
        """The plan's network with fresh weights."""
        return new_network(plan)

    def train(self, plan: DetectorPlan, found: DataSet, out: Path, options: Options) -> Checkpoint:
        """Train on the boxes of the plan's labels, or of all."""
        plan, given = _of_data_set(plan, found, options), found
        found = placed(given)
        if len(found.pictures) < len(given.pictures):
            left_out = len(given.pictures) - len(found.pictures)
            sys.stderr.write(
                f"  without {left_out} pictures of which no box tells what is on them\n"
            )
        part, held_out = training_part(found), hold_out(found, plan.held_out, options.seed)
        size = (plan.anchors.width, plan.anchors.height)
        cache = (options.inputs or out) / f"inputs-{size[0]}x{size[1]}.u8"
        images = load_inputs(part.pictures, plan.preprocessing, size, cache)
        task = SsdTask(plan, images, part.pictures, held_out, options.seed)
        schedule = Schedule(
            epochs=plan.epochs,
            patience=plan.patience,
            greatest_rate=plan.greatest_rate,
            seed=options.seed,
        )
        outcome = Fit(task, schedule, out, _identity(plan, part)).run()
        task.validate(task.network)
        return Checkpoint(self.name, plan, task.network, _facts(task, outcome, held_out))

    def served(self, checkpoint: Checkpoint) -> nn.Module:
        """Raw offsets and scores, as `inference` decodes them."""
        return Served(checkpoint.network).eval()


def _identity(plan: DetectorPlan, part: DataSet) -> str:
    return identity_of(msgspec.structs.replace(plan, epochs=0, patience=0), part)


def _of_data_set(plan: DetectorPlan, found: DataSet, options: Options) -> DetectorPlan:
    labels = plan.labels or found.labels
    missing = [label for label in labels if label not in found.labels]
    if missing or not labels:
        raise PictureError(
            f"{found.name}: no boxes with the labels {', '.join(missing) or '(any)'}; "
            f"found are {', '.join(found.labels) or 'none'}"
        )
    changed: DetectorPlan = msgspec.structs.replace(
        plan, labels=tuple(labels), epochs=options.epochs or plan.epochs
    )
    return changed


def _facts(task: SsdTask, outcome: Outcome, held_out: Rows) -> dict[str, Any]:
    return {
        "thresholds": {"box": task.threshold, "image": task.threshold},
        "validation": {"mean_union_f1": round(task.union_f1, 4), "pictures": len(held_out)},
        "training": msgspec.to_builtins(outcome),
    }
