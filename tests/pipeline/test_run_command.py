"""`python -m hil.run`, as `make run` calls it: what it prints, writes and leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.station


def _start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "hil.run", "--folder", str(folder), "--port", "0"),
            *("--station", f"test-{uuid.uuid4().hex[:8]}", *arguments),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_run_of_some_parts_ends_by_itself_with_a_summary(tmp_path: Path, bottles: Path) -> None:
    run = _start(tmp_path, "--parts", "6", "--rate", "3")
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    assert "The page: http://" in output
    assert "Every part is accounted for" in output
    summary = json.loads((tmp_path / "summary.json").read_text())
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


def test_control_c_ends_everything_cleanly(tmp_path: Path, bottles: Path) -> None:
    run = _start(tmp_path, "--rate", "3")
    plant_status = tmp_path / "plant.json"
    deadline = time.monotonic() + 60
    while not plant_status.exists() or json.loads(plant_status.read_text())["counted"] < 3:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert "What the run came to" in output
    assert (tmp_path / "summary.json").exists()
    assert not _processes_that_mention(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--images", "/no/such/folder"), "found no folder at /no/such/folder"),
        (("--parts", "0"), "found 0; a number from 1 is allowed"),
        (("--rate", "1000"), "at most 25 parts a second"),
    ],
)
def test_wrong_arguments_are_refused_with_a_clear_word(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    run = _start(tmp_path, *arguments)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 2
    assert message in output


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
