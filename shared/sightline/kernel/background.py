"""Work that gives way to the parts: threads of low priority."""

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

NICENESS = 10
T = TypeVar("T")


def lower_priority() -> None:
    """Let the calling thread run only where nothing more urgent wants the processor."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def run_at_low_priority(work: Callable[[], T]) -> T:
    """Run in a thread of low priority; returns its result or raises its error.

    Threads that `work` starts inherit the priority: open no detector in it that serves later.
    """
    with ThreadPoolExecutor(1, "background", initializer=lower_priority) as pool:
        return pool.submit(work).result()
