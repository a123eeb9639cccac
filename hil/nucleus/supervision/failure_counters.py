"""When a component is broken: three errors out of one state, each soon after the last."""

from collections import deque
from typing import Protocol

MAX_ERRORS = 3
DEFAULT_RESET_S = 3600.0


class FailureCounter(Protocol):
    """Says when a component has failed too often."""

    def record_start(self, now_s: float) -> None:
        """Take note of a start."""

    def record_error(self, state: str, now_s: float) -> bool:
        """Count an error out of a state; whether the component is broken now."""

    def clear(self, state: str | None = None) -> None:
        """Forget the errors out of a state that was left in good order, or all of them."""


class ErrorCounter:
    """Counts as the Java nucleus does: for each state alone, forgotten after `reset_s` without any."""

    def __init__(self, reset_s: float = DEFAULT_RESET_S) -> None:
        self._reset_s = reset_s
        self._times_s: dict[str, list[float]] = {}

    def record_start(self, now_s: float) -> None:
        """Starts do not count."""

    def record_error(self, state: str, now_s: float) -> bool:
        """Count an error out of a state; whether the component is broken now."""
        times = self._times_s.setdefault(state, [])
        if times and now_s - times[-1] >= self._reset_s:
            times.clear()
        times.append(now_s)
        return len(times) >= MAX_ERRORS

    def clear(self, state: str | None = None) -> None:
        """Forget the errors out of a state that was left in good order, or all of them."""
        if state is None:
            self._times_s.clear()
        else:
            self._times_s.pop(state, None)


class StartCounter:
    """Counts starts, as systemd does for Nucleus Lite: a fourth one within the time is refused.

    It does not matter how long a process ran well in between, nor what `errorResetTime` says.
    """

    def __init__(self, interval_s: float = DEFAULT_RESET_S) -> None:
        self._interval_s = interval_s
        self._times_s: deque[float] = deque(maxlen=MAX_ERRORS)

    def record_start(self, now_s: float) -> None:
        """Take note of a start."""
        self._times_s.append(now_s)

    def record_error(self, state: str, now_s: float) -> bool:
        """Whether one more start is refused now."""
        full = len(self._times_s) == MAX_ERRORS
        return full and now_s - self._times_s[0] < self._interval_s

    def clear(self, state: str | None = None) -> None:
        """Forget all starts when asked for a new one; states do not matter."""
        if state is None:
            self._times_s.clear()
