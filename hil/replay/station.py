"""A whole station on this machine with the recorder deployed beside its components."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from hil.replay.recorder import RECORDER, VERSION, recorder_recipe
from hil.replay.segment import MESSAGES, load_messages
from hil.run.arguments import REPOSITORY, RunArguments
from hil.run.processes import StationFailed
from hil.run.progress import Progress
from hil.run.station import OneMachine
from sightline.topics import INSPECTION_RECORD

READY_TIMEOUT_S = 90.0
SETTLE_TIMEOUT_S = 60.0
Json = dict[str, Any]


def with_recorder(
    arguments: RunArguments, folder: Path, cameras: tuple[str, ...], keeps_frames: bool
) -> RunArguments:
    """The same run with the recorder in its recipes and deployment; it writes into `folder`."""
    made = arguments.folder / "recorded-run"
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(arguments.recipes, made / "recipes")
    path = ":".join(str(REPOSITORY / place) for place in (".", "shared"))
    recipe = recorder_recipe({"PYTHONPATH": path})
    (made / "recipes" / f"{RECORDER}.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    deployment = yaml.safe_load(arguments.deployment.read_text())
    deployment["components"][RECORDER] = {"version": VERSION}
    (made / "deployment.yaml").write_text(yaml.safe_dump(deployment, sort_keys=False))
    merge = {"folder": str(folder), "cameras": list(cameras), "keepsFrames": keeps_frames}
    return replace(
        arguments,
        recipes=made / "recipes",
        deployment=made / "deployment.yaml",
        merges={**arguments.merges, RECORDER: merge},
    )


@contextlib.contextmanager
def running(arguments: RunArguments, pictures: Path, progress: Progress) -> Iterator[OneMachine]:
    """The station, ready, its belt standing; taken down at the end."""
    machine = OneMachine(arguments, pictures)
    try:
        progress.say("Starting the station with its recorder ...")
        machine.start()
        machine.wait_until_ready(READY_TIMEOUT_S)
        _wait(machine, "the recorder", lambda: _recorder_is_ready(machine), READY_TIMEOUT_S)
        yield machine
    finally:
        machine.stop()


def run_parts(
    machine: OneMachine, recording: Path, parts: int, progress: Progress, timeout_s: float
) -> None:
    """Let so many parts pass and wait until each has its record, in the cloud and in the recording.

    StationFailed if one has none.
    """
    machine.tell_plant("start")
    begun_s = time.monotonic()

    def counted() -> bool:
        now = machine.plant_status()["counted"]
        progress.show(f"{now} of {parts} parts", time.monotonic())
        return bool(now >= parts)

    def settled() -> bool:
        if machine.cloud_summary()["records"]["received"] < parts:
            return False
        messages = load_messages(recording / MESSAGES)
        return sum(noted.stream == INSPECTION_RECORD.name for noted in messages) >= parts

    _wait(machine, f"{parts} parts counted", counted, timeout_s)
    _wait(machine, f"records of {parts} parts", settled, SETTLE_TIMEOUT_S + timeout_s)
    progress.say(f"{parts} parts in {time.monotonic() - begun_s:.1f} s")


def source_with_models(folder: Path, models: Path) -> Path:
    """A source tree as the repository's, by links, with the models of `models` in place of its own."""
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


def models_given(models: Path) -> list[str]:
    """The names of the models in a folder that the station has, too."""
    known = {path.name for path in (REPOSITORY / "components" / "models").iterdir()}
    return sorted(p.parent.name for p in models.glob("*/model.onnx") if p.parent.name in known)


def write_json(path: Path, content: object) -> Path:
    """Write a file for another process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def _recorder_is_ready(machine: OneMachine) -> bool:
    health: Json = machine.cloud_summary().get("health", {})
    return bool(health.get(RECORDER, {}).get("ready"))


def _wait(machine: OneMachine, what: str, holds: Callable[[], bool], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        machine.check_processes()
        if time.monotonic() > deadline_s:
            raise StationFailed(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(machine.poll_s)
