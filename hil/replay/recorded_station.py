"""Runs a whole station on this machine with the recorder as an additional component."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from hil.replay.recorder import RECORDER_COMPONENT, RECORDER_VERSION, build_recorder_recipe
from hil.replay.segment import MESSAGES, load_messages
from hil.run.local_station import LocalStation
from hil.run.run_arguments import REPOSITORY, RunArguments
from hil.run.station_process import StationFailedError
from hil.run.terminal_progress import TerminalProgress
from sightline.messaging.topics import INSPECTION_RECORD
from sightline.strict_yaml import read_yaml

READY_TIMEOUT_S = 90.0
SETTLE_TIMEOUT_S = 60.0
Json = dict[str, Any]


def add_recorder(
    arguments: RunArguments, folder: Path, cameras: tuple[str, ...], keeps_frames: bool
) -> RunArguments:
    """Add the recorder to a run's recipes and deployment; it writes into `folder`."""
    made = arguments.folder / "recorded-run"
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(arguments.recipes, made / "recipes")
    path = ":".join(str(REPOSITORY / place) for place in (".", "shared"))
    recipe = build_recorder_recipe({"PYTHONPATH": path})
    (made / "recipes" / f"{RECORDER_COMPONENT}.yaml").write_text(
        yaml.safe_dump(recipe, sort_keys=False)
    )
    deployment = read_yaml(arguments.deployment)
    deployment["components"][RECORDER_COMPONENT] = {"version": RECORDER_VERSION}
    (made / "deployment.yaml").write_text(yaml.safe_dump(deployment, sort_keys=False))
    merge = {"folder": str(folder), "cameras": list(cameras), "keepsFrames": keeps_frames}
    return replace(
        arguments,
        recipes=made / "recipes",
        deployment=made / "deployment.yaml",
        merges={**arguments.merges, RECORDER_COMPONENT: merge},
    )


@contextlib.contextmanager
def running_station(
    arguments: RunArguments, pictures: Path, progress: TerminalProgress
) -> Iterator[LocalStation]:
    """Start a station with its belt stopped; it is stopped at the end."""
    machine = LocalStation(arguments, pictures)
    try:
        progress.print_line("Starting the station with its recorder ...")
        machine.start()
        machine.wait_until_ready(READY_TIMEOUT_S)
        _wait_until(machine, "the recorder", lambda: _recorder_is_ready(machine), READY_TIMEOUT_S)
        yield machine
    finally:
        machine.stop()


def run_parts(
    machine: LocalStation, recording: Path, parts: int, progress: TerminalProgress, timeout_s: float
) -> None:
    """Run this many parts and wait until the cloud and the recording have each record.

    StationFailedError if one has none.
    """
    machine.send_plant_command("start")
    begun_s = time.monotonic()

    def counted() -> bool:
        now = machine.read_plant_status()["counted"]
        progress.show_state(f"{now} of {parts} parts", time.monotonic())
        return bool(now >= parts)

    def settled() -> bool:
        if machine.fetch_cloud_summary()["records"]["received"] < parts:
            return False
        messages = load_messages(recording / MESSAGES)
        return sum(noted.stream == INSPECTION_RECORD.name for noted in messages) >= parts

    _wait_until(machine, f"{parts} parts counted", counted, timeout_s)
    _wait_until(machine, f"records of {parts} parts", settled, SETTLE_TIMEOUT_S + timeout_s)
    progress.print_line(f"{parts} parts in {time.monotonic() - begun_s:.1f} s")


def build_source_with_models(folder: Path, models: Path) -> Path:
    """Link a source tree like the repository's, with the models in `models` instead of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "components" / "models").mkdir(parents=True)
    (folder / "shared").symlink_to(REPOSITORY / "shared")
    for package in (REPOSITORY / "components").iterdir():
        if package.name != "models":
            (folder / "components" / package.name).symlink_to(package)
    for model in (REPOSITORY / "components" / "models").iterdir():
        given = models / model.name
        place = given if (given / "model.onnx").is_file() else model
        (folder / "components" / "models" / model.name).symlink_to(place.resolve())
    return folder


def find_replacement_models(models: Path) -> list[str]:
    """The models in a folder that replace models of the station."""
    known = {path.name for path in (REPOSITORY / "components" / "models").iterdir()}
    return sorted(p.parent.name for p in models.glob("*/model.onnx") if p.parent.name in known)


def write_json(path: Path, content: object) -> Path:
    """Write a file for another process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def _recorder_is_ready(machine: LocalStation) -> bool:
    health: Json = machine.fetch_cloud_summary().get("health", {})
    return bool(health.get(RECORDER_COMPONENT, {}).get("ready"))


def _wait_until(
    machine: LocalStation, what: str, holds: Callable[[], bool], timeout_s: float
) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        machine.check_processes()
        if time.monotonic() > deadline_s:
            raise StationFailedError(f"timed out after {timeout_s:.0f} s waiting for {what}")
        time.sleep(machine.poll_s)
