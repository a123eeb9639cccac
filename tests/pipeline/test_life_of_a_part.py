"""A part's whole life over real processes and sockets."""

from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from hil.plant.bottles import read_part_number
from tests.pipeline.conftest import BOTH_NUCLEI, StartStation

pytestmark = pytest.mark.station
PARTS = 200


def test_the_number_in_the_picture_is_the_number_in_the_record_and_at_the_gate(
    start_station: StartStation,
) -> None:
    station = start_station(PARTS, rate_hz=5)
    station.wait_until_settled()
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    gate = station.gate_actions()
    station.wait_for("all pictures stored", lambda: _pictures(station.folder) >= 4 * PARTS - 8)
    read = 0
    for record in records:
        number = record["partNumber"]
        assert record["gate"] == gate[number]
        assert (record["gate"] == "passed") == (record["verdict"] == "ok"), record
        for picture in record["evidence"]:
            stored = cv2.imread(str(station.folder / "evidence" / picture["key"]))
            if stored is not None:
                whole = cv2.resize(stored, (1280, 720), interpolation=cv2.INTER_CUBIC)
                assert read_part_number(np.asarray(whole)) == number, picture["key"]
                read += 1
    assert read >= 0.95 * 4 * PARTS


@BOTH_NUCLEI
def test_a_stopped_station_leaves_no_process_and_no_shared_memory(
    start_station: StartStation, nucleus: str
) -> None:
    station = start_station(4, nucleus=nucleus)
    station.wait_until_settled()
    processes = station.processes()
    assert len(processes) >= 9
    ring = Path(f"/dev/shm/sightline-{station.arguments.station}.ring")
    assert ring.exists()
    station.stop()
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive
    assert not ring.exists()


def _pictures(folder: Path) -> int:
    return sum(1 for _ in (folder / "evidence").rglob("*.jpg"))
