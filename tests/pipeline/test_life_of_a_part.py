"""A part's whole life over real processes and sockets."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from hil.plant.bottles import read_part_number
from tests.pipeline.conftest import StartStation, station_starter
from tests.pipeline.model_swaps import ModelSwaps, counter, swap_three_models
from tests.pipeline.running_station import Json, RunningStation, is_unseen, machine_is_busy

pytestmark = pytest.mark.station
PARTS = 200
DEADLINE_MS = 2000


@dataclass(frozen=True)
class Run:
    """A run of 200 parts during which three new models came, and its records."""

    station: RunningStation
    swaps: ModelSwaps
    records: list[Json]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, bottles: Path) -> Iterator[Run]:
    """Two tests look at it."""
    folder = tmp_path_factory.mktemp("life")
    with station_starter(folder, bottles) as start:
        station = start(PARTS, rate_hz=5)
        station.wait_for_parts(20)
        swaps = swap_three_models(station, folder)
        station.wait_until_settled()
        yield Run(station, swaps, station.records())


def test_the_number_in_the_picture_is_the_number_in_the_record_and_at_the_gate(run: Run) -> None:
    station, records = run.station, run.records
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    station.check_gate(records)
    named = sum(len(record["evidence"]) for record in records)
    station.wait_for("all pictures named are stored", lambda: _pictures(station.folder) >= named)
    read = 0
    for record in records:
        number = record["partNumber"]
        for picture in record["evidence"]:
            stored = cv2.imread(str(station.folder / "evidence" / picture["key"]))
            assert stored is not None, picture["key"]
            whole = cv2.resize(stored, (1280, 720), interpolation=cv2.INTER_CUBIC)
            assert read_part_number(np.asarray(whole)) == number, picture["key"]
            read += 1
    assert read == named >= PARTS // 5  # all of them, where the machine has time


def test_of_three_models_that_come_the_good_one_takes_over_and_each_part_is_judged_in_time(
    run: Run,
) -> None:
    assert "cannot be loaded as a model" in run.swaps.broken
    assert "wrong shape" in run.swaps.wrong_shape
    assert not any(is_unseen(record) for record in run.records)
    late = [record for record in run.records if _is_late(record)]
    assert not late or machine_is_busy(), late[0]
    digests = [{m["name"]: m["digest"] for m in r["models"]}["surface"] for r in run.records]
    one_after_the_other = [digest for digest, _ in groupby(digests)]
    assert one_after_the_other == [run.swaps.before, run.swaps.after]
    assert counter(run.station, "models_swapped") == 1
    assert counter(run.station, "shadow_parts") == 20
    assert counter(run.station, "shadow_verdicts_differ") == 0


def test_a_stopped_station_leaves_no_process_and_no_shared_memory(
    start_station: StartStation,
) -> None:
    station = start_station(
        4, nucleus="lite"
    )  # under the other one, the end of each test sees to it
    station.wait_until_settled()
    assert len(station.processes()) >= 9
    assert station.ring.exists()
    station.stop_and_leave_nothing()
    assert not station.ring.exists()


def _is_late(record: Json) -> bool:
    took_ms = record["timings"]["trigger_to_verdict_ms"]
    return record["verdict"] == "missed" or took_ms is None or took_ms >= DEADLINE_MS


def _pictures(folder: Path) -> int:
    return sum(1 for _ in (folder / "evidence").rglob("*.jpg"))
