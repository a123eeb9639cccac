"""What a station on one machine keeps between runs, and that it runs once."""

import json
import os
from pathlib import Path

import pytest

from hil.run.station_state import (
    AlreadyRunningError,
    StationLock,
    prepare_run_folder,
    read_next_part_number,
)
from hil.run.summary_baseline import SummaryBaseline, compute_latencies


def test_a_folder_and_a_name_are_locked_until_given_back(tmp_path: Path) -> None:
    name = f"lock-{os.getpid()}"
    first = StationLock(tmp_path / "a", name)
    first.acquire()
    for other in (StationLock(tmp_path / "a", "another"), StationLock(tmp_path / "b", name)):
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"):
            other.acquire()
    first.release()
    second = StationLock(tmp_path / "a", name)
    second.acquire()
    second.release()
    assert not Path(f"/dev/shm/sightline-{name}.lock").exists()


def test_numbers_go_on_after_the_last_run_and_begin_at_one_without_any(tmp_path: Path) -> None:
    assert read_next_part_number(tmp_path) == 1
    (tmp_path / "plant.json").write_text(json.dumps({"last_number": 41}))
    assert read_next_part_number(tmp_path) == 42
    (tmp_path / "plant.json").write_text("torn")
    assert read_next_part_number(tmp_path) == 1


def test_parts_are_kept_and_configuration_only_while_the_recipes_are_the_same(
    tmp_path: Path,
) -> None:
    recipe = tmp_path / "recipes" / "a.yaml"
    recipe.parent.mkdir()
    recipe.write_text("version: 1")
    folder = tmp_path / "station"
    prepare_run_folder(folder, [recipe.parent])
    ledger = folder / "nucleus" / "work" / "com.sightline.Inference" / "ledger.sqlite"
    configuration = folder / "nucleus" / "configuration" / "a.json"
    for kept in (ledger, configuration):
        kept.parent.mkdir(parents=True)
        kept.touch()
    prepare_run_folder(folder, [recipe.parent])
    assert ledger.exists()
    assert configuration.exists()
    recipe.write_text("version: 2")
    prepare_run_folder(folder, [recipe.parent])
    assert ledger.exists()
    assert not configuration.exists()


def test_logs_of_earlier_runs_are_kept_for_a_few_runs(tmp_path: Path) -> None:
    for run in range(6):
        prepare_run_folder(tmp_path, [])
        (tmp_path / "logs" / "plant.log").write_text(f"run {run}")
    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names == ["plant.log", "plant.log.1", "plant.log.2", "plant.log.3"]
    assert (tmp_path / "logs" / "plant.log.3").read_text() == "run 2"


def test_only_what_came_since_the_run_began_counts() -> None:
    before = {
        "parts": {"ok": 5},
        "gate": {"passed": 5},
        "records": {"received": 5, "duplicates": 1},
        "health": {},
    }
    now = {
        "parts": {"ok": 7, "defect": 1},
        "gate": {"passed": 7},
        "records": {"received": 8, "duplicates": 1},
        "health": {"old": {"at_utc_ns": 10}, "new": {"at_utc_ns": 30}},
    }
    counted = SummaryBaseline.from_summary(before, 20).subtract_from(now)
    assert counted["parts"] == {"ok": 2, "defect": 1}
    assert counted["records"] == {"received": 3, "duplicates": 0}
    assert set(counted["health"]) == {"new"}


def test_latencies_are_of_the_parts_that_models_judged() -> None:
    judged = {
        "model_ms": 10.0,
        "trigger_to_verdict_ms": 15.0,
        "per_image_ms": [2.0, 4.0],
        "capture_ms": 3.0,
    }
    replayed = {**judged, "trigger_to_verdict_ms": None}
    missed = {"model_ms": 0.0, "trigger_to_verdict_ms": 99.0, "per_image_ms": []}
    machine = {"ageS": 0.5}
    found = compute_latencies(
        {"timings": timings, "machine": machine} for timings in (judged, replayed, missed)
    )
    assert found["trigger_to_verdict"]["max"] == 15.0
    assert found["overhead"]["p50"] == 5.0
    assert found["per_image"]["max"] == 4.0
    assert found["capture"]["max"] == 3.0
    assert found["machine_state_age"]["max"] == 500.0
    assert compute_latencies([])["model_only"] == {
        "p50": None,
        "p95": None,
        "p99": None,
        "max": None,
    }
