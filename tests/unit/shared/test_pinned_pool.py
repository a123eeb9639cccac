"""A part's images are looked at side by side: all of them, in their order, and no more at once than asked."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sightline.kernel.pinned_pool import PinnedThreadPool

LONGEST_S = 20.0
Make = Callable[[int], PinnedThreadPool]
needs_two_processors = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="this process may use one processor only"
)


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[PinnedThreadPool] = []

    def one(at_once: int) -> PinnedThreadPool:
        made.append(PinnedThreadPool(at_once))
        return made[-1]

    yield one
    for side_by_side in made:
        side_by_side.close()


def test_two_pieces_of_work_run_at_the_same_time(make: Make) -> None:
    meeting = threading.Barrier(2, timeout=LONGEST_S)  # breaks if one waits for the other's end

    def meet(number: int) -> int:
        meeting.wait()
        return number

    assert make(2).map(meet, [1, 2]) == [1, 2]


def test_the_results_are_in_the_order_of_the_things_whichever_is_done_first(make: Make) -> None:
    second_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second_done.wait(LONGEST_S)
        elif number == 1:
            second_done.set()
        return 10 * number

    assert make(2).map(work, range(5)) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_more_run_at_once_than_asked(at_once: int, make: Make) -> None:
    running, most = 0, 0
    lock, all_of_them = threading.Lock(), threading.Barrier(at_once, timeout=LONGEST_S)

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        all_of_them.wait()
        time.sleep(0.005)  # long enough for a further one to begin, if one may
        with lock:
            running -= 1

    make(at_once).map(work, range(12))
    assert most == at_once


def test_one_at_a_time_is_the_callers_own_work(make: Make) -> None:
    names = make(1).map(lambda _: threading.current_thread().name, range(4))
    assert set(names) == {threading.current_thread().name}


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_is_told_when_nothing_runs_any_more(failing: int, make: Make) -> None:
    both_began = threading.Barrier(2, timeout=LONGEST_S)
    ended = threading.Event()

    def work(number: int) -> None:
        both_began.wait()
        if number == failing:
            raise ValueError(f"number {number}")
        time.sleep(0.05)  # the other one is under way still when this one fails
        ended.set()

    with pytest.raises(ValueError, match=f"number {failing}"):
        make(2).map(work, [0, 1])
    assert ended.is_set()


def test_a_failure_does_not_spoil_the_next_part(make: Make) -> None:
    side_by_side = make(2)
    with pytest.raises(ZeroDivisionError):
        side_by_side.map(lambda number: 1 // number, [1, 0, 1, 1])
    assert side_by_side.map(lambda number: -number, [1, 2, 3]) == [-1, -2, -3]


def test_as_many_as_there_are_processors_unless_told() -> None:
    assert PinnedThreadPool().max_workers == len(os.sched_getaffinity(0))


@needs_two_processors
def test_helpers_stay_away_from_the_callers_processor_and_the_caller_is_free_afterwards(
    make: Make,
) -> None:
    before = os.sched_getaffinity(0)
    side_by_side = make(2)
    meeting = threading.Barrier(2, timeout=LONGEST_S)

    def allowed(_: int) -> tuple[str, frozenset[int]]:
        meeting.wait()
        return threading.current_thread().name, frozenset(os.sched_getaffinity(0))

    first = dict(side_by_side.map(allowed, [1, 2]))  # the helper is known from here on
    assert before in first.values()
    found = dict(side_by_side.map(allowed, [1, 2]))
    callers = found.pop(threading.current_thread().name)
    (helpers,) = found.values()
    assert len(callers) == 1
    assert helpers == before - callers
    assert os.sched_getaffinity(0) == before
