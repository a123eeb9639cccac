"""Proposes a DetectorPlan: input size, network, anchors, crops, zoom and epochs, each with its reason."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline.vision.anchor_boxes import AnchorLevel, AnchorSpec
from training.fitting.anchor_targets import MIN_MATCH_IOU
from training.planning.box_sizes import (
    BoxSizes,
    count_unmatched,
    find_quantiles,
    measure_ratios,
    measure_sizes,
)
from training.plans.detector_plans import LEVEL_STRIDES, DetectorPlan, NetworkKind

SMALL_BOX_PX = 16.0  # two cells of the finest level
NEARLY_SQUARE = 0.75  # short side by the root of the area
THIN_BOX_PX = 12.0  # the short side of thin boxes
SIDE_STEP_PX, MIN_SIDE_PX, MAX_SIDE_PX = 32, 128, 1024
PYRAMID_FROM_PX = 96.0  # larger boxes need the coarse levels
SIZES_PER_STRIDE = 4.0  # a level has the anchors up to so many times its stride
SIZE_STEPS = (
    1.8,
    1.5,
    1.35,
)  # between neighbouring anchor sizes; the finer ones if boxes are missed
RATIO_SHARES = ((0.1, 0.9), (0.05, 0.95), (0.02, 0.98))  # the flattest and the tallest that count
ALLOWED_UNMATCHED = 0.03
CROP_BY_BOX = 2.0  # a crop is at least so many times as long as most boxes
MIN_CROPPED_PX = 256  # shorter inputs are trained whole
CHANNELS: dict[NetworkKind, tuple[int, ...]] = {
    "pyramid": (32, 64, 128, 192, 256, 64),
    "dense": (32, 32, 64, 96, 48),
}
MAX_EPOCHS, MIN_EPOCHS = 120, 15
TRAINING_S_PER_MEGAPIXEL = {"pyramid": 0.55, "dense": 0.75}  # one thread of a server of 2023
VALIDATION_SHARE = 1.3  # an epoch with its validation, by the training alone


@dataclass(frozen=True)
class PlanProposal:
    """A plan, and the reasons for it in plain words."""

    plan: DetectorPlan
    reasons: tuple[str, ...]


def propose_plan(
    sizes: BoxSizes, labels: Sequence[str], name: str, cpu_minutes: float = 0.0
) -> PlanProposal:
    """The plan for these boxes; with `cpu_minutes` one whose training fits into them, if any does."""
    found = _propose_at(sizes, labels, name, cpu_minutes, 1.0)
    for share in (0.8, 0.64, 0.5) if cpu_minutes else ():
        if found.plan.epochs >= MIN_EPOCHS:
            break
        found = _propose_at(sizes, labels, name, cpu_minutes, share)
    return found


def _propose_at(
    sizes: BoxSizes, labels: Sequence[str], name: str, cpu_minutes: float, share: float
) -> PlanProposal:
    width, height, why_size = _choose_input(sizes, share)
    boxes = sizes.scale_to(width, height)
    roots = measure_sizes(boxes)
    small, most, large = find_quantiles(roots, (0.1, 0.9, 0.975))
    network: NetworkKind = "pyramid" if large > PYRAMID_FROM_PX else "dense"
    anchors, why_anchors = _choose_anchors(sizes, width, height, network)
    crop = _choose_crop(width, height, most)
    zoom = (0.7, 1.6) if small < SMALL_BOX_PX else (0.7, 1.3)
    epochs, why_epochs = _choose_epochs(
        sizes.pictures, crop or (width, height), network, cpu_minutes
    )
    plan = DetectorPlan(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "detector",
        labels=tuple(labels),
        anchors=anchors,
        channels=CHANNELS[network],
        network=network,
        crop=crop,
        zoom=zoom,
        epochs=epochs,
        batch=8 if (crop or (width, height))[0] > 224 else 16,
        max_learning_rate=3e-3,
        patience=max(10, epochs // 4),
    )
    reasons = (
        why_size,
        _explain_network(network, large),
        *why_anchors,
        _explain_crop(crop, most),
        _explain_zoom(zoom, small),
        why_epochs,
    )
    return PlanProposal(plan, reasons)


def _choose_input(sizes: BoxSizes, share: float) -> tuple[int, int, str]:
    across, down = sizes.picture_size
    boxes = sizes.scale_to(across, down)
    (small,) = find_quantiles(measure_sizes(boxes), (0.1,))
    (thin,) = find_quantiles((boxes[:, 2:] - boxes[:, :2]).min(axis=1), (0.1,))
    wanted = min(1.0, max(SMALL_BOX_PX / small, THIN_BOX_PX / thin)) * share
    scale = min(max(wanted, MIN_SIDE_PX / min(across, down)), MAX_SIDE_PX / max(across, down))
    width, height = (_round_side(side * scale) for side in (across, down))
    found = small * math.sqrt(width * height / (across * down))
    reached = "as wanted" if found >= SMALL_BOX_PX - 1 else "smaller than wanted"
    cut = ", made smaller for the minutes given" if share < 1 else ""
    return (
        width,
        height,
        f"input {width} x {height}: most pictures have {across} x {down} px; nine of ten boxes are larger "
        f"than {small:.0f} px there and {found:.0f} px in the input ({SMALL_BOX_PX:.0f} px are wanted, two "
        f"cells of the finest level, and {THIN_BOX_PX:.0f} px of the short side, {thin:.0f} px in the "
        f"pictures; {reached}{cut})",
    )


def _round_side(side: float) -> int:
    return max(MIN_SIDE_PX, SIDE_STEP_PX * round(side / SIDE_STEP_PX))


def _choose_anchors(
    sizes: BoxSizes, width: int, height: int, network: NetworkKind
) -> tuple[AnchorSpec, list[str]]:
    """The coarsest set of sizes and ratios that misses few boxes, else the one that misses fewest."""
    boxes = sizes.scale_to(width, height)
    found: list[tuple[float, AnchorSpec, list[str]]] = []
    for step, shares in zip(SIZE_STEPS, RATIO_SHARES, strict=True):
        spec = _build_anchors(sizes, width, height, network, step, shares)
        missed, of = count_unmatched(boxes, spec)
        low, high = find_quantiles(measure_sizes(boxes), (0.025, 0.975))
        flat, tall = find_quantiles(measure_ratios(boxes), shares)
        ratios = ", ".join(f"{ratio:g}" for ratio in spec.levels[0].ratios)
        sides = ", ".join(f"{size:g}" for level in spec.levels for size in level.sizes)
        why = [
            f"anchor sizes {sides} px: 95 % of the boxes have {low:.0f} to {high:.0f} px (root of the area)",
            f"anchor ratios {ratios}: width to height is {flat:.2f} to {tall:.2f} for "
            f"{100 * (shares[1] - shares[0]):.0f} % of the boxes",
            f"of {of} boxes checked, {missed} ({100 * missed / of:.1f} %) overlap no anchor by IoU "
            f"{MIN_MATCH_IOU}, as training matches them; each of these still has its one nearest anchor",
        ]
        found.append((missed / of, spec, why))
        if missed <= ALLOWED_UNMATCHED * of:
            break
    _, spec, why = min(found, key=lambda one: one[0])
    return spec, why


def _build_anchors(
    sizes: BoxSizes,
    width: int,
    height: int,
    network: NetworkKind,
    step: float,
    shares: Sequence[float],
) -> AnchorSpec:
    boxes = sizes.scale_to(width, height)
    low, high = find_quantiles(measure_sizes(boxes), (0.025, 0.975))
    count = max(2, 1 + math.ceil(math.log(max(high / low, 1.0)) / math.log(step)))
    wanted = [round(float(size), 1) for size in np.geomspace(low, max(high, low * 1.2), count)]
    strides = LEVEL_STRIDES[network]
    flat, tall = find_quantiles(measure_ratios(boxes), shares)
    thin = math.sqrt(
        min(flat, 1 / tall, 1.0)
    )  # the short side of the thinnest, by the root of its area
    thin = thin if thin < NEARLY_SQUARE else 1.0
    by_level: dict[int, list[float]] = {stride: [] for stride in strides}
    for size in wanted:
        fitting = [stride for stride in strides if thin * size <= SIZES_PER_STRIDE * stride]
        by_level[fitting[0] if fitting else strides[-1]].append(size)
    ratios = _choose_ratios(flat, tall, step)
    levels = tuple(
        AnchorLevel(stride, tuple(by_level[stride]) or (3.0 * stride,), ratios)
        for stride in strides
    )
    return AnchorSpec(width, height, levels)


def _choose_ratios(low: float, high: float, step: float) -> tuple[float, ...]:
    """From the lowest to the highest, as far apart as sizes are; one if all boxes are alike."""
    count = 1 + math.ceil(math.log(max(high / low, 1.0)) / math.log(step))
    if high < 1.15 * low:
        return (round(math.sqrt(low * high), 2),)
    return tuple(round(float(ratio), 2) for ratio in np.geomspace(low, high, count))


def _choose_crop(width: int, height: int, most: float) -> tuple[int, int] | None:
    if min(width, height) < MIN_CROPPED_PX:
        return None
    crop = tuple(SIDE_STEP_PX * math.ceil(side / 2 / SIDE_STEP_PX) for side in (width, height))
    return (crop[0], crop[1]) if min(crop) >= CROP_BY_BOX * most else None


def _choose_epochs(
    pictures: int, size: tuple[int, int], network: NetworkKind, cpu_minutes: float
) -> tuple[int, str]:
    megapixels = pictures * size[0] * size[1] / 1e6
    epoch_s = VALIDATION_SHARE * TRAINING_S_PER_MEGAPIXEL[network] * megapixels
    if not cpu_minutes:
        return MAX_EPOCHS, (
            f"epochs {MAX_EPOCHS} at most: about {MAX_EPOCHS * epoch_s / 60:.0f} minutes of one CPU thread, "
            f"roughly, {epoch_s:.0f} s an epoch of {pictures} pictures; give --cpu-minutes to limit them"
        )
    epochs = int(min(MAX_EPOCHS, max(1, 60 * cpu_minutes // epoch_s)))
    short = (
        f"; fewer than {MIN_EPOCHS} learn little, give more minutes" if epochs < MIN_EPOCHS else ""
    )
    return epochs, (
        f"epochs {epochs}: about {epoch_s:.0f} s an epoch of one CPU thread, roughly, and "
        f"{cpu_minutes:g} minutes were given{short}"
    )


def _explain_network(network: NetworkKind, large: float) -> str:
    if network == "pyramid":
        return (
            f"network pyramid (levels of 8 to 64 px): boxes reach {large:.0f} px in the input, too large for "
            "two levels"
        )
    return (
        f"network dense (levels of 8 and 16 px, fast in int8): boxes reach {large:.0f} px in the input, "
        f"less than {PYRAMID_FROM_PX:.0f}"
    )


def _explain_crop(crop: tuple[int, int] | None, most: float) -> str:
    if crop is None:
        return (
            f"no crop: nine of ten boxes have up to {most:.0f} px, and half of the input would cut many of "
            "them, or is too small"
        )
    return (
        f"crop {crop[0]} x {crop[1]}: nine of ten boxes have up to {most:.0f} px and fit into half of the "
        "input; crops near boxes show more of them in the same time"
    )


def _explain_zoom(zoom: tuple[float, float], small: float) -> str:
    if zoom[1] > 1.5:
        return (
            f"zoom {zoom[0]:g} to {zoom[1]:g}: one of ten boxes has less than {small:.0f} px in the input, "
            "so training enlarges them, too"
        )
    return f"zoom {zoom[0]:g} to {zoom[1]:g}: some variety of sizes; no box needs more"
