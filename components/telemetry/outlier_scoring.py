"""How unusual a machine's readings are, tag by tag and taken together, at a stated rate of false alarms.

Each value is measured against the median of the last ones, in robust deviations: the standard deviation
of what lies near the median, at least half a step of the sensor. Few readings, and readings that follow
one another, know their own spread badly; Student's distribution says how badly, and the deviation is put
back to that of a normal variable. Tags that move together are measured against their running correlation
besides. Each of these statistics alarms beyond a threshold of its own (`tail_calibration`) that all of
them together pass once in the wanted run length.

Scores are distances in units of the threshold: 1 and more is an alarm. What is learned is kept apart for
each status: a stopped motor is no outlier of a running one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from telemetry.configuration import OutlierConfiguration, TagProfile
from telemetry.reading_resolution import ReadingResolution
from telemetry.tag_correlation import RunningCorrelation, group_related_tags
from telemetry.tail_calibration import TailCalibrator, normal_equivalent

ALARM_SCORE = 1.0
MAX_OUTLIER_SCORE = 1000.0
MAD_TO_DEVIATION = 1.4826
NEAR_DEVIATIONS = 3.0  # what lies farther from the median says nothing of the spread
NEAR_TO_DEVIATION = 1 / 0.975  # a normal variable's spread, from what lies near
SPREAD_EFFICIENCY = (
    0.75  # of the readings in a window, the share that a standard deviation would need
)
MIN_RELATIVE_DEVIATION = (
    0.005  # a deviation below this share of the median is the sensor's last digit
)
MIN_DEVIATION = 1e-6
MIN_JOINT_INTERVALS = 60  # intervals of a group before its distance is looked at


@dataclass(frozen=True)
class OutlierScores:
    """One interval's scores: of each tag, of the whole, and the tag that is the cause of an alarm."""

    by_tag: Mapping[str, float] = field(default_factory=dict)
    score: float = 0.0
    cause: str = ""


class OutlierScorer:
    """One machine's memory, by status."""

    def __init__(
        self, configuration: OutlierConfiguration, profiles: Sequence[TagProfile] = ()
    ) -> None:
        self._configuration = configuration
        scored = [profile for profile in profiles if profile.score_outliers]
        self._tags = tuple(profile.tag for profile in scored)
        self._resolution = ReadingResolution([profile.resolution for profile in scored])
        self._groups = group_related_tags([(profile.tag, profile.related) for profile in scored])
        self._baselines: dict[str, _StatusBaseline] = {}
        self._status = ""
        self._intervals_of_status = 0

    def score(self, status: str, values: Mapping[str, float]) -> OutlierScores:
        """Score one interval's values; nothing while too few are known or a change settles."""
        self._intervals_of_status = self._intervals_of_status + 1 if status == self._status else 0
        self._status = status
        row = np.array([values.get(tag, math.nan) for tag in self._tags])
        steps = self._resolution.learn(row, is_status_new=not self._intervals_of_status)
        if self._intervals_of_status < self._configuration.settle_intervals or not self._tags:
            return OutlierScores()
        if status not in self._baselines:
            self._baselines[status] = _StatusBaseline(self._configuration, self._tags, self._groups)
        return self._baselines[status].score(row, steps)


class _StatusBaseline:
    """What is usual under one status."""

    def __init__(
        self,
        configuration: OutlierConfiguration,
        tags: tuple[str, ...],
        groups: Sequence[tuple[str, ...]],
    ) -> None:
        self._tags = tags
        self._window = _ReadingWindow(configuration, len(tags))
        share = 1.0 / configuration.intervals_between_false_alarms / (len(tags) + len(groups))
        self._tag_calibrators = [TailCalibrator(share) for _ in tags]
        self._tag_groups = [_TagGroup(tuple(map(tags.index, group)), share) for group in groups]

    def score(self, row: NDArray[np.float64], steps: NDArray[np.float64]) -> OutlierScores:
        deviations = self._window.add_row(row, steps)
        scores = [
            0.0
            if math.isnan(deviation)
            else _to_score(calibrator.score_and_learn(deviation * deviation, 1))
            for deviation, calibrator in zip(deviations, self._tag_calibrators, strict=True)
        ]
        for group in self._tag_groups:
            joint, cause = group.score_row(deviations)
            scores[cause] = max(scores[cause], joint)
        worst = max(range(len(scores)), key=scores.__getitem__)
        cause_tag = self._tags[worst] if scores[worst] >= ALARM_SCORE else ""
        return OutlierScores(dict(zip(self._tags, scores, strict=True)), scores[worst], cause_tag)


class _TagGroup:
    """Tags that move together, by their places in a row."""

    def __init__(self, places: tuple[int, ...], alarm_share: float) -> None:
        self._places = np.array(places)
        self._correlation = RunningCorrelation(len(places))
        self._calibrator = TailCalibrator(alarm_share)

    def score_row(self, row: NDArray[np.float64]) -> tuple[float, int]:
        """The joint score of the group's known tags and the place of its cause; 0 for fewer than two."""
        deviations = row[self._places]
        known = np.flatnonzero(~np.isnan(deviations))
        score, cause = 0.0, 0
        if self._correlation.count_intervals(known) >= MIN_JOINT_INTERVALS:
            distance = self._correlation.measure_distance(deviations[known], known)
            score = _to_score(self._calibrator.score_and_learn(distance.squared, len(known)))
            cause = int(known[distance.cause])
        self._correlation.learn(deviations[known], known)
        return score, int(self._places[cause])


class _ReadingWindow:
    """The last readings of all tags, and where a new row lies among them."""

    def __init__(self, configuration: OutlierConfiguration, tags: int) -> None:
        self._rows = np.full((configuration.window, tags), math.nan)
        self._known = np.zeros(tags, dtype=np.int64)
        self._next = np.zeros(tags, dtype=np.int64)
        self._min_readings = configuration.min_readings
        self._carry_over = np.zeros(tags)  # running product of neighbouring deviations
        self._variance = np.ones(tags)
        self._before = np.zeros(tags)

    def add_row(self, row: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normal-equivalent deviations of a row (NaN: unknown), which then joins the window."""
        deviations = np.full(len(row), math.nan)
        for tag, value in enumerate(row):
            if not math.isnan(value):
                if self._known[tag] >= self._min_readings:
                    deviations[tag] = self._correct_deviation(tag, float(value), float(steps[tag]))
                self._append(tag, float(value))
        return deviations

    def _correct_deviation(self, tag: int, value: float, step: float) -> float:
        known = int(self._known[tag])
        raw = robust_deviation(value, self._rows[:known, tag], step)
        clipped = min(max(raw, -4.0), 4.0)
        self._carry_over[tag] += 0.01 * (clipped * self._before[tag] - self._carry_over[tag])
        self._variance[tag] += 0.01 * (clipped * clipped - self._variance[tag])
        self._before[tag] = clipped
        follows = self._carry_over[tag] / max(self._variance[tag], 1e-3)
        squared = min(max(follows, 0.0), 0.99) ** 2
        independent = (known - 1) * (1 - squared) / (1 + squared)
        return normal_equivalent(raw, SPREAD_EFFICIENCY * independent)

    def _append(self, tag: int, value: float) -> None:
        self._rows[self._next[tag], tag] = value
        self._next[tag] = (self._next[tag] + 1) % len(self._rows)
        self._known[tag] = min(self._known[tag] + 1, len(self._rows))


def robust_deviation(value: float, window: NDArray[np.float64], step: float = 0.0) -> float:
    """Signed robust deviations between a value and a window of at least one; `step` is the sensor's."""
    median = _median(window)
    least = max(step / 2, MIN_DEVIATION, MIN_RELATIVE_DEVIATION * abs(median))
    beyond = max(abs(value - median) - step / 2, 0.0)  # a step away may be half a step away
    deviation = beyond / max(_robust_spread(window, median), least)
    return math.copysign(min(deviation, 1e6), value - median)


def _robust_spread(window: NDArray[np.float64], median: float) -> float:
    """The standard deviation of what lies near the median; 0 where half of the window equals it."""
    distances = np.abs(window - median)
    reach = NEAR_DEVIATIONS * MAD_TO_DEVIATION * _median(distances)
    if reach == 0:
        return 0.0
    near = window[distances <= reach]
    apart = (near - near.sum() / len(near)) / reach  # their squares are no infinity
    return math.sqrt(float(apart @ apart) / len(near)) * reach * NEAR_TO_DEVIATION


def _median(numbers: NDArray[np.float64]) -> float:
    ordered = np.sort(numbers)  # a tenth of the time of np.median for so few
    half = len(ordered) // 2
    return float(ordered[half] if len(ordered) % 2 else ordered[half - 1] / 2 + ordered[half] / 2)


def _to_score(ratio: float) -> float:
    return min(math.sqrt(ratio), MAX_OUTLIER_SCORE)
