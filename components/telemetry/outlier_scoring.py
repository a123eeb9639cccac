"""How unusual a machine's readings are, tag by tag and taken together, at a stated rate of false alarms.

Each value is measured against the median of the last ones, in robust deviations (median absolute
deviation). Few readings, and readings that follow one another, know their own spread badly; Student's
distribution says how badly, and the deviation is put back to that of a normal variable. Tags that move
together are measured against their running correlation besides. Each of these statistics alarms beyond
a threshold of its own (`calibration`) that all of them together pass once in the wanted run length.

Scores are distances in units of the threshold: 1 and more is an alarm. What is learned is kept apart for
each status: a stopped motor is no outlier of a running one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from telemetry.configuration import OutlierConfiguration, TagProfile
from telemetry.tag_correlation import RunningCorrelation, group_related_tags
from telemetry.tail_calibration import TailCalibrator, normal_equivalent

ALARM_SCORE = 1.0
MAX_OUTLIER_SCORE = 1000.0
MAD_TO_DEVIATION = 1.4826
MAD_EFFICIENCY = 0.37  # of the readings in a window, the share that a standard deviation would need
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
        self._groups = group_related_tags([(profile.tag, profile.related) for profile in scored])
        self._baselines: dict[str, _StatusBaseline] = {}
        self._status = ""
        self._intervals_of_status = 0

    def score(self, status: str, values: Mapping[str, float]) -> OutlierScores:
        """Score one interval's values; nothing while too few are known or a change settles."""
        self._intervals_of_status = self._intervals_of_status + 1 if status == self._status else 0
        self._status = status
        if self._intervals_of_status < self._configuration.settle_intervals or not self._tags:
            return OutlierScores()
        if status not in self._baselines:
            self._baselines[status] = _StatusBaseline(self._configuration, self._tags, self._groups)
        return self._baselines[status].score(values)


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
        self._tag_calibrators = [TailCalibrator(share, 1) for _ in tags]
        self._tag_groups = [_TagGroup(tuple(map(tags.index, group)), share) for group in groups]

    def score(self, values: Mapping[str, float]) -> OutlierScores:
        row = np.array([values.get(tag, math.nan) for tag in self._tags])
        deviations = self._window.add_row(row)
        scores = [
            0.0
            if math.isnan(deviation)
            else _to_score(calibrator.score_and_learn(deviation * deviation))
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
        self._calibrator = TailCalibrator(alarm_share, len(places))
        self._learned = 0

    def score_row(self, row: NDArray[np.float64]) -> tuple[float, int]:
        """The joint score and the place of its cause; 0 unless all tags of the group are known."""
        deviations = row[self._places]
        if np.isnan(deviations).any():
            return 0.0, int(self._places[0])
        score, cause = 0.0, 0
        if self._learned >= MIN_JOINT_INTERVALS:
            distance = self._correlation.measure_distance(deviations)
            score, cause = (
                _to_score(self._calibrator.score_and_learn(distance.squared)),
                distance.cause,
            )
        self._correlation.learn(deviations)
        self._learned += 1
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

    def add_row(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normal-equivalent deviations of a row (NaN: unknown), which then joins the window."""
        deviations = np.full(len(row), math.nan)
        for tag, value in enumerate(row):
            if not math.isnan(value):
                if self._known[tag] >= self._min_readings:
                    deviations[tag] = self._compute_corrected_deviation(tag, float(value))
                self._append(tag, float(value))
        return deviations

    def _compute_corrected_deviation(self, tag: int, value: float) -> float:
        known = int(self._known[tag])
        raw = robust_deviation(value, self._rows[:known, tag])
        clipped = min(max(raw, -4.0), 4.0)
        self._carry_over[tag] += 0.01 * (clipped * self._before[tag] - self._carry_over[tag])
        self._variance[tag] += 0.01 * (clipped * clipped - self._variance[tag])
        self._before[tag] = clipped
        follows = self._carry_over[tag] / max(self._variance[tag], 1e-3)
        squared = min(max(follows, 0.0), 0.99) ** 2
        independent = (known - 1) * (1 - squared) / (1 + squared)
        return normal_equivalent(raw, MAD_EFFICIENCY * independent)

    def _append(self, tag: int, value: float) -> None:
        self._rows[self._next[tag], tag] = value
        self._next[tag] = (self._next[tag] + 1) % len(self._rows)
        self._known[tag] = min(self._known[tag] + 1, len(self._rows))


def robust_deviation(value: float, window: NDArray[np.float64]) -> float:
    """Signed robust deviations between a value and a window of at least one."""
    median = _median(window)
    spread = _median(np.abs(window - median)) * MAD_TO_DEVIATION
    deviation = (value - median) / max(spread, MIN_DEVIATION, MIN_RELATIVE_DEVIATION * abs(median))
    return float(min(max(deviation, -1e6), 1e6))


def _median(numbers: NDArray[np.float64]) -> float:
    ordered = np.sort(numbers)  # a tenth of the time of np.median for so few
    half = len(ordered) // 2
    return float(ordered[half] if len(ordered) % 2 else ordered[half - 1] / 2 + ordered[half] / 2)


def _to_score(ratio: float) -> float:
    return min(math.sqrt(ratio), MAX_OUTLIER_SCORE)
