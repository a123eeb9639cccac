"""`python -m hil.run`, as `make run` calls it: what it prints, writes and leaves behind."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline.conftest import BOTH_NUCLEI, NUCLEUS
from tests.pipeline.running_station import Json

CAPTURE = "com.sightline.Capture"
REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.station

AS_BACKGROUND_JOB = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # SIGINT ignored, as a shell does
Run = subprocess.Popen[str]
StartRun = Callable[..., Run]


@pytest.fixture
def start_run(tmp_path: Path) -> Iterator[StartRun]:
    """Start the command; whatever becomes of the test, nothing of it is left running."""
    with ExitStack() as ends:

        def start(*arguments: str, through: Sequence[str] = ()) -> Run:
            run = _start(tmp_path, through, arguments)
            ends.callback(_end, run)
            return run

        yield start


def _start(folder: Path, through: Sequence[str], arguments: Sequence[str]) -> Run:
    return subprocess.Popen(
        [
            *through,
            *(sys.executable, "-m", "hil.run", "--folder", str(folder), "--port", "0"),
            *("--station", f"test-{folder.name[-16:]}-{os.getpid()}"),
            *("--nucleus", NUCLEUS, *arguments),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _end(run: Run) -> None:
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)  # its children end when it does
    run.wait()
    if run.stdout is not None:
        run.stdout.close()


@dataclass(frozen=True)
class Finished:
    """A run that ended by itself: its folder, what it printed, and its summary."""

    folder: Path
    output: str
    summary: Json


@pytest.fixture(scope="module")
def run_to_end(
    tmp_path_factory: pytest.TempPathFactory, bottles: Path
) -> Callable[[str], Finished]:
    """A run of six parts under a nucleus; the same one for all who ask."""

    @functools.cache
    def finished(nucleus: str) -> Finished:
        folder = tmp_path_factory.mktemp(f"run-{nucleus}")
        return _run_to_end(folder, "--parts", "6", "--rate", "3", "--nucleus", nucleus)

    return finished


def _run_to_end(folder: Path, *arguments: str) -> Finished:
    run = _start(folder, (), arguments)
    try:
        output, _ = run.communicate(timeout=120)
    finally:
        _end(run)
    assert run.returncode == 0, output
    return Finished(folder, output, json.loads((folder / "summary.json").read_text()))


@BOTH_NUCLEI
def test_a_run_of_some_parts_ends_by_itself_with_a_summary(
    run_to_end: Callable[[str], Finished], nucleus: str
) -> None:
    finished = run_to_end(nucleus)
    assert "Web page: http://" in finished.output
    assert "Every part is accounted for" in finished.output
    summary = finished.summary
    assert summary["parts"]["triggered"] == 6
    assert summary["parts"]["in_flight"] == 0
    judged = sum(summary["parts"][v] for v in ("ok", "defect", "review", "missed", "empty"))
    assert judged == 6
    assert summary["gate"]["passed"] + summary["gate"]["rejected"] == 6
    assert summary["records"] == {"sent": 6, "received": 6, "duplicates": 0}
    for name in ("trigger_to_verdict", "per_image", "model_only"):
        assert set(summary["latency_ms"][name]) == {"p50", "p95", "p99", "max"}
    assert set(summary["defects"]) == {"planted", "escaped", "overkill", "reviewed"}
    assert {f"com.sightline.{n}" for n in ("Capture", "Inference", "Publisher")} <= set(
        summary["components"]
    )


def test_a_second_run_goes_on_where_the_first_ended_and_counts_its_own_parts(
    run_to_end: Callable[[str], Finished],
) -> None:
    first = run_to_end(NUCLEUS)
    second = _run_to_end(first.folder, "--parts", "3", "--rate", "3")
    assert second.summary["parts"]["triggered"] == 3
    assert second.summary["records"] == {"sent": 3, "received": 3, "duplicates": 0}
    log = first.folder / "nucleus" / "logs" / f"{CAPTURE}.log"
    assert "new epoch" not in log.read_text()
    assert json.loads((first.folder / "plant.json").read_text())["last_number"] == 9


def test_a_run_beside_a_running_one_is_refused_and_does_it_no_harm(
    tmp_path: Path, bottles: Path, start_run: StartRun
) -> None:
    first = start_run("--rate", "3")
    _wait_for_counted(first, tmp_path, 2)
    second = start_run("--parts", "1")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 2, output
    assert f"a station is already running (process {first.pid}" in output
    status = subprocess.run(
        [sys.executable, "-m", "hil.run.status", "--folder", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert status.returncode == 0, status.stdout
    assert "com.sightline.Inference" in status.stdout
    _wait_for_counted(first, tmp_path, 6)
    os.kill(first.pid, signal.SIGINT)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    assert "Every part is accounted for" in output


def test_control_c_ends_everything_cleanly_also_in_the_background(
    tmp_path: Path, bottles: Path, start_run: StartRun
) -> None:
    run = start_run("--rate", "3", through=AS_BACKGROUND_JOB)
    _wait_for_counted(run, tmp_path, 3)
    os.kill(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert "Summary of the run" in output
    assert (tmp_path / "summary.json").exists()
    assert not _processes_that_mention(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--images", "/no/such/folder"), "no such folder: /no/such/folder"),
        (("--parts", "0"), "found 0; 1 or more is allowed"),
        (("--rate", "1000"), "at most 25 parts per second"),
    ],
)
def test_wrong_arguments_are_refused_with_a_clear_word(
    start_run: StartRun, arguments: tuple[str, ...], message: str
) -> None:
    run = start_run(*arguments)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 2
    assert message in output


def _wait_for_counted(run: Run, folder: Path, count: int) -> None:
    plant_status = folder / "plant.json"
    deadline = time.monotonic() + 60
    while not plant_status.exists() or json.loads(plant_status.read_text())["counted"] < count:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _processes_that_mention(text: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command and "pytest" not in command:
            found.append(command)
    return found
