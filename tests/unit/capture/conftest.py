"""Stations whose ring is removed when the test is over, however it ends."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from sightline.imaging.frame_ring import ring_path
from tests.unit.capture.capture_kit import CaptureUnderTest, four_pictures
from tests.unit.capture.changeover_kit import deploy


class StartStation(Protocol):
    """Starts a life of the station on the test's disk; the life before it is left as if killed."""

    def __call__(self, **values: Any) -> CaptureUnderTest: ...


@pytest.fixture
def start_station(tmp_path: Path) -> Iterator[StartStation]:
    """Stations of one name and one disk, without pictures yet."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    lives: list[CaptureUnderTest] = []

    def start(**values: Any) -> CaptureUnderTest:
        lives.append(CaptureUnderTest(tmp_path, name, **values))
        return lives[-1]

    yield start
    for life in lives:
        life.capture.close()
    assert not ring_path(name).exists()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder of pictures, with one for each camera."""
    folder = tmp_path / "pictures"
    four_pictures(folder)
    return folder


@pytest.fixture
def station(start_station: StartStation, pictures: Path) -> CaptureUnderTest:
    """A station with four cameras that see."""
    return start_station()


@pytest.fixture
def begin_line(start_station: StartStation, tmp_path: Path) -> StartStation:
    """Lives of a station with the products bottle and can in its store."""
    four_pictures(tmp_path / "pictures")
    deploy(tmp_path, "bottle")
    deploy(tmp_path, "can", version="4")

    def start(**values: Any) -> CaptureUnderTest:
        return start_station(
            **{"stationFolder": str(tmp_path / "station"), "product": "bottle", **values}
        )

    return start
