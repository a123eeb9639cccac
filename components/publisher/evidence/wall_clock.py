"""The wall clock as files know it, with its jumps: a station without a battery learns the time late."""

import time
from collections.abc import Callable

MIN_JUMP_S = 60.0


class WallClock:
    """The time now, and what a time that was noted before a jump would be by the clock of now.

    Only jumps forward count: after one back nothing looks older than it is.
    """

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._ahead_s = wall_s() - monotonic_s()
        self._jumps: list[tuple[float, float]] = []

    def now_s(self) -> float:
        """The time now; a jump since the last call is noted."""
        wall_s = self._wall_s()
        moved_s = wall_s - self._monotonic_s() - self._ahead_s
        if abs(moved_s) > MIN_JUMP_S:
            self._ahead_s += moved_s
        if moved_s > MIN_JUMP_S:
            self._jumps.append((wall_s - moved_s, moved_s))
        return wall_s

    def to_current_s(self, noted_s: float) -> float:
        """A time of the past by the clock as it goes now."""
        for until_s, moved_s in self._jumps:
            if noted_s <= until_s:
                noted_s += moved_s
        return noted_s
