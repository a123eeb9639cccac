"""`python -m hil.run.sizing`: the highest part rate that this machine sustains with no part missed.

Runs whole stations, one after the other, at rates found by binary search; the last one is run again for
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

from hil.run.rate_search import find_max_rate
from hil.run.run_arguments import REPOSITORY
from sightline.storage.model_store import find_model, load_precision

Json = dict[str, Any]
MAX_RATE_HZ = 25.0  # of the streams between the components
EXTRA_TIMEOUT_S = 120.0
LAPTOP = REPOSITORY / "recipes" / "deployments" / "laptop.yaml"


@dataclass(frozen=True)
class TrialResult:
    """What one run came to."""

    summary: Json
    models: tuple[str, ...]
    threads: int
    images_at_once: int
    cameras: int
    deadline_ms: float
    seconds: float


@dataclass(frozen=True)
class ModelChoice:
    """The models to serve instead of the deployment's, their runtime, and how much they run side by side."""

    names: tuple[str, ...] = ("surface", "cap")
    runtime: str = "onnx"
    precision: str = ""
    threads: int | None = None
    images_at_once: int | None = None

    def write_deployment(self, deployment: Path, folder: Path) -> Path:
        """The deployment with this choice, in the folder."""
        content: Json = yaml.safe_load(deployment.read_text(encoding="utf-8"))
        inference = content["components"]["com.sightline.Inference"]
        merge = inference.setdefault("configurationUpdate", {}).setdefault("merge", {})
        merge["models"] = [
            {"name": name, "runtime": self.runtime, "precision": self.precision}
            for name in self.names
        ]
        if self.threads is not None:
            merge["threads"] = self.threads
        if self.images_at_once is not None:
            merge["imagesAtOnce"] = self.images_at_once
        file = folder / "deployment.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return file


class StationTrials:
    """Whole stations on this machine, run at one rate after the other."""

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
        """Run; None if a part was missed or anything failed."""
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


def build_sizing_report(rate_hz: float, at_the_limit: bool, told: TrialResult) -> Json:
    """What is printed and written: headroom in time until the gate and in processor time."""
    latency, processors = told.summary["latency_ms"], os.cpu_count() or 1
    used_s = sum(c["cpu_seconds"] for c in told.summary["components"].values())
    p99_ms = latency["trigger_to_verdict"]["p99"]
    return {
        "rate_hz": rate_hz,
        "images_hz": rate_hz * told.cameras,
        "rate_is_the_limit_of_the_search": at_the_limit,
        "models": list(told.models),
        "threads": told.threads,
        "images_at_once": told.images_at_once,
        "processors": processors,
        "trigger_to_verdict_ms": latency["trigger_to_verdict"],
        "model_only_ms": latency["model_only"],
        "per_image_ms": latency["per_image"],
        "headroom": {
            "deadline_ms": told.deadline_ms,
            "left_of_the_deadline_at_p99_ms": round(told.deadline_ms - p99_ms, 1),
            "left_of_the_processors_beside_the_components": round(
                max(0.0, 1 - used_s / (told.seconds * processors)), 3
            ),
        },
    }


def format_sizing_report(found: Json) -> str:
    """The figures for people."""
    verdict, image, room = (
        found["trigger_to_verdict_ms"],
        found["per_image_ms"],
        found["headroom"],
    )
    bound = " (no higher rate was tried)" if found["rate_is_the_limit_of_the_search"] else ""
    return "\n".join(
        [
            f"  models      {'; '.join(found['models'])}",
            f"  threads     {found['threads']} a model, {found['images_at_once']} images at once,"
            f" {found['processors']} processors",
            f"  rate        {found['rate_hz']:g} parts/s ({found['images_hz']:g} images/s), none missed"
            f"{bound}",
            f"  latency     median {verdict['p50']:.1f} ms, p99 {verdict['p99']:.1f} ms from trigger to"
            f" verdict; {image['p50']:.1f} ms an image",
            f"  headroom    {room['left_of_the_deadline_at_p99_ms']:.0f} of {room['deadline_ms']:.0f} ms"
            f" until the gate at p99;"
            f" {room['left_of_the_processors_beside_the_components']:.0%} of the processors' time"
            " was not the components'",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.run.sizing",
        description=__doc__,
        epilog="Other arguments go to hil.run, such as --plc modbus.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a trial (15)")
    parser.add_argument("--proof-seconds", type=float, default=60.0, help="of the last one (60)")
    parser.add_argument("--start", type=float, default=5.0, help="rate of the first trial (5)")
    parser.add_argument("--greatest", type=float, default=MAX_RATE_HZ, help="(25)")
    parser.add_argument("--resolution", type=float, default=1.0, help="parts a second (1)")
    parser.add_argument("--deployment", type=Path, default=LAPTOP, help="(laptop.yaml)")
    parser.add_argument("--models", nargs="+", default=["surface", "cap"], help="(surface cap)")
    parser.add_argument("--runtime", choices=["onnx", "tensorrt"], default="onnx", help="(onnx)")
    parser.add_argument(
        "--precision", default="", help="fp32, fp16 or int8 (the best for this machine)"
    )
    parser.add_argument("--threads", type=int, help="of one model run")
    parser.add_argument("--images-at-once", type=int, help="of a part (one a processor)")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".station" / "sizing")
    return parser


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
        _print_text("No rate held.")
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
