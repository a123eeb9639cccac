"""Turns the readings of each interval into batches: one an interval at least, whatever the machine does."""

from collections.abc import Iterator, Sequence

from equipment.configuration import EquipmentConfiguration
from equipment.links.link import TagsRead
from sightline.messaging.codec import MAX_MESSAGE_BYTES, group_by_size
from sightline.messaging.messages import MachineSamples, TagSample

MAX_SAMPLES_BYTES = MAX_MESSAGE_BYTES - 1024  # the rest is for the batch's own fields


class SampleBatcher:
    """Knows whether the last request was answered, and numbers the batches."""

    def __init__(self, station_id: str, configuration: EquipmentConfiguration) -> None:
        self._station_id = station_id
        self._configuration = configuration
        self._sequence = 0
        self._is_read_pending = False
        self._is_count_over = False
        self.last_read: TagsRead | None = None

    def forget_count(self) -> None:
        """The counter means other parts from now on; a reading under way may be of before."""
        self.last_read = None
        self._is_count_over = self._is_read_pending

    def begin_interval(self, link_is_up: bool, now_utc_ns: int) -> tuple[MachineSamples, ...]:
        """An interval begins: stale batches for the last if unanswered, for this if there is no link."""
        intervals = int(self._is_read_pending) + int(not link_is_up)
        self._is_read_pending = link_is_up
        if intervals:
            self.last_read = None
        stale = self._build_stale_samples(now_utc_ns)
        return tuple(
            batch for _ in range(intervals) for batch in self._build_batches(stale, now_utc_ns)
        )

    def batch_reading(self, read: TagsRead, now_utc_ns: int) -> tuple[MachineSamples, ...]:
        """The batches of a reading; none if its interval was given up already."""
        if not self._is_read_pending:
            return ()
        self._is_read_pending = False
        self.last_read = None if self._is_count_over else read
        self._is_count_over = False
        return tuple(self._build_batches(read.samples, now_utc_ns))

    def _build_stale_samples(self, now_utc_ns: int) -> tuple[TagSample, ...]:
        return tuple(
            TagSample(
                tag=tag.tag, value=None, unit=tag.unit, quality="stale", source_utc_ns=now_utc_ns
            )
            for tag in self._configuration.tags
        )

    def _build_batches(
        self, samples: tuple[TagSample, ...], now_utc_ns: int
    ) -> Iterator[MachineSamples]:
        batches = list(split_into_batches(samples))
        for to_come, together in zip(reversed(range(len(batches))), batches, strict=True):
            self._sequence += 1
            yield MachineSamples(
                station_id=self._station_id,
                equipment_id=self._configuration.equipment_id,
                line_id=self._configuration.line_id,
                sequence=self._sequence,
                sampled_utc_ns=now_utc_ns,
                samples=together,
                batches_to_come=to_come,
            )


def split_into_batches(samples: Sequence[TagSample]) -> Iterator[tuple[TagSample, ...]]:
    """The samples in order, in as many batches as they need to be messages; one if there are none."""
    return group_by_size(samples, MAX_SAMPLES_BYTES)
