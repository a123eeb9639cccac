"""Shared by methods that learn from normal pictures only: input pictures and the anomaly threshold."""

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
    build_training_identity,
    draw_by_strata,
    has_mixed_groups,
    hold_out_with_warning,
    select_training_part,
)
from training.evaluation.box_thresholds import compute_mean_union_f1
from training.evaluation.predictions import PicturePrediction
from training.evaluation.predictors import find_map_boxes
from training.methods.classifier_method import compute_draw_odds, find_best_threshold
from training.plans.training_schedule import TrainingSchedule

AnomalyMap = NDArray[np.float32]
MIN_AREAS = (0.0001, 0.0003, 0.001)  # of a region, as a share of the picture
THRESHOLD_CANDIDATES = 10
MAX_VALIDATION_PICTURES = 120


@dataclass(frozen=True)
class NormalsAndValidation:
    """Normal pictures to learn from, and anomalous pictures of the training part for validation.

    `mixed`: whether groups of the training part occur in the test part, too.
    """

    normals: DataSet
    validation: DataSet
    mixed: bool


@dataclass(frozen=True)
class AnomalyThreshold:
    """The threshold for anomaly maps, the smallest region that counts, and the union F1 they reach."""

    threshold: float
    min_area: float
    union_f1: float


def select_normals_and_validation(data_set: DataSet, seed: int) -> NormalsAndValidation:
    """Normal pictures outside of the test part, and some anomalous pictures of the training part.

    The anomalous pictures only set the threshold. PictureError if there are too few pictures.
    """
    normal = data_set.select_splits("train", "")
    normals = replace(normal, pictures=tuple(p for p in normal.pictures if p.label == NORMAL))
    part = select_training_part(data_set)
    bad = replace(part, pictures=tuple(p for p in part.pictures if p.label == ANOMALY))
    if len(normals.pictures) < 4 or not bad.pictures:
        raise PictureError(
            f"{data_set.name}: needs normal pictures to learn from and anomalous ones to set the threshold; "
            f"found are {len(normals.pictures)} and {len(bad.pictures)} outside of the test part"
        )
    share = min(0.5, MAX_VALIDATION_PICTURES / len(bad.pictures))
    mixed = has_mixed_groups(data_set)
    rows = draw_by_strata(bad.pictures, share, seed, mixed)
    chosen = replace(bad, pictures=tuple(bad.pictures[row] for row in rows))
    return NormalsAndValidation(normals, chosen, mixed)


def find_anomaly_threshold(
    pictures: Sequence[LabelledPicture],
    maps: Sequence[AnomalyMap],
    normal_maps: Sequence[AnomalyMap],
) -> AnomalyThreshold:
    """The threshold with the highest mean union F1; without boxes, with the highest F1 by picture."""
    if not any(picture.boxes for picture in pictures):
        scores = np.array([anomaly_map.max() for anomaly_map in (*maps, *normal_maps)], np.float64)
        flags = np.arange(len(scores)) < len(maps)
        return AnomalyThreshold(find_best_threshold(scores, flags), 0.0, 0.0)
    best = max(_try_thresholds(pictures, maps, MIN_AREAS[1:2]), key=lambda one: one.union_f1)
    others = [_try_threshold(pictures, maps, best.threshold, area) for area in MIN_AREAS]
    return max(best, *others, key=lambda one: one.union_f1)


def _try_thresholds(
    pictures: Sequence[LabelledPicture], maps: Sequence[AnomalyMap], areas: Sequence[float]
) -> Iterator[AnomalyThreshold]:
    tops = np.concatenate([np.partition(h.ravel(), -h.size // 8)[-h.size // 8 :] for h in maps])
    for threshold in np.unique(
        np.quantile(tops, 1 - np.geomspace(0.5, 0.002, THRESHOLD_CANDIDATES))
    ):
        yield from (_try_threshold(pictures, maps, float(threshold), area) for area in areas)


def _try_threshold(
    pictures: Sequence[LabelledPicture], maps: Sequence[AnomalyMap], threshold: float, area: float
) -> AnomalyThreshold:
    pairs = zip(maps, pictures, strict=True)
    predictions = [
        build_map_prediction(anomaly_map, threshold, area, picture)
        for anomaly_map, picture in pairs
    ]
    return AnomalyThreshold(threshold, area, compute_mean_union_f1(pictures, predictions, 0.0))


def build_map_prediction(
    anomaly_map: AnomalyMap, threshold: float, min_area: float, picture: LabelledPicture
) -> PicturePrediction:
    """The boxes around the regions above the threshold."""
    size = (picture.width, picture.height)
    boxes = find_map_boxes(anomaly_map, threshold, min_area, size, "anomaly")
    return PicturePrediction(tuple(boxes), float(anomaly_map.max()))


ReadingT = TypeVar("ReadingT")
RawMapFunction = Callable[[Tensor], Tensor]  # from (1, H, W, 3) uint8 to a raw map


def find_best_reading(
    raw: RawMapFunction,
    read: Callable[[Tensor, ReadingT], Tensor],
    readings: Sequence[ReadingT],
    pictures: Sequence[LabelledPicture],
    images: tuple[Images, Images],
) -> tuple[ReadingT, AnomalyThreshold]:
    """The reading and threshold with the highest union F1 on the validation pictures.

    A reading turns raw maps into anomaly maps. `images`: validation pictures, held-out normal ones.
    """
    with torch.inference_mode():
        both = [[raw(torch.from_numpy(np.array(i)[None])) for i in some] for some in images]
        found = []
        for reading in readings:
            maps, normal = ([read(part, reading)[0].numpy() for part in some] for some in both)
            found.append((reading, find_anomaly_threshold(pictures, maps, normal)))
    return max(found, key=lambda pair: pair[1].union_f1)


class AnomalyMapInputs(NamedTuple):
    """Normal pictures at model size, the held-out rows, draw odds of the others, validation pictures.

    Pictures of large groups are drawn less often.
    """

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
    """Both parts' pictures at model size, cached in `out`; `rule`: share of held-out normals, and seed."""
    normals = load_inputs(parts.normals.pictures, preprocessing, size, out / "inputs-normal.u8")
    validation = load_inputs(
        parts.validation.pictures, preprocessing, size, out / "inputs-validation.u8"
    )
    held_out = hold_out_with_warning(parts.normals.pictures, *rule, parts.mixed)
    odds = compute_draw_odds([(False, picture.group) for picture in parts.normals.pictures])
    odds[held_out] = 0
    return AnomalyMapInputs(normals, held_out, odds / odds.sum(), validation)


@dataclass(frozen=True)
class MapTraining:
    """What a method that learns from normal pictures starts with: the pictures, and its identity."""

    parts: NormalsAndValidation
    inputs: AnomalyMapInputs
    identity: str

    @property
    def validation_images(self) -> tuple[Images, Images]:
        """The validation pictures, and the held-out normal ones."""
        return self.inputs.validation, self.inputs.normals[self.inputs.held_out]


def prepare_map_training(plan: Any, data_set: DataSet, inputs: Path, seed: int) -> MapTraining:
    """The pictures of a training by this plan (VaePlan or StudentTeacherPlan), cached in `inputs`."""
    parts = select_normals_and_validation(data_set, seed)
    size = (plan.width, plan.height)
    both = load_map_inputs(parts, plan.preprocessing, size, inputs, (plan.held_out, seed))
    # how long to train may change in a resumed training
    schedules = [
        field.name
        for field in msgspec.structs.fields(plan)
        if isinstance(getattr(plan, field.name), TrainingSchedule)
    ]
    none = TrainingSchedule(epochs=0, patience=0)
    still = msgspec.structs.replace(plan, **dict.fromkeys(schedules, none))
    return MapTraining(parts, both, build_training_identity(still, parts.normals))


def build_map_facts(parts: NormalsAndValidation, best: AnomalyThreshold) -> dict[str, Any]:
    """The facts for the model card."""
    return {
        "thresholds": {"box": best.threshold, "image": best.threshold},
        "least_area": best.min_area,
        "validation": {
            "mean_union_f1": round(best.union_f1, 4),
            "pictures": len(parts.validation.pictures),
        },
        "normal_pictures": len(parts.normals.pictures),
    }
