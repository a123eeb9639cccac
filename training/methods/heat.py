"""What methods have in common that learn from normal pictures only: their pictures and their threshold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.errors import PictureError
from training.boxes import mean_union_f1
from training.datasets import ANOMALY, NORMAL, DataSet, Images, Picture, load_inputs
from training.evaluation.answers import Answer
from training.evaluation.predictors import boxes_of_heat
from training.holdout import Rows, found_by_strata, hold_out_of, mixes_groups, training_part
from training.loop import Outcome
from training.methods.classifier import best_threshold, odds_of

Heat = NDArray[np.float32]
LEAST_AREAS = (0.0001, 0.0003, 0.001)  # of a region, as a share of the picture
CANDIDATES = 10
GREATEST_VALIDATION = 120


@dataclass(frozen=True)
class NormalsAndValidation:
    """Normal pictures to learn from, and pictures of the training part that show anomalies.

    `mixed`: whether the test part has groups of these, too.
    """

    normals: DataSet
    validation: DataSet
    mixed: bool


@dataclass(frozen=True)
class Cut:
    """From which heat on a place is abnormal, how large a region must be, and the figure so reached."""

    threshold: float
    least_area: float
    figure: float


def normals_and_validation(found: DataSet, seed: int) -> NormalsAndValidation:
    """Normal pictures of no part or the training part; validation: a share of those with anomalies.

    Nothing is learned from the anomalous ones but the threshold. PictureError if there are too few.
    """
    normal = found.of_split("train", "")
    normals = replace(normal, pictures=tuple(p for p in normal.pictures if p.label == NORMAL))
    part = training_part(found)
    bad = replace(part, pictures=tuple(p for p in part.pictures if p.label == ANOMALY))
    if len(normals.pictures) < 4 or not bad.pictures:
        raise PictureError(
            f"{found.name}: needs normal pictures to learn from and anomalous ones to set the threshold "
            f"by; found are {len(normals.pictures)} and {len(bad.pictures)} outside of the test part"
        )
    share = min(0.5, GREATEST_VALIDATION / len(bad.pictures))
    mixed = mixes_groups(found)
    rows = found_by_strata(bad.pictures, share, seed, mixed)
    chosen = replace(bad, pictures=tuple(bad.pictures[row] for row in rows))
    return NormalsAndValidation(normals, chosen, mixed)


def best_cut(
    pictures: Sequence[Picture], heats: Sequence[Heat], normal_heats: Sequence[Heat]
) -> Cut:
    """The threshold with the greatest mean union F1; without boxes, F1 of pictures against normal ones."""
    if not any(picture.boxes for picture in pictures):
        scores = np.array([heat.max() for heat in (*heats, *normal_heats)], np.float64)
        flags = np.arange(len(scores)) < len(heats)
        return Cut(best_threshold(scores, flags), 0.0, 0.0)
    best = max(_cuts(pictures, heats, LEAST_AREAS[1:2]), key=lambda cut: cut.figure)
    others = [_cut(pictures, heats, best.threshold, area) for area in LEAST_AREAS]
    return max(best, *others, key=lambda cut: cut.figure)


def _cuts(
    pictures: Sequence[Picture], heats: Sequence[Heat], areas: Sequence[float]
) -> Iterator[Cut]:
    tops = np.concatenate([np.partition(h.ravel(), -h.size // 8)[-h.size // 8 :] for h in heats])
    for threshold in np.unique(np.quantile(tops, 1 - np.geomspace(0.5, 0.002, CANDIDATES))):
        yield from (_cut(pictures, heats, float(threshold), area) for area in areas)


def _cut(pictures: Sequence[Picture], heats: Sequence[Heat], threshold: float, area: float) -> Cut:
    pairs = zip(heats, pictures, strict=True)
    answers = [answer_of_heat(heat, threshold, area, picture) for heat, picture in pairs]
    return Cut(threshold, area, mean_union_f1(pictures, answers, 0.0))


def answer_of_heat(heat: Heat, threshold: float, least_area: float, picture: Picture) -> Answer:
    """The boxes about the hot regions."""
    size = (picture.width, picture.height)
    boxes = boxes_of_heat(heat, threshold, least_area, size, "anomaly")
    return Answer(tuple(boxes), float(heat.max()))


Reading = TypeVar("Reading")
Raw = Callable[[Tensor], Tensor]  # from (1, H, W, 3) uint8 to what a reading makes heat of


def best_reading(
    raw: Raw,
    read: Callable[[Tensor, Reading], Tensor],
    readings: Sequence[Reading],
    pictures: Sequence[Picture],
    images: tuple[Images, Images],
) -> tuple[Reading, Cut]:
    """The way to make heat, and its cut, with the greatest figure on the validation pictures.

    `images`: of those pictures, and of held-out normal ones.
    """
    with torch.inference_mode():
        both = [[raw(torch.from_numpy(np.array(i)[None])) for i in some] for some in images]
        found = []
        for reading in readings:
            heats, normal = ([read(part, reading)[0].numpy() for part in some] for some in both)
            found.append((reading, best_cut(pictures, heats, normal)))
    return max(found, key=lambda pair: pair[1].figure)


class HeatFacts(NamedTuple):
    """Pictures at model size: normal ones, which of them are held out, how often each of the others is
    drawn (large groups less often by picture), and the validation pictures."""

    normals: Images
    held_out: Rows
    odds: NDArray[np.float64]
    validation: Images


def load_both(
    parts: NormalsAndValidation,
    preprocessing: str,
    size: tuple[int, int],
    out: Path,
    rule: tuple[float, int],
) -> HeatFacts:
    """Read both parts' pictures, or find them in `out`; `rule`: which share of the normal ones is held
    out, by which seed."""
    normals = load_inputs(parts.normals.pictures, preprocessing, size, out / "inputs-normal.u8")
    validation = load_inputs(
        parts.validation.pictures, preprocessing, size, out / "inputs-validation.u8"
    )
    held_out = hold_out_of(parts.normals.pictures, *rule, parts.mixed)
    odds = odds_of([(False, picture.group) for picture in parts.normals.pictures])
    odds[held_out] = 0
    return HeatFacts(normals, held_out, odds / odds.sum(), validation)


def facts_of(parts: NormalsAndValidation, cut: Cut, outcome: Outcome) -> dict[str, Any]:
    """What the card says of a method that learned from normal pictures."""
    return {
        "thresholds": {"box": cut.threshold, "image": cut.threshold},
        "least_area": cut.least_area,
        "validation": {
            "mean_union_f1": round(cut.figure, 4),
            "pictures": len(parts.validation.pictures),
        },
        "normal_pictures": len(parts.normals.pictures),
        "training": msgspec.to_builtins(outcome),
    }
