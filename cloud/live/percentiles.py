"""Percentiles over the last values of a long series, at a bounded cost."""

import threading
import time
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

PERCENTILE_RANKS = {"p50": 50, "p95": 95, "p99": 99}
INITIAL_CAPACITY = 256
PercentileFigures = dict[str, float | None]


class PercentileWindow:
    """The last `greatest` values; the maximum covers all values ever added."""

    def __init__(self, max_values: int) -> None:
        self._max_values = max_values
        self._values: npt.NDArray[np.float64] = np.empty(min(INITIAL_CAPACITY, max_values))
        self._count = 0
        self._maximum: float | None = None
        self._lock = threading.Lock()

    def add(self, values: Iterable[float]) -> None:
        """Add values; the oldest are dropped when there are too many."""
        with self._lock:
            for value in values:
                if self._count == len(self._values) < self._max_values:
                    grown = min(2 * self._count, self._max_values)
                    self._values = np.resize(self._values, grown)
                self._values[self._count % len(self._values)] = value
                self._count += 1
                self._maximum = value if self._maximum is None else max(self._maximum, value)

    def compute_figures(self) -> PercentileFigures:
        """p50, p95, p99 and max, rounded to microseconds of a millisecond; null without values."""
        with self._lock:
            known = self._values[: min(self._count, len(self._values))].copy()
            maximum = self._maximum
        if maximum is None:
            return {**dict.fromkeys(PERCENTILE_RANKS), "max": None}
        found = np.percentile(known, list(PERCENTILE_RANKS.values()))
        names = zip(PERCENTILE_RANKS, found, strict=True)
        return {**{name: round(float(v), 3) for name, v in names}, "max": round(maximum, 3)}


class Throttle:
    """A costly value, computed again at most once per interval."""

    def __init__(
        self,
        interval_s: float,
        compute: Callable[[], dict[str, PercentileFigures]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s = interval_s
        self._compute = compute
        self._clock = clock
        self._lock = threading.Lock()
        self._value: dict[str, PercentileFigures] = {}
        self._due_s = float("-inf")

    def get(self) -> dict[str, PercentileFigures]:
        """The value, at most one interval old."""
        with self._lock:
            if self._clock() >= self._due_s:
                self._value = self._compute()
                self._due_s = self._clock() + self._interval_s
            return self._value
