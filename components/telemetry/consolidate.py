"""Several batches of readings to one value for each tag over an interval."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sightline.messages import MachineSamples, Quality, Sample

GREATEST_VALUE = 1e300  # beyond it a number is no reading, and sums of it are no numbers
SLACK = 0.1  # share of an interval by which a batch may be early and still complete it


@dataclass(frozen=True)
class Reading:
    """One tag over one interval: the mean of its good numbers, or its last good switch or text."""

    tag: str
    value: float | bool | str | None
    unit: str
    quality: Quality


@dataclass(frozen=True)
class Interval:
    """One interval's readings, in the order in which the machine lists its tags."""

    ended_utc_ns: int
    readings: tuple[Reading, ...]


class Consolidator:
    """Collects one machine's batches; the batch that completes an interval closes it.

    There is no timer here: a batch comes each interval even if it is empty.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_ns = round(interval_s * 1e9)
        self._due_ns: int | None = None
        self._samples: list[Sample] = []

    def add(self, batch: MachineSamples) -> Interval | None:
        """Take a batch; returns the interval that it completes."""
        now_ns = batch.sampled_utc_ns
        if self._due_ns is None or self._clock_was_set(now_ns):
            self._due_ns = now_ns + self._interval_ns
        self._samples.extend(batch.samples)
        if now_ns < self._due_ns - self._interval_ns * SLACK:
            return None
        behind = max(0, now_ns - self._due_ns) // self._interval_ns
        self._due_ns += self._interval_ns * (1 + behind)
        interval = Interval(now_ns, tuple(consolidated(self._samples)))
        self._samples = []
        return interval

    def _clock_was_set(self, now_ns: int) -> bool:
        return self._due_ns is not None and now_ns < self._due_ns - 2 * self._interval_ns


def consolidated(samples: Iterable[Sample]) -> Iterable[Reading]:
    """One reading for each tag, in order of first appearance."""
    by_tag: dict[str, list[Sample]] = {}
    for sample in samples:
        by_tag.setdefault(sample.tag, []).append(sample)
    for tag, of_tag in by_tag.items():
        good = [sample for sample in of_tag if is_good(sample)]
        if good:
            yield Reading(tag, _together(good), good[-1].unit, "good")
        else:
            last = of_tag[-1]
            quality = "bad" if last.quality == "good" else last.quality
            yield Reading(tag, None, last.unit, quality)


def is_good(sample: Sample) -> bool:
    """Whether the value may be used: of good quality, there, and no NaN, infinity or near it."""
    if sample.quality != "good" or sample.value is None:
        return False
    return not isinstance(sample.value, float) or abs(sample.value) <= GREATEST_VALUE


def _together(samples: Sequence[Sample]) -> float | bool | str | None:
    values = [sample.value for sample in samples]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        return math.fsum(numbers) / len(numbers)
    return values[-1]
