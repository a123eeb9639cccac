"""The whole station under load: 5 and 10 parts a second for 60 s, none missed; and how fast a run is up."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 60


def _run(folder: Path, parts: int, rate_hz: float) -> dict[str, Any]:
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "hil.run", "--parts", str(parts), "--rate", str(rate_hz)),
            *("--folder", str(folder), "--port", "0", "--station", f"bench-{os.getpid()}"),
            "--strict-budgets",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    summary: dict[str, Any] = msgspec.json.decode((folder / "summary.json").read_bytes())
    return summary


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rate_hz", [5, 10])
def test_parts_for_a_minute(benchmark: BenchmarkFixture, tmp_path: Path, rate_hz: int) -> None:
    summary = benchmark.pedantic(  # type: ignore[no-untyped-call]
        _run, args=(tmp_path, rate_hz * SECONDS, rate_hz), rounds=1, iterations=1
    )
    assert summary["parts"]["missed"] == 0
    latency = summary["latency_ms"]
    whole = latency["trigger_to_verdict"]
    figures = {
        "missed": summary["parts"]["missed"],
        "overhead_median_ms": latency["overhead"]["p50"],
        "trigger_to_verdict_ms": whole,
        "model_only_ms": latency["model_only"],
        "per_image_ms": latency["per_image"],
        "p99_over_median": whole["p99"] / whole["p50"],
        "components": summary["components"],
    }
    benchmark.extra_info.update(figures)
    print("\n" + "\n".join(f"  {name:22} {value}" for name, value in figures.items()))


@pytest.mark.timeout(120)
def test_a_warm_run_of_one_part(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    _run(tmp_path, 1, 2)
    summary = benchmark.pedantic(  # type: ignore[no-untyped-call]
        _run, args=(tmp_path, 1, 2), rounds=3, iterations=1
    )
    assert summary["parts"]["triggered"] == 1
