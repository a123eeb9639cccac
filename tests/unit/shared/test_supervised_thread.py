"""A thread that fails is seen, makes the component not ready, and starts again."""

import threading

import pytest

from sightline.backoff import Backoff
from sightline.clock import SystemClock
from sightline.kernel.health import ComponentHealth
from sightline.kernel.supervised_thread import SupervisedThread

LONG_S = 10.0


@pytest.fixture
def health() -> ComponentHealth:
    health = ComponentHealth("com.sightline.Capture", "1", "station-1", SystemClock())
    health.set_ready(True)
    return health


def test_work_that_fails_is_told_and_starts_again(health: ComponentHealth) -> None:
    works_again, done = threading.Event(), threading.Event()
    failures: list[Exception] = []

    def work() -> None:
        if not failures:
            raise KeyError("what nobody foresaw")
        works_again.set()
        done.wait(LONG_S)

    thread = SupervisedThread(
        "camera-cam1",
        work,
        health,
        on_failure=failures.append,
        backoff=Backoff(0.001, 0.001),
        clear_after_s=0.0,
    )
    thread.start()
    assert works_again.wait(LONG_S)
    report = health.build_report()
    assert isinstance(failures[0], KeyError)
    assert report.counters["thread_failures"] == 1
    done.set()
    thread.join(LONG_S)
    assert not thread.is_alive()


def test_while_the_fault_of_a_thread_stands_the_component_is_not_ready(
    health: ComponentHealth,
) -> None:
    failed = threading.Event()

    def work() -> None:
        if failed.is_set():
            return
        raise MemoryError

    thread = SupervisedThread(
        "evidence",
        work,
        health,
        on_failure=lambda error: failed.set(),
        backoff=Backoff(0.001, 0.001),
    )
    thread.start()
    thread.join(LONG_S)
    (fault,) = health.build_report().faults
    assert fault.code == "thread-evidence"
    assert "MemoryError" in fault.text
    assert not health.build_report().ready
    health.clear_fault(fault.code)
    assert health.build_report().ready


def test_a_failure_while_giving_back_does_not_end_the_thread(health: ComponentHealth) -> None:
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise OSError("away")

    def give_back(error: Exception) -> None:
        raise RuntimeError("and this, too")

    thread = SupervisedThread(
        "x", work, health, on_failure=give_back, backoff=Backoff(0.001, 0.001)
    )
    thread.start()
    thread.join(LONG_S)
    assert len(runs) == 3


def test_a_thread_that_is_ended_does_not_start_its_work_again(health: ComponentHealth) -> None:
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        thread.stop()
        raise OSError("at the end")

    thread = SupervisedThread("x", work, health, backoff=Backoff(0.001, 0.001))
    thread.start()
    thread.join(LONG_S)
    assert runs == [1]
