"""Whether memory grows: a slope that single peaks do not move, and a report that says no."""

import os
import subprocess
import sys

import pytest

from hil.run.process_memory import (
    MemorySeries,
    read_cpu_seconds,
    read_resident_mib,
    slope_mib_per_hour,
)
from hil.run.soak import print_memory_growth


def series(mib_per_hour: float, pids: int = 1) -> MemorySeries:
    """An hour of samples, each tenth with a peak."""
    one = MemorySeries()
    for sample in range(120):
        at_s = sample * 30.0
        peak = 40.0 if sample % 10 == 0 else 0.0
        one.add_sample(at_s, 100 + mib_per_hour * at_s / 3600 + peak, 1 + sample * pids // 120)
    return one


@pytest.mark.parametrize("mib_per_hour", [-3.0, 0.0, 0.5, 20.0])
def test_the_slope_is_that_of_most_samples(mib_per_hour: float) -> None:
    one = series(mib_per_hour)
    slope = slope_mib_per_hour(one.seconds, one.resident_mib)
    assert slope == pytest.approx(mib_per_hour, abs=0.2)


def test_one_sample_has_no_slope() -> None:
    assert slope_mib_per_hour([1.0], [100.0]) == 0.0


def test_a_process_that_grows_too_fast_is_told_with_its_slope(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not print_memory_growth({"Capture": series(0.4)}, warm_up_s=600, limit_mib_per_hour=1)
    assert print_memory_growth({"Capture": series(0.4), "Publisher": series(5.0, pids=2)}, 600, 1)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Publisher")
    assert "5.0" in last
    assert "restarts: 1" in last


def test_a_process_that_is_gone_takes_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert read_resident_mib(ended.pid) is None
    assert read_cpu_seconds(ended.pid) == 0
    own = read_resident_mib(os.getpid())
    assert own is not None
    assert own > 1
