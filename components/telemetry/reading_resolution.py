"""The smallest step of each sensor: as configured, else as its readings show it.

A sensor that rests shows the same value again and again, and now and then its neighbour: a spread of 0
would make every such step an outlier.
"""

from bisect import insort
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_KEPT_CHANGES = 64
SMALL_CHANGE_SHARE = 0.1  # of the changes, those that are smaller are rounding of a mean


class ReadingResolution:
    """What is known of each tag's step, under whatever status it was seen."""

    def __init__(self, configured: Sequence[float | None]) -> None:
        self._configured = configured
        self._changes = [_SortedChanges() for _ in configured]
        self._last = np.full(len(configured), np.nan)

    def learn(self, row: NDArray[np.float64], *, is_status_new: bool) -> NDArray[np.float64]:
        """Each tag's step, this row included (NaN: not there); 0 where it was never seen to change.

        The change from one status to the next says nothing of the sensor.
        """
        if not is_status_new:
            for tag in np.flatnonzero((row != self._last) & ~np.isnan(row) & ~np.isnan(self._last)):
                self._changes[tag].add(abs(float(row[tag] - self._last[tag])))
        self._last = np.where(np.isnan(row), self._last, row)
        return np.array(
            [
                changes.find_step() if configured is None else configured
                for configured, changes in zip(self._configured, self._changes, strict=True)
            ]
        )


class _SortedChanges:
    """The last changes of one tag, by age and by size."""

    def __init__(self) -> None:
        self._by_age: deque[float] = deque()
        self._by_size: list[float] = []

    def add(self, change: float) -> None:
        if len(self._by_age) == MAX_KEPT_CHANGES:
            self._by_size.remove(self._by_age.popleft())
        self._by_age.append(change)
        insort(self._by_size, change)

    def find_step(self) -> float:
        """A tenth of the changes are smaller; for continuous readings, a small share of their spread."""
        return self._by_size[int(len(self._by_size) * SMALL_CHANGE_SHARE)] if self._by_size else 0.0
