"""One station for all tests of a bench."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.bench.description import Bench, bench_of_environment, stretched
from hil.bench.station import BenchStation, Outcome
from hil.replay.segment import load_segment
from hil.run.arguments import REPOSITORY


@pytest.fixture(scope="session")
def bench() -> Bench:
    """What stands on the bench."""
    return stretched(bench_of_environment())


@pytest.fixture(scope="session")
def station(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchStation]:
    """The station with the bench's cameras; where they have loops, they see the first part."""
    if bench.cameras_not_there():
        pytest.skip(f"not there: {', '.join(bench.cameras_not_there())}")
    running = BenchStation(bench, tmp_path_factory.mktemp("bench") / Path(bench.name).name)
    try:
        if bench.segment:
            running.show(load_segment(REPOSITORY / bench.segment), 0)
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def outcome(station: BenchStation) -> Outcome:
    """What came of the bench's parts."""
    return station.let_parts_pass()
