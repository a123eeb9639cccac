"""`python -m hil.run.sizing`: find the highest part rate that this machine sustains without missed parts.

Runs whole stations one after another at rates chosen by binary search, then repeats the best rate for
longer. Prints models, precision, threads, rate, latency and headroom, and writes sizing.json.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from hil.run.deployed_models import read_deployed_models
from hil.run.rate_search import find_max_rate
from hil.run.run_arguments import REPOSITORY
from sightline.storage.model_folder import load_precision
from sightline.storage.model_store import find_model
from sightline.strict_yaml import read_yaml

Json = dict[str, Any]
MAX_RATE_HZ = 25.0  # of the streams between the components
EXTRA_TIMEOUT_S = 120.0
LAPTOP = REPOSITORY / "recipes" / "deployments" / "laptop.yaml"


@dataclass(frozen=True)
class TrialResult:
    """The result of one run."""

    summary: Json
    models: tuple[str, ...]
    threads: int
    images_at_once: int
    cameras: int
    deadline_ms: float
    seconds: float


@dataclass(frozen=True)
class ModelChoice:
    """The models to run instead of the deployment's, their runtime and their concurrency."""

    names: tuple[str, ...] = ()  # none: the deployment's
    runtime: str = "onnx"
    precision: str = ""
    threads: int | None = None
    images_at_once: int | None = None

    def write_deployment(self, deployment: Path, folder: Path) -> Path:
        """Write the deployment with this choice into the folder."""
        content: Json = read_yaml(deployment)
        inference = content["components"]["com.sightline.Inference"]
        merge = inference.setdefault("configurationUpdate", {}).setdefault("merge", {})
        names = self.names or [model["name"] for model in read_deployed_models(deployment)]
        merge["models"] = [
            {"name": name, "runtime": self.runtime, "precision": self.precision} for name in names
        ]
        if self.threads is not None:
            merge["threads"] = self.threads
        if self.images_at_once is not None:
            merge["imagesAtOnce"] = self.images_at_once
        file = folder / "deployment.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return file


class StationTrials:
    """Runs whole stations on this machine at given rates."""

    def __init__(
        self,
        folder: Path,
        deployment: Path,
        choice: ModelChoice,
        passed_on: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._passed_on = (
            "--deployment",
            str(choice.write_deployment(deployment, folder)),
            *passed_on,
        )
        self._number = 0

    def run_trial(self, rate_hz: float, seconds: float) -> TrialResult | None:
        """Run a station; None if a part was missed or anything failed."""
        self._number += 1
        folder = self._folder / f"{self._number:02d}-{rate_hz:g}"
        parts = max(10, round(rate_hz * seconds))
        _print_text(f"  {rate_hz:g} parts/s for {seconds:g} s ...", end=" ")
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "hil.run", "--folder", str(folder), "--port", "0"),
                *(
                    "--station",
                    f"sizing-{os.getpid()}",
                    "--pool",
                    str(REPOSITORY / ".station/pool"),
                ),
                *("--parts", str(parts), "--rate", str(rate_hz), *self._passed_on),
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=seconds * 4 + EXTRA_TIMEOUT_S,
            check=False,
        )
        file = folder / "summary.json"
        if not file.is_file():
            _print_text(f"failed: {(finished.stderr or finished.stdout).strip()[-300:]}")
            return None
        summary: Json = msgspec.json.decode(file.read_bytes())
        missed, whole = summary["parts"]["missed"], summary["latency_ms"]["trigger_to_verdict"]
        latency = (
            f", median {whole['p50']:.0f} ms, p99 {whole['p99']:.0f} ms" if whole["p50"] else ""
        )
        _print_text(f"{missed} missed of {parts}{latency}")
        if missed or finished.returncode != 0:
            return None
        return _read_trial_result(folder, summary, parts / rate_hz)


def _read_trial_result(folder: Path, summary: Json, seconds: float) -> TrialResult:
    work = folder / "nucleus" / "work"
    inference = _read_configuration(work / "com.sightline.Inference")
    capture = _read_configuration(work / "com.sightline.Capture")
    store = folder / "station" / "models"
    models = tuple(_describe_model(store, model) for model in inference["models"])
    return TrialResult(
        summary,
        models,
        inference["threads"],
        inference["imagesAtOnce"] or os.cpu_count() or 1,
        len(inference["cameras"]),
        capture["deadlineMs"],
        seconds,
    )


def _read_configuration(work: Path) -> Json:
    found: Json = json.loads((work / "configuration.last-good.json").read_text())
    return found


def _describe_model(store: Path, model: Json) -> str:
    stored = "-".join(part for part in (model["name"], model["precision"]) if part)
    digest = model["digest"] or find_model(store, stored).name
    return f"{model['name']} {load_precision(store / digest)} on {model['runtime']} ({digest[:12]})"


def build_sizing_report(rate_hz: float, at_the_limit: bool, trial: TrialResult) -> Json:
    """Build the report; headroom is the time left before the deadline and the idle processor time."""
    latency, processors = trial.summary["latency_ms"], os.cpu_count() or 1
    used_s = sum(c["cpu_seconds"] for c in trial.summary["components"].values())
    p99_ms = latency["trigger_to_verdict"]["p99"]
    return {
        "rate_hz": rate_hz,
        "images_hz": rate_hz * trial.cameras,
        "rate_is_the_limit_of_the_search": at_the_limit,
        "models": list(trial.models),
        "threads": trial.threads,
        "images_at_once": trial.images_at_once,
        "processors": processors,
        "trigger_to_verdict_ms": latency["trigger_to_verdict"],
        "model_only_ms": latency["model_only"],
        "per_image_ms": latency["per_image"],
        "headroom": {
            "deadline_ms": trial.deadline_ms,
            "left_of_the_deadline_at_p99_ms": round(trial.deadline_ms - p99_ms, 1),
            "left_of_the_processors_beside_the_components": round(
                max(0.0, 1 - used_s / (trial.seconds * processors)), 3
            ),
        },
    }


def format_sizing_report(found: Json) -> str:
    """Format the report as text."""
    verdict, image, room = (
        found["trigger_to_verdict_ms"],
        found["per_image_ms"],
        found["headroom"],
    )
    bound = " (no higher rate was tried)" if found["rate_is_the_limit_of_the_search"] else ""
    return "\n".join(
        [
            f"  models      {'; '.join(found['models'])}",
            f"  threads     {found['threads']} per model, {found['images_at_once']} images at once,"
            f" {found['processors']} processors",
            f"  rate        {found['rate_hz']:g} parts/s ({found['images_hz']:g} images/s), none missed"
            f"{bound}",
            f"  latency     median {verdict['p50']:.1f} ms, p99 {verdict['p99']:.1f} ms from trigger to"
            f" verdict; {image['p50']:.1f} ms per image",
            f"  headroom    {room['left_of_the_deadline_at_p99_ms']:.0f} of {room['deadline_ms']:.0f} ms"
            " of the deadline left at p99;"
            f" {room['left_of_the_processors_beside_the_components']:.0%} of the"
            " processor time not used by the components",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.run.sizing",
        description=__doc__,
        epilog="Other arguments, such as --plc modbus, are passed to hil.run.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_search_options(parser)
    _add_model_options(parser)
    parser.add_argument(
        "--folder",
        type=Path,
        default=REPOSITORY / ".station" / "sizing",
        help="folder for the trials' files (default: .station/sizing)",
    )
    return parser


def _add_search_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="duration of a trial (default: 15)"
    )
    parser.add_argument(
        "--proof-seconds",
        type=float,
        default=60.0,
        help="duration of the final trial (default: 60)",
    )
    parser.add_argument(
        "--start",
        type=float,
        default=5.0,
        help="rate of the first trial in parts per second (default: 5)",
    )
    parser.add_argument(
        "--greatest", type=float, default=MAX_RATE_HZ, help="maximum rate to try (default: 25)"
    )
    parser.add_argument(
        "--resolution",
        type=float,
        default=1.0,
        help="precision of the search in parts per second (default: 1)",
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--deployment", type=Path, default=LAPTOP, help="deployment file (default: laptop.yaml)"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=[],
        help="models to run (default: the deployment's)",
    )
    parser.add_argument(
        "--runtime",
        choices=["onnx", "tensorrt"],
        default="onnx",
        help="runtime of the models (default: onnx)",
    )
    parser.add_argument(
        "--precision", default="", help="fp32, fp16 or int8 (default: the best for this machine)"
    )
    parser.add_argument(
        "--threads", type=int, help="CPU threads per model (default: the deployment's)"
    )
    parser.add_argument(
        "--images-at-once",
        type=int,
        help="images of a part inferred in parallel (default: one per processor)",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = _parser()
    given, passed_on = parser.parse_known_args(arguments)
    if not 0 < given.resolution <= given.start <= given.greatest <= MAX_RATE_HZ:
        parser.error(
            f"0 < --resolution <= --start <= --greatest <= {MAX_RATE_HZ:g} must hold; found "
            f"{given.resolution:g}, {given.start:g}, {given.greatest:g}"
        )
    folder = given.folder / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    choice = ModelChoice(
        tuple(given.models), given.runtime, given.precision, given.threads, given.images_at_once
    )
    found = _search_max_rate(StationTrials(folder, given.deployment, choice, passed_on), given)
    if found is None:
        _print_text("No rate was sustained.")
        return 1
    (folder / "sizing.json").write_text(json.dumps(found, indent=2) + "\n")
    _print_text(format_sizing_report(found))
    _print_text(f"  written to  {folder / 'sizing.json'}")
    return 0


def _search_max_rate(machine: StationTrials, given: argparse.Namespace) -> Json | None:
    greatest, proof = given.greatest, None
    while proof is None and greatest >= given.resolution:
        held = find_max_rate(
            lambda rate: machine.run_trial(rate, given.seconds),
            start_hz=min(given.start, greatest),
            max_hz=greatest,
            resolution_hz=given.resolution,
        )
        if held is None:
            return None
        proof = machine.run_trial(held.rate_hz, given.proof_seconds)
        if proof is not None:
            limit = held.rate_hz >= given.greatest
            return build_sizing_report(held.rate_hz, limit, proof)
        greatest = held.rate_hz - given.resolution
    return None


def _print_text(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
