"""Something that is due at each interval."""


class IntervalTimer:
    """Due once each interval; intervals that were slept through are not made up for."""

    def __init__(self, interval_s: float, now_ns: int) -> None:
        self._interval_ns = round(interval_s * 1e9)
        self.next_ns = now_ns

    def advance_if_due(self, now_ns: int) -> bool:
        """Whether it is time; if so the next time is set."""
        if now_ns < self.next_ns:
            return False
        late_ns = now_ns - self.next_ns
        self.next_ns += self._interval_ns * (1 + late_ns // self._interval_ns)
        return True
