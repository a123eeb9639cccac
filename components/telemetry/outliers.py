"""How unusual a value is: its distance from the median of the last ones, in robust deviations.

score = 0.6745 * |value - median| / MAD (median absolute deviation), less while few readings are known:
n / (n + 8) of it, because few readings guess their own spread badly (of 20, one normal reading in 2,000
would score above 6; so it is one in 40,000). A normally distributed reading stays below 5. The windows
are kept apart for each status: a stopped motor is no outlier of a running one.
"""

import statistics
from collections import deque

from telemetry.configuration import OutlierConfiguration

MAD_TO_DEVIATION = 0.6745
LEAST_SHARE = 0.005  # a deviation below this share of the median is the sensor's last digit
LEAST_DEVIATION = 1e-6
GREATEST_SCORE = 1000.0
CAUTION = 8  # readings


class OutlierScorer:
    """One machine's windows, by tag and status."""

    def __init__(self, configuration: OutlierConfiguration) -> None:
        self._configuration = configuration
        self._windows: dict[tuple[str, str], deque[float]] = {}
        self._status = ""
        self._intervals_of_status = 0

    def begin(self, status: str) -> None:
        """A new interval under this status."""
        self._intervals_of_status = self._intervals_of_status + 1 if status == self._status else 0
        self._status = status

    def score(self, tag: str, value: float) -> float:
        """The value's score among those before it; 0 while too few are known or a change settles."""
        if self._intervals_of_status < self._configuration.settle_intervals:
            return 0.0
        key = (tag, self._status)
        window = self._windows.setdefault(key, deque(maxlen=self._configuration.window))
        known = len(window) >= self._configuration.least_readings
        score = robust_score(value, window) if known else 0.0
        window.append(value)
        return score


def robust_score(value: float, window: deque[float]) -> float:
    """Robust deviations between a value and a window of at least one."""
    median = statistics.median(window)
    deviation = statistics.median(abs(other - median) for other in window)
    least = max(LEAST_DEVIATION, LEAST_SHARE * abs(median)) * MAD_TO_DEVIATION
    score = MAD_TO_DEVIATION * abs(value - median) / max(deviation, least)
    return min(score * len(window) / (len(window) + CAUTION), GREATEST_SCORE)
