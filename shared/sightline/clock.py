"""The clocks of a station. A monotonic time means something only together with its boot."""

import functools
import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Where components take the time from; handed in, so that tests can hold it."""

    def monotonic_ns(self) -> int: ...

    def utc_ns(self) -> int: ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds; the same for all processes of one boot."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def utc_ns(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970."""
        return time.time_ns()


@functools.cache
def boot_id() -> str:
    """The kernel's name for this boot: deadlines of another boot are void."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
