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
from training.datasets import ANOMALY, NORMAL, DataSet, Images, LabelledPicture, load_inputs
from training.datasets.holdout import (
    Rows,
    draw_by_strata,
    has_mixed_groups,
    hold_out_with_warning,
    select_training_part,
)
from training.evaluation.box_thresholds import compute_mean_union_f1
from training.evaluation.predictions import PicturePrediction
from training.evaluation.predictors import find_map_boxes
from training.fitting.training_loop import TrainingOutcome
from training.methods.classifier_method import compute_draw_odds, find_best_threshold

AnomalyMap = NDArray[np.float32]
MIN_AREAS = (0.0001, 0.0003, 0.001)  # of a region, as a share of the picture
THRESHOLD_CANDIDATES = 10
MAX_VALIDATION_PICTURES = 120


@dataclass(frozen=True)
class NormalsAndValidation:
    """Normal pictures to learn from, and pictures of the training part that show anomalies.

    `mixed`: whether the test part has groups of these, too.
    """

    normals: DataSet
    validation: DataSet
    mixed: bool


@dataclass(frozen=True)
class AnomalyThreshold:
    """From which heat on a place is abnormal, how large a region must be, and the figure so reached."""

    threshold: float
    min_area: float
    union_f1: float


def select_normals_and_validation(found: DataSet, seed: int) -> NormalsAndValidation:
    """Normal pictures of no part or the training part; validation: a share of those with anomalies.

    Nothing is learned from the anomalous ones but the threshold. PictureError if there are too few.
    """
    normal = found.select_splits("train", "")
    normals = replace(normal, pictures=tuple(p for p in normal.pictures if p.label == NORMAL))
    part = select_training_part(found)
    bad = replace(part, pictures=tuple(p for p in part.pictures if p.label == ANOMALY))
    if len(normals.pictures) < 4 or not bad.pictures:
        raise PictureError(
            f"{found.name}: needs normal pictures to learn from and anomalous ones to set the threshold "
            f"by; found are {len(normals.pictures)} and {len(bad.pictures)} outside of the test part"
        )
    share = min(0.5, MAX_VALIDATION_PICTURES / len(bad.pictures))
    mixed = has_mixed_groups(found)
    rows = draw_by_strata(bad.pictures, share, seed, mixed)
    chosen = replace(bad, pictures=tuple(bad.pictures[row] for row in rows))
    return NormalsAndValidation(normals, chosen, mixed)


def find_anomaly_threshold(
    pictures: Sequence[LabelledPicture],
    heats: Sequence[AnomalyMap],
    normal_heats: Sequence[AnomalyMap],
) -> AnomalyThreshold:
    """The threshold with the greatest mean union F1; without boxes, F1 of pictures against normal ones."""
    if not any(picture.boxes for picture in pictures):
        scores = np.array([heat.max() for heat in (*heats, *normal_heats)], np.float64)
        flags = np.arange(len(scores)) < len(heats)
        return AnomalyThreshold(find_best_threshold(scores, flags), 0.0, 0.0)
    best = max(_try_thresholds(pictures, heats, MIN_AREAS[1:2]), key=lambda cut: cut.union_f1)
    others = [_try_threshold(pictures, heats, best.threshold, area) for area in MIN_AREAS]
    return max(best, *others, key=lambda cut: cut.union_f1)


def _try_thresholds(
    pictures: Sequence[LabelledPicture], heats: Sequence[AnomalyMap], areas: Sequence[float]
) -> Iterator[AnomalyThreshold]:
    tops = np.concatenate([np.partition(h.ravel(), -h.size // 8)[-h.size // 8 :] for h in heats])
    for threshold in np.unique(
        np.quantile(tops, 1 - np.geomspace(0.5, 0.002, THRESHOLD_CANDIDATES))
    ):
        yield from (_try_threshold(pictures, heats, float(threshold), area) for area in areas)


def _try_threshold(
    pictures: Sequence[LabelledPicture], heats: Sequence[AnomalyMap], threshold: float, area: float
) -> AnomalyThreshold:
    pairs = zip(heats, pictures, strict=True)
    answers = [build_map_prediction(heat, threshold, area, picture) for heat, picture in pairs]
    return AnomalyThreshold(threshold, area, compute_mean_union_f1(pictures, answers, 0.0))


def build_map_prediction(
    heat: AnomalyMap, threshold: float, min_area: float, picture: LabelledPicture
) -> PicturePrediction:
    """The boxes about the hot regions."""
    size = (picture.width, picture.height)
    boxes = find_map_boxes(heat, threshold, min_area, size, "anomaly")
    return PicturePrediction(tuple(boxes), float(heat.max()))


ReadingT = TypeVar("ReadingT")
RawMapFunction = Callable[
    [Tensor], Tensor
]  # from (1, H, W, 3) uint8 to what a reading makes heat of


def find_best_reading(
    raw: RawMapFunction,
    read: Callable[[Tensor, ReadingT], Tensor],
    readings: Sequence[ReadingT],
    pictures: Sequence[LabelledPicture],
    images: tuple[Images, Images],
) -> tuple[ReadingT, AnomalyThreshold]:
    """The way to make heat, and its cut, with the greatest figure on the validation pictures.

    `images`: of those pictures, and of held-out normal ones.
    """
    with torch.inference_mode():
        both = [[raw(torch.from_numpy(np.array(i)[None])) for i in some] for some in images]
        found = []
        for reading in readings:
            heats, normal = ([read(part, reading)[0].numpy() for part in some] for some in both)
            found.append((reading, find_anomaly_threshold(pictures, heats, normal)))
    return max(found, key=lambda pair: pair[1].union_f1)


class AnomalyMapInputs(NamedTuple):
    """Pictures at model size: normal ones, which of them are held out, how often each of the others is
    drawn (large groups less often by picture), and the validation pictures."""

    normals: Images
    held_out: Rows
    odds: NDArray[np.float64]
    validation: Images


def load_map_inputs(
    parts: NormalsAndValidation,
    preprocessing: str,
    size: tuple[int, int],
    out: Path,
    rule: tuple[float, int],
) -> AnomalyMapInputs:
    """Read both parts' pictures, or find them in `out`; `rule`: which share of the normal ones is held
    out, by which seed."""
    normals = load_inputs(parts.normals.pictures, preprocessing, size, out / "inputs-normal.u8")
    validation = load_inputs(
        parts.validation.pictures, preprocessing, size, out / "inputs-validation.u8"
    )
    held_out = hold_out_with_warning(parts.normals.pictures, *rule, parts.mixed)
    odds = compute_draw_odds([(False, picture.group) for picture in parts.normals.pictures])
    odds[held_out] = 0
    return AnomalyMapInputs(normals, held_out, odds / odds.sum(), validation)


def build_map_facts(
    parts: NormalsAndValidation, cut: AnomalyThreshold, outcome: TrainingOutcome
) -> dict[str, Any]:
    """What the card says of a method that learned from normal pictures."""
    return {
        "thresholds": {"box": cut.threshold, "image": cut.threshold},
        "least_area": cut.min_area,
        "validation": {
            "mean_union_f1": round(cut.union_f1, 4),
            "pictures": len(parts.validation.pictures),
        },
        "normal_pictures": len(parts.normals.pictures),
        "training": msgspec.to_builtins(outcome),
    }
