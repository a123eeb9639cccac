"""Several batches of readings to one value for each tag over an interval."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sightline.messaging.messages import MachineSamples, TagQuality, TagSample

MAX_READING_VALUE = 1e300  # beyond it a number is no reading, and sums of it are no numbers
EARLY_SHARE = 0.1  # share of an interval by which a batch may be early and still complete it


@dataclass(frozen=True)
class ConsolidatedReading:
    """One tag over one interval: the mean of its good numbers, or its last good switch or text."""

    tag: str
    value: float | bool | str | None
    unit: str
    quality: TagQuality


@dataclass(frozen=True)
class ReadingInterval:
    """One interval's readings, in the order in which the machine lists its tags."""

    ended_utc_ns: int
    readings: tuple[ConsolidatedReading, ...]


class BatchConsolidator:
    """Collects one machine's batches; the batch that completes an interval closes it.

    There is no timer here: a batch comes each interval even if it is empty. What one sampling brought in
    several batches stays together; where its last batch is lost, the next sampling closes the interval.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_ns = round(interval_s * 1e9)
        self._due_ns: int | None = None
        self._samples: list[TagSample] = []

    def add_batch(self, batch: MachineSamples) -> ReadingInterval | None:
        """Take a batch; returns the interval that it completes."""
        now_ns = batch.sampled_utc_ns
        if self._due_ns is None or self._was_clock_set_back(now_ns):
            self._due_ns = now_ns + self._interval_ns
        self._samples.extend(batch.samples)
        if batch.batches_to_come or now_ns < self._due_ns - self._interval_ns * EARLY_SHARE:
            return None
        behind = max(0, now_ns - self._due_ns) // self._interval_ns
        self._due_ns += self._interval_ns * (1 + behind)
        interval = ReadingInterval(now_ns, tuple(consolidate_samples(self._samples)))
        self._samples = []
        return interval

    def _was_clock_set_back(self, now_ns: int) -> bool:
        return self._due_ns is not None and now_ns < self._due_ns - 2 * self._interval_ns


def consolidate_samples(samples: Iterable[TagSample]) -> Iterable[ConsolidatedReading]:
    """One reading for each tag, in order of first appearance."""
    by_tag: dict[str, list[TagSample]] = {}
    for sample in samples:
        by_tag.setdefault(sample.tag, []).append(sample)
    for tag, of_tag in by_tag.items():
        good = [sample for sample in of_tag if is_usable_sample(sample)]
        if good:
            yield ConsolidatedReading(tag, _combine_values(good), good[-1].unit, "good")
        else:
            last = of_tag[-1]
            quality = "bad" if last.quality == "good" else last.quality
            yield ConsolidatedReading(tag, None, last.unit, quality)


def is_usable_sample(sample: TagSample) -> bool:
    """Whether the value may be used: of good quality, there, and no NaN, infinity or near it."""
    if sample.quality != "good" or sample.value is None:
        return False
    return not isinstance(sample.value, float) or abs(sample.value) <= MAX_READING_VALUE


def _combine_values(samples: Sequence[TagSample]) -> float | bool | str | None:
    values = [sample.value for sample in samples]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        return math.fsum(numbers) / len(numbers)
    return values[-1]
