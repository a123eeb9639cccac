"""Evaluate models on labelled pictures: `python -m training.evaluate MODEL ... --data DIR`.

Pictures of parts (COCO with `part_number`) are judged part by part, as the station judges them. Other
pictures are evaluated one by one, with one model. The figures are printed as JSON; --out also writes them
to a file, with an HTML report.
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
from sightline.command_output import run_command
from sightline.errors import ConfigurationError, PictureError, SightlineError
from training.datasets import UNKNOWN, DataSet
from training.datasets.label_checks import adopt_spelling
from training.datasets.reading_summary import summarize_reading
from training.datasets.splits import SPLIT_CHOICES
from training.datasets.storage import open_storage
from training.evaluation.card_figures import (
    ALL_PICTURES,
    CARD_KEY,
    SEEN_FACT,
    build_card_entry,
    format_seen_warning,
)
from training.evaluation.html_report import build_baselines_html, build_report_html
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
BASELINES_FILE, BASELINES_PAGE = "baselines.json", "baselines.html"


def evaluate_models(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of the models on the data; also written to --out if given."""
    judge = read_policy(Path(args.policy)) if args.policy else DEFAULT_POLICY
    folders = [find_model_folder(Path(model)) for model in args.models]
    for folder in folders if args.cards else []:
        add_to_card(folder, {})  # fails now rather than after the evaluation
    data_set = read_selected_data(args)
    chosen = _select_pictures(data_set, args.split)
    seen = _count_seen_pictures(folders, data_set, chosen)
    if any(picture.part_number for picture in chosen.pictures):
        result = evaluate_parts(
            folders, chosen.pictures, judge, _parse_prices(args) if args.sweep else None
        )
        _warn_of_unjudged_labels(result["labels_not_judged"], judge)
        result[SEEN_FACT] = max(seen.values())
        result["data read"] = summarize_reading(chosen)
        if args.cards:
            for folder in folders:
                write_part_figures(folder, result)
        _store_text(args.out, FIGURES_FILE, json.dumps(result, indent=2) + "\n")
    elif len(folders) == 1:
        result = {}
    else:
        raise ConfigurationError(
            f"found {len(folders)} models; pictures without part_number take one at a time"
        )
    training = _read_training_part(args, data_set)
    for folder in folders if args.out or not result else []:
        by_picture = _evaluate_by_picture(
            open_predictor(folder), args, chosen, training, seen[folder], judge
        )
        if args.cards and not result:
            add_to_card(folder, {CARD_KEY: build_card_entry(by_picture)})
        result = result or by_picture
    return result


def evaluate_baselines(args: argparse.Namespace) -> dict[str, Any]:
    """The baselines that a model must beat on this data, and its near-duplicates across the split."""
    data_set = read_selected_data(args)
    chosen, training = _select_pictures(data_set, args.split), _read_training_part(args, data_set)
    if args.labels:
        chosen, training = (
            restrict_labels(chosen, args.labels),
            restrict_labels(training, args.labels),
        )
    result = {
        "data": chosen.name,
        "data digest": chosen.compute_digest(),
        "fold": args.fold,
        "data read": summarize_reading(chosen),
        "pictures": len(chosen.pictures),
        "training pictures": len(training.pictures),
        "has_both_classes": len({picture.label for picture in chosen.pictures} - {UNKNOWN}) == 2,
        "baselines": compute_baseline_figures(chosen, training),
        "near_duplicates": compute_duplicate_figures(chosen.pictures, training.pictures),
    }
    _store_text(args.out, BASELINES_FILE, json.dumps(result, indent=2) + "\n")
    _store_text(args.out, BASELINES_PAGE, build_baselines_html(result))
    return result


def _evaluate_by_picture(
    predictor: PicturePredictor,
    args: argparse.Namespace,
    chosen: DataSet,
    training: DataSet,
    seen: int,
    judge: NamedPolicy,
) -> dict[str, Any]:
    chosen, training = (adopt_spelling(one, predictor.labels) for one in (chosen, training))
    labels = args.labels or _select_labels(predictor.labels, chosen, judge)
    if chosen.has_boxes and not labels:
        sys.stderr.write(
            f"  {predictor.name} knows {', '.join(predictor.labels) or 'no labels'}, the data set "
            f"{', '.join(chosen.labels)}: boxes are compared without labels\n"
        )
    started = time.monotonic()
    evaluation = evaluate_pictures(
        predictor,
        restrict_labels(chosen, labels),
        restrict_labels(training, labels),
        _parse_prices(args),
    )
    facts = {
        "model": predictor.name,
        "model digest": predictor.digest,
        "data": chosen.name,
        "data digest": chosen.compute_digest(),
        "split": " and ".join(args.split) or ("test" if _has_splits(chosen) else ALL_PICTURES),
        "fold": args.fold or ("the data set's own split" if _has_splits(chosen) else "no split"),
        "left out": ", ".join(args.without_group) or "nothing",
        "bad labels dropped": len(chosen.problems),
        SEEN_FACT: seen,
        "training pictures compared with": len(training.pictures),
        "run time, s": round(time.monotonic() - started, 1),
        "version": __version__,
    }
    result = {**facts, "data read": summarize_reading(chosen), **evaluation.figures}
    several = any(picture.part_number for picture in chosen.pictures)
    mark = f"{predictor.name}-" if several else ""
    _store_text(args.out, mark + FIGURES_FILE, json.dumps(result, indent=2) + "\n")
    if args.out:
        _store_text(args.out, mark + REPORT_FILE, build_report_html(evaluation, facts))
    return result


def _parse_prices(args: argparse.Namespace) -> ErrorPrices:
    return ErrorPrices(args.price_of_escape, args.price_of_scrap)


def _select_pictures(data_set: DataSet, splits: Sequence[str]) -> DataSet:
    """The chosen splits (default: test; all pictures if none has a split); PictureError if empty."""
    if not splits and not _has_splits(data_set):
        chosen = data_set
        sys.stderr.write(
            f"  no picture of {data_set.name} has a split: all {len(data_set.pictures)} are evaluated, "
            "also those that a model was trained on\n"
        )
    else:
        chosen = data_set.select_splits(*(SPLIT_CHOICES[split] for split in splits or ["test"]))
    if not chosen.pictures:
        counts = Counter(picture.split or "none" for picture in data_set.pictures)
        there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise PictureError(
            f"{data_set.name} has no pictures of the split {' or '.join(splits or ['test'])}; there are "
            f"{there or 'no pictures'}. Choose others with --split."
        )
    if all(picture.label == UNKNOWN for picture in chosen.pictures):
        raise PictureError(
            f"{data_set.name}: of {len(chosen.pictures)} pictures none has a label that is known; there is "
            "nothing to compare with"
        )
    return chosen


def _has_splits(data_set: DataSet) -> bool:
    return any(picture.split for picture in data_set.pictures)


def _count_seen_pictures(
    folders: Sequence[Path], data_set: DataSet, chosen: DataSet
) -> dict[Path, int]:
    """How many of the pictures each model was trained on, with a warning if there are any."""
    counts = {folder: count_seen_in_training(folder, data_set, chosen) for folder in folders}
    for folder, count in counts.items():
        if count:
            sys.stderr.write(f"  {folder.name}:{format_seen_warning(count)}\n")
    return counts


def _warn_of_unjudged_labels(not_judged: Sequence[str], judge: NamedPolicy) -> None:
    if not_judged:
        shown = ", ".join(not_judged)
        sys.stderr.write(f"  {judge.name} does not judge {shown}: not counted as defects\n")


def _read_training_part(args: argparse.Namespace, data_set: DataSet) -> DataSet:
    if not args.training:
        return data_set.select_splits("train")
    other = read_data(args.training, args.format, args.drop_bad_labels, exif_boxes=args.exif_boxes)
    part = other.select_splits("train")
    return part if part.pictures else other


def _select_labels(labels: Sequence[str], data_set: DataSet, judge: NamedPolicy) -> Sequence[str]:
    """The model's labels that the data set has; only the policy's defects if there are any among them."""
    common = [label for label in labels if label in data_set.labels]
    return [label for label in common if label in judge.policy.defects] or common


def _store_text(out: str, name: str, text: str) -> None:
    if out:
        storage = open_storage(out)
        storage.store(name, text.encode())
        sys.stderr.write(f"{storage.address}/{name}\n")


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("models", nargs="*", default=[], help="model folders, or model.tar.gz files")
    add_data_options(parser)
    add(
        "--out",
        default=find_job_output(),
        help=f"folder or s3:// for {FIGURES_FILE} and {REPORT_FILE} (default: none)",
    )
    add(
        "--split",
        nargs="+",
        default=[],
        choices=[*SPLIT_CHOICES],
        help="splits to evaluate (default: test)",
    )
    add(
        "--training", default="", help="data set to compare with (default: the split train of DATA)"
    )
    add("--labels", nargs="+", default=[], help="evaluate only these labels (default: the model's)")
    add("--price-of-escape", type=float, default=100.0, help="cost of an escape (default: 100)")
    add(
        "--price-of-scrap",
        type=float,
        default=1.0,
        help="cost of a scrapped good part (default: 1)",
    )
    add(
        "--baselines",
        action="store_true",
        help=f"no model: only the baselines; --out gets {BASELINES_FILE} and {BASELINES_PAGE}",
    )
    add(
        "--policy",
        default="",
        help="for parts: product or inference configuration (default: demo)",
    )
    add("--sweep", action="store_true", help="for parts: also sweep the thresholds")
    add("--cards", action="store_true", help="write the figures to the model cards")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = _build_parser()
    args = parser.parse_args(arguments)
    args.models = args.models or [name for name in [find_job_model()] if name]
    if not (args.models or args.baselines) or not args.data:
        parser.error("MODEL and --data are required, except in a SageMaker job")
    try:
        result = evaluate_baselines(args) if args.baselines else evaluate_models(args)
    except SightlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
