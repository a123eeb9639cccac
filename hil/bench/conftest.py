"""Fixtures: one station for all tests of a bench."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.bench.bench_description import (
    BenchDescription,
    load_bench_from_environment,
    stretch_bench_times,
)
from hil.bench.station_under_test import BenchRunResult, BenchStation
from hil.replay.segment import load_segment
from hil.run.run_arguments import REPOSITORY


@pytest.fixture(scope="session")
def bench() -> BenchDescription:
    """The bench's description."""
    return stretch_bench_times(load_bench_from_environment())


@pytest.fixture(scope="session")
def station(
    bench: BenchDescription, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BenchStation]:
    """The station with the bench's cameras; cameras with loops see the first part."""
    if bench.missing_cameras():
        pytest.skip(f"missing cameras: {', '.join(bench.missing_cameras())}")
    running = BenchStation(bench, tmp_path_factory.mktemp("bench") / Path(bench.name).name)
    try:
        if bench.segment:
            running.show_part(load_segment(REPOSITORY / bench.segment), 0)
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def outcome(station: BenchStation) -> BenchRunResult:
    """The result of the bench's parts."""
    return station.run_all_parts()
