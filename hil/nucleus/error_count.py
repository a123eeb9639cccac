"""When a component is broken: three errors out of one state, each soon after the last."""

MOST_ERRORS = 3
DEFAULT_RESET_S = 3600.0


class ErrorCount:
    """Counts as the Java nucleus does: for each state alone, forgotten after `reset_s` without any."""

    def __init__(self, reset_s: float = DEFAULT_RESET_S) -> None:
        self._reset_s = reset_s
        self._times_s: dict[str, list[float]] = {}

    def add(self, state: str, now_s: float) -> bool:
        """Count an error out of a state; whether the component is broken now."""
        times = self._times_s.setdefault(state, [])
        if times and now_s - times[-1] >= self._reset_s:
            times.clear()
        times.append(now_s)
        return len(times) >= MOST_ERRORS

    def clear(self, state: str | None = None) -> None:
        """Forget the errors out of a state that was left in good order, or all of them."""
        if state is None:
            self._times_s.clear()
        else:
            self._times_s.pop(state, None)
