"""Evaluation by part: verdicts on all views of labelled parts, by the policy, as on the station."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from sightline.storage.products import VerdictPolicy
from sightline.vision.model_outputs import InferenceTimings, ServingModel, decode_outputs, run_model
from sightline.vision.onnx_detector import OnnxDetector
from training.datasets import LabelledPicture, load_frame
from training.evaluation.card_figures import SEEN_FACT
from training.evaluation.model_card import add_to_card
from training.evaluation.named_policies import NamedPolicy, find_unjudged_labels
from training.evaluation.part_figures import (
    EvaluatedPart,
    collect_true_defects,
    compute_verdict_figures,
)
from training.evaluation.threshold_costs import ErrorPrices

MIN_SWEEP_SCORE = 0.05  # lower bound of a threshold sweep
SWEPT_SCORES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
CARD_FIGURES = (  # written to the card
    *("models", "judged_by", "labels_not_judged", SEEN_FACT, "parts", "model_ms"),
    *("escapes", "overkill", "review", "recall_by_band"),
)


def run_models_on_parts(
    models: Sequence[ServingModel], pictures: Sequence[LabelledPicture], policy: VerdictPolicy
) -> list[EvaluatedPart]:
    """Run the models on all pictures of each part, as the station does."""
    by_part: dict[int, list[LabelledPicture]] = defaultdict(list)
    for picture in pictures:
        by_part[picture.part_number].append(picture)
    evaluated, started = [], time.monotonic()
    for number, views in sorted(by_part.items()):
        frames = [load_frame(view.file) for view in views]
        outputs = [
            run_model(model, frame, view.camera, InferenceTimings())
            for view, frame in zip(views, frames, strict=True)
            for model in models
        ]
        evaluated.append(
            EvaluatedPart(
                number,
                tuple(view.camera for view in views),
                collect_true_defects(views, policy),
                tuple(decode_outputs(outputs, MIN_SWEEP_SCORE)),
                {view.camera: frame.size for view, frame in zip(views, frames, strict=True)},
            )
        )
        if len(evaluated) % 100 == 0:
            left_s = (time.monotonic() - started) / len(evaluated) * (len(by_part) - len(evaluated))
            sys.stderr.write(f"  {len(evaluated)} of {len(by_part)} parts, {left_s:.0f} s left\n")
    return evaluated


def sweep_tiers(
    parts: Sequence[EvaluatedPart], policy: VerdictPolicy, prices: ErrorPrices
) -> Iterable[dict[str, Any]]:
    """Figures and cost for pairs of reject and review scores of the product's defects."""
    swept = {k: v for k, v in policy.defects.items() if k not in policy.product_labels}
    for reject in SWEPT_SCORES:
        for review in (score for score in SWEPT_SCORES if score <= reject):
            changed = {
                label: msgspec.structs.replace(
                    tiers, reject=reject, review=review, keep=min(0.2, review)
                )
                for label, tiers in swept.items()
            }
            tried = msgspec.structs.replace(policy, defects={**policy.defects, **changed})
            found = compute_verdict_figures(parts, tried)
            yield {
                "reject_from": reject,
                "review_from": review,
                **{
                    name: found[name]["share"]
                    for name in ("escapes", "overkill", "review", "good_parts_reviewed")
                },
                "cost": found["escapes"]["count"] * prices.escape
                + found["overkill"]["count"] * prices.scrap,
            }


def evaluate_parts(
    folders: Sequence[Path],
    pictures: Sequence[LabelledPicture],
    judge: NamedPolicy,
    sweep_prices: ErrorPrices | None = None,
) -> dict[str, Any]:
    """All figures of the models on the parts in these pictures, by the policy."""
    models = [ServingModel(OnnxDetector(folder, threads=1)) for folder in folders]
    labels = sorted({box.label for picture in pictures for box in picture.boxes})
    found = sorted({label for model in models for label in model.contract.labels})
    not_judged = find_unjudged_labels(judge, labels, found)
    parts = run_models_on_parts(models, pictures, judge.policy)
    result: dict[str, Any] = {
        "models": {model.contract.name: model.detector.digest for model in models},
        "parts": {
            "good": sum(part.is_good for part in parts),
            "bad": sum(not part.is_good for part in parts),
            "visibly_bad": sum(part.is_visibly_bad for part in parts),
        },
        "judged_by": judge.name,
        "policy": msgspec.to_builtins(judge.policy),
        "labels_not_judged": not_judged,
        **compute_verdict_figures(parts, judge.policy),
        "model_ms": {model.contract.name: _measure_median_ms(model, pictures) for model in models},
    }
    if sweep_prices:
        result["sweep"] = list(sweep_tiers(parts, judge.policy, sweep_prices))
    return result


def _measure_median_ms(model: ServingModel, pictures: Sequence[LabelledPicture]) -> float:
    size = model.contract.anchors
    image = model.prepare(load_frame(pictures[0].file), size.width, size.height)
    times = []
    for _ in range(50):
        started = time.perf_counter()
        model.detector.infer(image)
        times.append((time.perf_counter() - started) * 1000)
    return round(float(np.median(times)), 2)


def write_part_figures(folder: Path, result: dict[str, Any]) -> None:
    """Write the figures to the model card."""
    figures_of_parts = {name: result[name] for name in CARD_FIGURES}
    tiers = result["policy"]["defects"]
    add_to_card(folder, {"evaluation": figures_of_parts, "recommended_tiers": tiers})
