"""`make run IMAGES=DIR`: the cameras play a folder of the user's own pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.pipeline.conftest import StartStation

pytestmark = pytest.mark.station


def test_a_folder_of_square_pictures_runs_and_a_broken_one_costs_only_its_part(
    start_station: StartStation, tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    folder = tmp_path / "pictures"
    for number, side in enumerate([200, 200, 200, 400] * 2):
        place = (
            folder
            / ("left" if number % 2 else "right")
            / f"{number:02}.{'png' if number % 3 else 'jpg'}"
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), random.integers(0, 255, (side, side, 3), dtype=np.uint8))
    (folder / "left" / "03.png").write_bytes(b"no picture at all")
    station = start_station(6, rate_hz=2, images=folder)
    station.wait_until_settled()
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, 7))
    sizes = {tuple(size) for record in records for size in record["frameSizes"].values()}
    assert sizes == {(200, 200)}
    with_broken = [record for record in records if record["missingCameras"]]
    assert with_broken
    assert all(record["verdict"] in ("review", "missed", "defect") for record in with_broken)
