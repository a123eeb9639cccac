"""`python -m training.train ssd --data DIR --out DIR --plan surface`: trains a detector."""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference.ssd import make_anchors
from sightline.errors import SightlineError
from training.checkpoint import new_network, save_checkpoint
from training.crops import Truth, random_crop, truth_of
from training.datasets import COCO_FILE, Images, Picture, load_inputs, read_coco
from training.losses import detector_loss
from training.models.ssd import SsdLite
from training.plans import PLANS, DetectorPlan, find_plan
from training.targets import match

VALIDATION_EACH = 10  # every tenth part is for validation; all views of a part on the same side
BOX_WEIGHT = 0.5


class Batches:
    """Random crops of a set of pictures as tensors: images, classes and offsets of the anchors."""

    def __init__(
        self, plan: DetectorPlan, images: Images, truths: Sequence[Truth], seed: int
    ) -> None:
        self._plan = plan
        self._images = images
        self._truths = truths
        self._seed = seed
        self._anchors = make_anchors(plan.training_anchors)

    def of_epoch(
        self, rows: Sequence[int], epoch: int, *, full_only: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Each picture once, in an order and with crops of the epoch's own; perhaps full batches only."""
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(np.asarray(rows))
        end = len(order) - self._plan.batch + 1 if full_only else len(order)
        for start in range(0, end, self._plan.batch):
            yield self._batch(order[start : start + self._plan.batch], random)

    def _batch(
        self, rows: np.ndarray, random: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        images, classes, offsets = [], [], []
        for row in rows:
            crop, truth = random_crop(
                self._images[row], self._truths[row], self._plan.training_size, random
            )
            target = match(truth.boxes, truth.classes, truth.ignored, self._anchors)
            images.append(crop)
            classes.append(target.classes)
            offsets.append(target.offsets)
        return tuple(torch.from_numpy(np.stack(part)) for part in (images, classes, offsets))


def split_by_part(pictures: Sequence[Picture]) -> tuple[list[int], list[int]]:
    """Rows for training and for validation."""
    validation = [r for r, p in enumerate(pictures) if p.part_number % VALIDATION_EACH == 0]
    training = [r for r, p in enumerate(pictures) if p.part_number % VALIDATION_EACH]
    return training, validation


def loss_of(network: SsdLite, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The loss of one batch."""
    images, classes, offsets = batch
    boxes, logits = network(images)
    scores_loss, boxes_loss = detector_loss(boxes, logits, classes, offsets)
    return scores_loss + BOX_WEIGHT * boxes_loss


def train(plan: DetectorPlan, data: Path, out: Path, seed: int) -> Path:
    """Train by plan; the best checkpoint by validation loss is kept. Returns its file."""
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    pictures = read_coco(data)
    size = (plan.anchors.width, plan.anchors.height)
    images = load_inputs(pictures, plan.preprocessing, size, out / f"inputs-{size[0]}x{size[1]}.u8")
    truths = [truth_of(picture, plan.labels, size) for picture in pictures]
    rows, held_out = split_by_part(pictures)
    batches = Batches(plan, images, truths, seed)
    network = new_network(plan).to(memory_format=torch.channels_last)
    steps = plan.epochs * (len(rows) // plan.batch)
    optimizer = torch.optim.AdamW(network.parameters(), plan.greatest_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.greatest_rate, total_steps=steps)
    progress = Progress(steps)
    best, file = float("inf"), out / "checkpoint.pt"
    for epoch in range(plan.epochs):
        network.train()
        for batch in batches.of_epoch(rows, epoch, full_only=True):
            optimizer.zero_grad()
            loss = loss_of(network, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            progress.step(epoch, loss.item())
        validation = _validate(network, batches, held_out)
        progress.epoch(epoch, validation)
        if validation < best:
            best = validation
            facts = {
                "data_digest": hashlib.sha256((data / COCO_FILE).read_bytes()).hexdigest(),
                "pictures": len(rows),
                "epochs": epoch + 1,
                "validation_loss": round(validation, 5),
                "seed": seed,
            }
            save_checkpoint(file, plan, network, facts)
    return file


def _validate(network: SsdLite, batches: Batches, rows: Sequence[int]) -> float:
    network.eval()
    with torch.inference_mode():
        crops = batches.of_epoch(rows, 0, full_only=False)
        losses = [loss_of(network, batch).item() for batch in crops]
    return float(np.mean(losses)) if losses else float("inf")


class Progress:
    """Loss, rate and time left, on standard error."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._loss = 0.0
        self._started = time.monotonic()

    def step(self, epoch: int, loss: float) -> None:
        """One batch is done."""
        self._done += 1
        self._loss = loss if self._done == 1 else 0.95 * self._loss + 0.05 * loss
        if self._done % 20 == 0:
            elapsed_s = time.monotonic() - self._started
            left_s = elapsed_s / self._done * (self._steps - self._done)
            sys.stderr.write(
                f"\r  epoch {epoch + 1}: step {self._done} of {self._steps}, "
                f"loss {self._loss:.3f}, {left_s / 60:.1f} min left  "
            )
            sys.stderr.flush()

    def epoch(self, epoch: int, validation: float) -> None:
        """One epoch is done."""
        sys.stderr.write(f"\n  epoch {epoch + 1}: validation loss {validation:.4f}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("method", choices=["ssd"], help="the kind of detector")
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {COCO_FILE}")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--plan", default="surface", help=f"{', '.join(PLANS)} (surface)")
    parser.add_argument("--epochs", type=int, help="instead of the plan's")
    parser.add_argument("--seed", type=int, default=1, help="of weights, order and crops (1)")
    given = parser.parse_args(arguments)
    try:
        plan = find_plan(given.plan)
        if given.epochs is not None:
            import msgspec

            plan = msgspec.structs.replace(plan, epochs=given.epochs)
        file = train(plan, given.data, given.out, given.seed)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
