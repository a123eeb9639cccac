"""Where no part is judged for long, that is a fault, and a new process is tried: once an hour."""

from pathlib import Path

import pytest

from inference.scheduling.judging_watchdog import (
    MAX_FAILURES,
    MAX_SILENCE_NS,
    MIN_BETWEEN_RESTARTS_NS,
    MIN_PARTS,
    NOTHING_JUDGED_FAULT,
    JudgingWatchdog,
)
from sightline.clock import SystemClock
from sightline.errors import ModelError, RestartNeededError
from sightline.kernel.health import ComponentHealth
from sightline.storage.journal import DurableText
from tests.unit.inference.conftest import InferenceUnderTest


class Clock(SystemClock):
    """Moved by the test."""

    now_ns = 10**18

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns


class Watched:
    """A watch, its clock and its health."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.file = folder / "started-again"
        self.begin()

    def begin(self) -> None:
        """As the process starts."""
        self.health = ComponentHealth("inference", "0", "s", self.clock)
        self.health.set_ready(True)
        self.watch = JudgingWatchdog(self.health, self.clock, DurableText(self.file))

    def miss(self, parts: int, each_ns: int) -> None:
        for _ in range(parts):
            self.watch.record_missed()
            self.clock.now_ns += each_ns

    @property
    def faults(self) -> list[str]:
        return [fault.code for fault in self.health.build_report().faults]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_minute_without_one_part_judged_in_time_starts_the_process_again(
    watched: Watched,
) -> None:
    watched.miss(60, MAX_SILENCE_NS // 60)
    assert watched.health.build_report().ready
    with pytest.raises(RestartNeededError, match="None of 61 parts was judged in time for 60 s"):
        watched.watch.record_missed()
    assert not watched.health.build_report().ready
    assert watched.faults == [NOTHING_JUDGED_FAULT]


def test_where_that_did_not_help_the_fault_stands_and_parts_are_tried_on(watched: Watched) -> None:
    watched.miss(60, MAX_SILENCE_NS // 60)
    with pytest.raises(RestartNeededError):
        watched.watch.record_missed()
    watched.begin()
    watched.miss(100, MAX_SILENCE_NS // 60)
    assert watched.faults == [NOTHING_JUDGED_FAULT]
    assert not watched.health.build_report().ready
    watched.watch.record_judged()
    assert watched.faults == []
    assert watched.health.build_report().ready
    watched.clock.now_ns += MIN_BETWEEN_RESTARTS_NS
    with pytest.raises(RestartNeededError):
        watched.miss(100, MAX_SILENCE_NS // 60)


def test_one_part_in_time_and_a_line_that_brings_few_are_no_reason(watched: Watched) -> None:
    for _ in range(5):
        watched.miss(50, MAX_SILENCE_NS // 60)
        watched.watch.record_judged()
    watched.miss(MIN_PARTS - 1, 10 * MAX_SILENCE_NS)
    assert watched.faults == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"soon", b"", b"9" * 30])
def test_what_cannot_be_read_of_the_last_time_stops_nothing(
    watched: Watched, content: bytes
) -> None:
    watched.file.write_bytes(content)
    watched.miss(60, MAX_SILENCE_NS // 60)
    with pytest.raises(RestartNeededError):
        watched.watch.record_missed()


def test_models_that_fail_on_part_after_part_start_the_process_again(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.inspector is not None

    def fail(*_: object) -> None:
        raise ModelError("the GPU failed")

    monkeypatch.setattr(running.inspector._part_judge._part_inference, "predict_part", fail)
    for number in range(1, MAX_FAILURES):
        assert running.judge(number).verdict == "missed"
    with pytest.raises(RestartNeededError):
        running.judge(MAX_FAILURES)
    assert not running.health.build_report().ready
    monkeypatch.undo()
    assert running.judge(MAX_FAILURES + 1).verdict == "ok"
    assert running.health.build_report().ready


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError("none"), KeyError("cam9")])
def test_an_error_that_nobody_foresaw_while_a_part_is_looked_at_makes_it_missed(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert running.inspector is not None

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(running.inspector._part_judge._part_inference, "predict_part", fail)
    assert running.judge(1).verdict == "missed"
    assert [fault.code for fault in running.health.build_report().faults] == ["model-run"]
