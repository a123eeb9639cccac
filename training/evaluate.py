"""`python -m training.evaluate MODEL ... --data DIR`: what models are worth on pictures of known truth.

Pictures of parts (COCO with `part_number`) are judged part by part as the station does it; others picture
by picture, one model at a time. The figures go to standard output as JSON; with --out also into a file,
with a report for people beside it.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sightline import __version__
from sightline.errors import ConfigurationError, PictureError, SightlineError
from training.datasets import DataSet
from training.datasets.splits import SPLIT_CHOICES
from training.datasets.storage import open_storage
from training.evaluation.card_figures import (
    ALL_PICTURES,
    CARD_KEY,
    SEEN_FACT,
    build_card_entry,
    format_seen_warning,
)
from training.evaluation.html_report import build_report_html
from training.evaluation.model_archive import find_model_folder
from training.evaluation.model_card import add_to_card
from training.evaluation.named_policies import DEFAULT_POLICY, NamedPolicy, read_policy
from training.evaluation.near_duplicates import compute_duplicate_figures
from training.evaluation.part_evaluation import evaluate_parts, write_part_figures
from training.evaluation.picture_evaluation import (
    compute_baseline_figures,
    evaluate_pictures,
    restrict_labels,
)
from training.evaluation.predictions import PicturePredictor
from training.evaluation.predictors import open_predictor
from training.evaluation.threshold_costs import ErrorPrices
from training.evaluation.training_overlap import count_seen_in_training
from training.jobs.data_options import add_data_options, read_data, read_selected_data
from training.jobs.sagemaker_environment import find_job_model, find_job_output

FIGURES_FILE, REPORT_FILE = "evaluation.json", "report.html"


def evaluate_models(given: argparse.Namespace) -> dict[str, Any]:
    """All figures of these models on this data, written to --out if that is given."""
    judge = read_policy(Path(given.policy)) if given.policy else DEFAULT_POLICY
    folders = [find_model_folder(Path(model)) for model in given.models]
    for folder in folders if given.cards else []:
        add_to_card(folder, {})  # better now than after the work
    found = read_selected_data(given)
    chosen = _select_pictures(found, given.split)
    seen = _count_seen_pictures(folders, found, chosen)
    if any(picture.part_number for picture in chosen.pictures):
        result = evaluate_parts(
            folders, chosen.pictures, judge, _parse_prices(given) if given.sweep else None
        )
        _warn_of_unjudged_labels(result["labels_not_judged"], judge)
        result[SEEN_FACT] = max(seen.values())
        if given.cards:
            for folder in folders:
                write_part_figures(folder, result)
        _store_text(given.out, FIGURES_FILE, json.dumps(result, indent=2) + "\n")
    elif len(folders) == 1:
        result = {}
    else:
        raise ConfigurationError(f"found {len(folders)} models; pictures take one at a time")
    training = _read_training_part(given, found)
    for folder in folders if given.out or not result else []:
        by_picture = _evaluate_by_picture(
            open_predictor(folder), given, chosen, training, seen[folder], judge
        )
        if given.cards and not result:
            add_to_card(folder, {CARD_KEY: build_card_entry(by_picture)})
        result = result or by_picture
    return result


def evaluate_baselines(given: argparse.Namespace) -> dict[str, Any]:
    """What a model on this data must beat, and the near-duplicates that make it easy."""
    found = read_selected_data(given)
    chosen, training = _select_pictures(found, given.split), _read_training_part(given, found)
    if given.labels:
        chosen, training = (
            restrict_labels(chosen, given.labels),
            restrict_labels(training, given.labels),
        )
    return {
        "data": chosen.name,
        "data digest": chosen.compute_digest(),
        "fold": given.fold,
        "pictures": len(chosen.pictures),
        "training pictures": len(training.pictures),
        "baselines": compute_baseline_figures(chosen, training),
        "near_duplicates": compute_duplicate_figures(chosen.pictures, training.pictures),
    }


def _evaluate_by_picture(
    predictor: PicturePredictor,
    given: argparse.Namespace,
    chosen: DataSet,
    training: DataSet,
    seen: int,
    judge: NamedPolicy,
) -> dict[str, Any]:
    labels = given.labels or _select_labels(predictor.labels, chosen, judge)
    started = time.monotonic()
    evaluation = evaluate_pictures(
        predictor,
        restrict_labels(chosen, labels),
        restrict_labels(training, labels),
        _parse_prices(given),
    )
    facts = {
        "model": predictor.name,
        "model digest": predictor.digest,
        "data": chosen.name,
        "data digest": chosen.compute_digest(),
        "split": " and ".join(given.split) or ("test" if _has_splits(chosen) else ALL_PICTURES),
        "fold": given.fold or ("the data set's own split" if _has_splits(chosen) else "no split"),
        "left out": ", ".join(given.without_group) or "nothing",
        "bad labels dropped": len(chosen.problems),
        SEEN_FACT: seen,
        "training pictures compared with": len(training.pictures),
        "run time, s": round(time.monotonic() - started, 1),
        "version": __version__,
    }
    result = {**facts, **evaluation.figures}
    several = any(picture.part_number for picture in chosen.pictures)
    mark = f"{predictor.name}-" if several else ""
    _store_text(given.out, mark + FIGURES_FILE, json.dumps(result, indent=2) + "\n")
    if given.out:
        _store_text(given.out, mark + REPORT_FILE, build_report_html(evaluation, facts))
    return result


def _parse_prices(given: argparse.Namespace) -> ErrorPrices:
    return ErrorPrices(given.price_of_escape, given.price_of_scrap)


def _select_pictures(found: DataSet, splits: Sequence[str]) -> DataSet:
    """The test part, or all if no picture is of any part; PictureError if it is empty."""
    if not splits and not _has_splits(found):
        chosen = found
    else:
        chosen = found.select_splits(*(SPLIT_CHOICES[split] for split in splits or ["test"]))
    if not chosen.pictures:
        counts = Counter(picture.split or "none" for picture in found.pictures)
        there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise PictureError(
            f"{found.name} has no pictures of the split {' or '.join(splits or ['test'])}; there are "
            f"{there or 'none at all'}, to be chosen by --split"
        )
    return chosen


def _has_splits(found: DataSet) -> bool:
    return any(picture.split for picture in found.pictures)


def _count_seen_pictures(
    folders: Sequence[Path], found: DataSet, chosen: DataSet
) -> dict[Path, int]:
    """How many of the pictures each model was trained on; told where there are any."""
    counts = {folder: count_seen_in_training(folder, found, chosen) for folder in folders}
    for folder, count in counts.items():
        if count:
            sys.stderr.write(f"  {folder.name}:{format_seen_warning(count)}\n")
    return counts


def _warn_of_unjudged_labels(not_judged: Sequence[str], judge: NamedPolicy) -> None:
    if not_judged:
        told = ", ".join(not_judged)
        sys.stderr.write(
            f"  {judge.name} does not judge {told}: these are not counted as defects\n"
        )


def _read_training_part(given: argparse.Namespace, found: DataSet) -> DataSet:
    if not given.training:
        return found.select_splits("train")
    other = read_data(given.training, given.format, given.drop_bad_labels)
    part = other.select_splits("train")
    return part if part.pictures else other


def _select_labels(labels: Sequence[str], found: DataSet, judge: NamedPolicy) -> Sequence[str]:
    """Of a model of parts its defects; the data set's own labels if the model uses none of them."""
    common = [label for label in labels if label in found.labels]
    return [label for label in common if label in judge.policy.defects] or common


def _store_text(out: str, name: str, text: str) -> None:
    if out:
        place = open_storage(out)
        place.store(name, text.encode())
        sys.stderr.write(f"{place.address}/{name}\n")


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("models", nargs="*", default=[], help="folders with model.onnx, or a model.tar.gz")
    add_data_options(parser)
    add("--out", default=find_job_output(), help=f"where {FIGURES_FILE} and {REPORT_FILE} go")
    add("--split", nargs="+", default=[], choices=[*SPLIT_CHOICES], help="the parts (test)")
    add("--training", default="", help="where the training pictures are, if not beside")
    add("--labels", nargs="+", default=[], help="boxes of these labels only (the model's)")
    add("--price-of-escape", type=float, default=100.0, help="of an anomaly that passes (100)")
    add("--price-of-scrap", type=float, default=1.0, help="of a good part that is scrapped (1)")
    add("--baselines", action="store_true", help="no model: only what one must beat")
    add("--policy", default="", help="parts: a product's file, or an inference configuration")
    add("--sweep", action="store_true", help="parts: figures for many thresholds, too")
    add("--cards", action="store_true", help="write the figures on the models' cards")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = _build_parser()
    given = parser.parse_args(arguments)
    given.models = given.models or [name for name in [find_job_model()] if name]
    if not (given.models or given.baselines) or not given.data:
        parser.error("MODEL and --data are needed, unless a SageMaker job's environment names them")
    try:
        result = evaluate_baselines(given) if given.baselines else evaluate_models(given)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
