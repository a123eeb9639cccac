"""The same work on several things at once: on the caller's thread and on helpers beside it."""

import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

WorkItem = TypeVar("WorkItem")
Result = TypeVar("Result")

_current_processor: Callable[[], int] = ctypes.CDLL(None).sched_getcpu


class PinnedThreadPool:
    """At most `at_once` pieces of work at a time; 0: one for each processor that the caller may use.

    For one calling thread. While they work, the caller stays on its processor and the helpers stay away
    from it: two that share a processor while another rests gain nothing, and schedulers let that happen.
    """

    def __init__(self, max_workers: int = 0) -> None:
        self._processors = os.sched_getaffinity(0)
        self.max_workers = max_workers or len(self._processors)
        self._helper_ids: list[int] = []
        self._helpers: ThreadPoolExecutor | None = None
        if self.max_workers > 1:
            self._helpers = ThreadPoolExecutor(self.max_workers - 1, "beside", self._begin_helper)

    def map(self, work: Callable[[WorkItem], Result], things: Sequence[WorkItem]) -> list[Result]:
        """What `work` makes of each thing, in their order.

        Raises what one of them raised, when nothing runs any more.
        """
        helpers = min(self.max_workers, len(things)) - 1
        if self._helpers is None or helpers < 1:
            return [work(thing) for thing in things]
        turns = _PendingItems(work, things)
        with self._pin_threads_apart():
            helping = [self._helpers.submit(turns.work_until_empty) for _ in range(helpers)]
            try:
                turns.work_until_empty()
            finally:
                wait(helping)
        for helper in helping:
            helper.result()
        return [turns.results[number] for number in range(len(things))]

    def close(self) -> None:
        """End the helpers."""
        if self._helpers is not None:
            self._helpers.shutdown()

    def _begin_helper(self) -> None:
        with suppress(OSError):
            os.sched_setaffinity(0, self._processors)  # not the caller's one, which it came with
        self._helper_ids.append(threading.get_native_id())

    @contextmanager
    def _pin_threads_apart(self) -> Iterator[None]:
        here = _current_processor()
        elsewhere = self._processors - {here}
        if not elsewhere:
            yield
            return
        with suppress(OSError):  # the station's processors were changed
            for helper in self._helper_ids:
                os.sched_setaffinity(helper, elsewhere)
            os.sched_setaffinity(0, {here})
        try:
            yield
        finally:
            with suppress(OSError):
                os.sched_setaffinity(0, self._processors)


class _PendingItems(Generic[WorkItem, Result]):
    """Who is free takes the next thing; who fails takes none any more."""

    def __init__(self, work: Callable[[WorkItem], Result], things: Sequence[WorkItem]) -> None:
        self.results: dict[int, Result] = {}
        self._work = work
        self._waiting = deque(enumerate(things))

    def work_until_empty(self) -> None:
        """Work on what waits until nothing does."""
        while True:
            try:
                number, thing = self._waiting.popleft()
            except IndexError:
                return
            self.results[number] = self._work(thing)
