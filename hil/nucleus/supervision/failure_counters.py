"""Decides when a component is BROKEN, by repeated errors or starts."""

from collections import deque
from typing import Protocol

MAX_ERRORS = 3
DEFAULT_RESET_S = 3600.0


class FailureCounter(Protocol):
    """Decides whether a component has failed too often."""

    def record_start(self, now_s: float) -> None:
        """Record a start."""

    def record_error(self, state: str, now_s: float) -> bool:
        """Record an error in a state; True if the component is now broken."""

    def clear(self, state: str | None = None) -> None:
        """Clear the errors of a state that ended normally, or all errors."""


class ErrorCounter:
    """Counts errors as the Java nucleus does: per state, reset after `reset_s` without errors."""

    def __init__(self, reset_s: float = DEFAULT_RESET_S) -> None:
        self._reset_s = reset_s
        self._times_s: dict[str, list[float]] = {}

    def record_start(self, now_s: float) -> None:
        """Ignore starts."""

    def record_error(self, state: str, now_s: float) -> bool:
        """Record an error in a state; True if the component is now broken."""
        times = self._times_s.setdefault(state, [])
        if times and now_s - times[-1] >= self._reset_s:
            times.clear()
        times.append(now_s)
        return len(times) >= MAX_ERRORS

    def clear(self, state: str | None = None) -> None:
        """Clear the errors of a state that ended normally, or all errors."""
        if state is None:
            self._times_s.clear()
        else:
            self._times_s.pop(state, None)


class StartCounter:
    """Counts starts as systemd does for Nucleus Lite: a fourth one within the time is refused.

    It does not matter how long a process ran well in between, nor what `errorResetTime` says.
    """

    def __init__(self, interval_s: float = DEFAULT_RESET_S) -> None:
        self._interval_s = interval_s
        self._times_s: deque[float] = deque(maxlen=MAX_ERRORS)

    def record_start(self, now_s: float) -> None:
        """Record a start."""
        self._times_s.append(now_s)

    def record_error(self, state: str, now_s: float) -> bool:
        """Whether another start is refused now."""
        full = len(self._times_s) == MAX_ERRORS
        return full and now_s - self._times_s[0] < self._interval_s

    def clear(self, state: str | None = None) -> None:
        """Clear all starts; states are ignored."""
        if state is None:
            self._times_s.clear()
