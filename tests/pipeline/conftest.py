"""A whole station with real processes, for tests that follow parts through it."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hil.plant.pool import ensure_pool
from hil.run.camera_pictures import POOL_SEED
from hil.run.run_arguments import parse_run_arguments
from tests.pipeline.running_station import RunningStation

REPOSITORY = Path(__file__).resolve().parents[2]
POOL = REPOSITORY / ".station" / "pool"
POOL_PARTS = 240
NUCLEUS = os.environ.get("SIGHTLINE_NUCLEUS", "classic")  # of all stations that name no other
BOTH_NUCLEI = pytest.mark.parametrize(
    "nucleus", ["classic", "lite"] if NUCLEUS == "classic" else [NUCLEUS]
)

StartStation = Callable[..., RunningStation]


@pytest.fixture(scope="session")
def bottles() -> Path:
    """The pool of rendered bottles, the same that `make run` uses."""
    return ensure_pool(POOL, POOL_PARTS, POOL_SEED)


@contextmanager
def station_starter(folder: Path, bottles: Path) -> Iterator[StartStation]:
    """Starts stations, each under a name of its own; they are taken down at the end."""
    started: list[RunningStation] = []

    def start(
        parts: int,
        rate_hz: float = 4.0,
        images: Path | None = None,
        plc: str = "opcua",
        nucleus: str = NUCLEUS,
    ) -> RunningStation:
        name = f"test-{uuid.uuid4().hex[:8]}"
        arguments = parse_run_arguments(
            [
                *("--parts", str(parts), "--rate", str(rate_hz), "--port", "0"),
                *("--plc", plc, "--nucleus", nucleus),
                *("--folder", str(folder / "run"), "--station", name),
                *(("--images", str(images)) if images else ()),
            ]
        )
        station = RunningStation(arguments, images or bottles)
        started.append(station)
        station.start()
        return station

    try:
        yield start
    finally:
        with ExitStack() as ends:
            for station in started:
                ends.callback(station.stop_and_leave_nothing)


@pytest.fixture
def start_station(tmp_path: Path, bottles: Path) -> Iterator[StartStation]:
    """Start a station; it is taken down after the test."""
    with station_starter(tmp_path, bottles) as start:
        yield start
