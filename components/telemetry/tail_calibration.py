"""From a wanted run length to a threshold: theory first, the machine's own past as it becomes known.

A statistic with chi-squared tails (a squared deviation, a squared Mahalanobis distance) is turned into its
surprise, the negative logarithm of the probability that theory gives it: an exponential variable, if theory
is right. Real readings have heavier or lighter tails and follow one another, so the tail of the surprise
beyond the 90th percentile is learned: a generalized Pareto distribution with the mean and the spread of the
excesses seen. Its shape is taken heavier by a share of its standard error: few readings, few alarms.
"""

import math

TAIL_SHARE = 0.1  # the share of intervals that lie beyond the point where the tail begins
TAIL_BEGIN = -math.log(TAIL_SHARE)
PRIOR_INTERVALS = 300  # for so many, theory is taken as seen
MIN_SHAPE, MAX_SHAPE = 0.0, 0.5  # a lighter tail than the exponential is not believed
MIN_TAIL_VARIANCE = 1e-9
MAX_ALARMS_OF_EXPECTED = 3
CAUTION = 0.7  # standard errors by which the tail is taken heavier than it was seen
MIN_STATISTIC = 1e-9  # below it nothing is surprising
MIN_TAIL = 1e-300  # beyond it only the exponent counts
MEMORY_INTERVALS = 200_000  # what is older counts half, again and again


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
    """The surprise that a statistic exceeds in `alarm_share` of all intervals."""

    def __init__(self, alarm_share: float) -> None:
        self._alarm_share = alarm_share
        self._intervals = float(PRIOR_INTERVALS)
        self._in_tail = PRIOR_INTERVALS * TAIL_SHARE
        self._excess = self._in_tail  # of an exponential variable: mean 1, mean square 2
        self._squares = 2 * self._in_tail
        self._was_alarm = False
        self._seen = 0
        self._alarms_learned = 0
        self._scale, self._shape = 1.0, 0.0
        self.threshold = 0.0
        self._fit()

    def score_and_learn(self, statistic: float, dimensions: int) -> float:
        """The surprise in units of the threshold before it (1 and more: an alarm); learns from it.

        Of a row of alarms only the first teaches, as one of unknown size beyond the threshold, and only as
        often as false alarms are to be expected: faults that last or come back do not become what is usual.
        """
        surprise = compute_surprise(statistic, dimensions)
        ratio = surprise / self.threshold
        is_alarm = ratio >= 1
        if not is_alarm:
            self._learn(surprise)
        elif not self._was_alarm and self._may_be_false():
            self._alarms_learned += 1
            self._learn(self._expect_beyond_threshold())
        self._was_alarm = is_alarm
        return ratio

    def _may_be_false(self) -> bool:
        """Whether so many false alarms as have taught are to be expected; more of them are faults."""
        expected = (self._seen + PRIOR_INTERVALS) * self._alarm_share
        return self._alarms_learned + 1 <= MAX_ALARMS_OF_EXPECTED * expected

    def _learn(self, surprise: float) -> None:
        self._seen += 1
        self._intervals += 1
        if self._intervals > MEMORY_INTERVALS:
            self._intervals, self._in_tail = self._intervals / 2, self._in_tail / 2
            self._excess, self._squares = self._excess / 2, self._squares / 2
        excess = surprise - TAIL_BEGIN
        if excess > 0:
            self._in_tail += 1
            self._excess += excess
            self._squares += excess * excess
            self._fit()

    def _fit(self) -> None:
        """Scale and shape of the tail by its moments; the threshold from a heavier shape, by caution."""
        mean = self._excess / self._in_tail
        variance = self._squares / self._in_tail - mean * mean
        self._shape = min(
            max((1 - mean * mean / max(variance, MIN_TAIL_VARIANCE)) / 2, MIN_SHAPE), MAX_SHAPE
        )
        self._scale = mean * (1 - self._shape)
        steps = max(math.log(self._in_tail / self._intervals / self._alarm_share), 1.0)
        heavier = self._shape + CAUTION / math.sqrt(self._in_tail)
        self.threshold = TAIL_BEGIN + self._scale * math.expm1(heavier * steps) / heavier

    def _expect_beyond_threshold(self) -> float:
        """The mean surprise of what lies beyond the threshold, by the tail as it is known."""
        beyond = (self._scale + self._shape * (self.threshold - TAIL_BEGIN)) / (1 - self._shape)
        return self.threshold + beyond


def compute_surprise(statistic: float, dimensions: int) -> float:
    """The negative logarithm of the probability that a chi-squared variable is as large."""
    if statistic < MIN_STATISTIC:
        return 0.0
    tail = min(_compute_chi_squared_tail(statistic, dimensions), 1.0)
    return -math.log(tail) if tail > MIN_TAIL else statistic / 2
