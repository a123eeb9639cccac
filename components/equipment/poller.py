"""Turns the readings of each interval into batches: one an interval at least, whatever the machine does."""

from collections.abc import Iterator, Sequence

from equipment.configuration import EquipmentConfiguration
from equipment.links.link import TagsRead
from sightline.codec import GREATEST_MESSAGE_BYTES, encode_of_any_size
from sightline.messages import MachineSamples, Sample

GREATEST_SAMPLES_BYTES = GREATEST_MESSAGE_BYTES - 1024  # the rest is for the batch's own fields


class Poller:
    """Knows whether the last request was answered, and numbers the batches."""

    def __init__(self, station_id: str, configuration: EquipmentConfiguration) -> None:
        self._station_id = station_id
        self._configuration = configuration
        self._sequence = 0
        self._waiting = False
        self._is_count_over = False
        self.last_read: TagsRead | None = None

    def forget_count(self) -> None:
        """The counter means other parts from now on; a reading under way may be of before."""
        self.last_read = None
        self._is_count_over = self._waiting

    def interval(self, link_is_up: bool, now_utc_ns: int) -> tuple[MachineSamples, ...]:
        """An interval begins: stale batches for the last if unanswered, for this if there is no link."""
        intervals = int(self._waiting) + int(not link_is_up)
        self._waiting = link_is_up
        if intervals:
            self.last_read = None
        stale = self._stale(now_utc_ns)
        return tuple(batch for _ in range(intervals) for batch in self._batches(stale, now_utc_ns))

    def answer(self, read: TagsRead, now_utc_ns: int) -> tuple[MachineSamples, ...]:
        """The batches of a reading; none if its interval was given up already."""
        if not self._waiting:
            return ()
        self._waiting = False
        self.last_read = None if self._is_count_over else read
        self._is_count_over = False
        return tuple(self._batches(read.samples, now_utc_ns))

    def _stale(self, now_utc_ns: int) -> tuple[Sample, ...]:
        return tuple(
            Sample(
                tag=tag.tag, value=None, unit=tag.unit, quality="stale", source_utc_ns=now_utc_ns
            )
            for tag in self._configuration.tags
        )

    def _batches(self, samples: tuple[Sample, ...], now_utc_ns: int) -> Iterator[MachineSamples]:
        for together in in_batches(samples):
            self._sequence += 1
            yield MachineSamples(
                station_id=self._station_id,
                equipment_id=self._configuration.equipment_id,
                line_id=self._configuration.line_id,
                sequence=self._sequence,
                sampled_utc_ns=now_utc_ns,
                samples=together,
            )


def in_batches(samples: Sequence[Sample]) -> Iterator[tuple[Sample, ...]]:
    """The samples in order, in as many batches as they need to be messages; one if there are none."""
    batch: list[Sample] = []
    size = 0
    for sample in samples:
        more = len(encode_of_any_size(sample)) + 1
        if batch and size + more > GREATEST_SAMPLES_BYTES:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(sample)
        size += more
    yield tuple(batch)
