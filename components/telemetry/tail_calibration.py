"""From a wanted run length to a threshold: theory first, the machine's own past as it becomes known.

A statistic with chi-squared tails (a squared deviation, a squared Mahalanobis distance) begins with the
threshold of theory. Real readings have heavier or lighter tails and follow one another, so the tail
beyond the 98th percentile is learned: a generalized Pareto distribution with the mean and the spread of
the excesses seen, blended with the theory's exponential as if that had been seen for 2,500 intervals.
"""

import math

TAIL_SHARE = 0.02  # the share of intervals that lie beyond the point where the tail begins
PRIOR_INTERVALS = 2_500
MIN_SHAPE, MAX_SHAPE = 0.0, 0.4  # a lighter tail than the exponential is not believed
MIN_TAIL_VARIANCE = 1e-9
MAX_ALARMS_OF_EXPECTED = 3
MEMORY_INTERVALS = 200_000  # what is older counts half, again and again


def chi_squared_quantile(upper_share: float, dimensions: int) -> float:
    """The value that a chi-squared variable exceeds with this probability."""
    low, high = 0.0, 2.0 * dimensions - 4.0 * math.log(upper_share)
    for _ in range(60):
        middle = (low + high) / 2
        if _compute_chi_squared_tail(middle, dimensions) > upper_share:
            low = middle
        else:
            high = middle
    return high


def _compute_chi_squared_tail(value: float, dimensions: int) -> float:
    half = value / 2
    odd = dimensions % 2
    share = math.erfc(math.sqrt(half)) if odd else 0.0
    steps = range(dimensions // 2)
    return share + sum(
        math.exp((k + odd / 2) * math.log(half) - half - math.lgamma(k + odd / 2 + 1))
        for k in steps
    )


def normal_equivalent(deviation: float, degrees_of_freedom: float) -> float:
    """A deviation whose scale was guessed from few readings, as a normal one (Wallace's approximation)."""
    freedom = max(degrees_of_freedom, 1.0)
    shrunk = math.sqrt(freedom * math.log1p(deviation * deviation / freedom))
    return math.copysign(shrunk * (8 * freedom + 1) / (8 * freedom + 3), deviation)


class TailCalibrator:
    """The threshold that a statistic exceeds in `alarm_share` of all intervals."""

    def __init__(self, alarm_share: float, dimensions: int) -> None:
        self._alarm_share = alarm_share
        self._begin = chi_squared_quantile(TAIL_SHARE, dimensions)
        theory = chi_squared_quantile(alarm_share, dimensions)
        self._intervals = float(PRIOR_INTERVALS)
        self._in_tail = PRIOR_INTERVALS * TAIL_SHARE
        mean_excess = (theory - self._begin) / math.log(TAIL_SHARE / alarm_share)
        self._excess = self._in_tail * mean_excess
        self._squares = 2 * self._in_tail * mean_excess**2
        self._was_alarm = False
        self._seen = 0
        self._alarms_learned = 0
        self.threshold = theory

    def score_and_learn(self, statistic: float) -> float:
        """The statistic in units of the threshold before it (1 and more: an alarm); learns from it.

        Of a row of alarms only the first teaches, no more than the threshold, and only as often as
        false alarms are to be expected: faults that last or come back do not become what is usual.
        """
        ratio = statistic / self.threshold
        is_alarm = ratio >= 1
        if not is_alarm:
            self._learn(statistic)
        elif not self._was_alarm and self._may_be_false():
            self._alarms_learned += 1
            self._learn(self.threshold)
        self._was_alarm = is_alarm
        return ratio

    def _may_be_false(self) -> bool:
        """Whether so many false alarms as have taught are to be expected; more of them are faults."""
        expected = (self._seen + PRIOR_INTERVALS) * self._alarm_share
        return self._alarms_learned + 1 <= MAX_ALARMS_OF_EXPECTED * expected

    def _learn(self, statistic: float) -> None:
        self._seen += 1
        self._intervals += 1
        if self._intervals > MEMORY_INTERVALS:
            self._intervals, self._in_tail = self._intervals / 2, self._in_tail / 2
            self._excess, self._squares = self._excess / 2, self._squares / 2
        excess = statistic - self._begin
        if excess > 0:
            self._in_tail += 1
            self._excess += excess
            self._squares += excess * excess
        self.threshold = self._begin + self._estimate_alarm_excess()

    def _estimate_alarm_excess(self) -> float:
        mean = self._excess / self._in_tail
        variance = self._squares / self._in_tail - mean * mean
        shape = min(
            max((1 - mean * mean / max(variance, MIN_TAIL_VARIANCE)) / 2, MIN_SHAPE),
            MAX_SHAPE,
        )
        scale = mean * (1 - shape)
        steps = max(math.log(self._in_tail / self._intervals / self._alarm_share), 1.0)
        return scale * (math.expm1(shape * steps) / shape if abs(shape) > 1e-6 else steps)
