"""Tells stations which of their records are stored: only then does a record leave a station's outbox.

A receipt that gets lost costs nothing but a repeat: the station sends the record again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from cloud.store.store import StoredRecord
from sightline.codec import encode
from sightline.errors import MessageError, TransportError
from sightline.messages import RecordsStored
from sightline.topics import RECORDS_STORED

log = logging.getLogger(__name__)
RECORDS_A_RECEIPT = 32
Publish = Callable[[str, bytes], object]


def receipts_of(records: Sequence[StoredRecord]) -> Iterator[RecordsStored]:
    """What each station is told of these records, in messages that every nucleus takes."""
    by_thing: dict[str, list[str]] = defaultdict(list)
    for stored in records:
        by_thing[stored.thing].append(stored.record.recordId)
    for thing, ids in by_thing.items():
        for first in range(0, len(ids), RECORDS_A_RECEIPT):
            part = tuple(ids[first : first + RECORDS_A_RECEIPT])
            yield RecordsStored(station_id=thing, record_ids=part)


class Receipts:
    """Sends them without waiting for the broker; `publish` raises TransportError if it is away."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def tell(self, records: Sequence[StoredRecord]) -> None:
        """These records are on disk, or were there before."""
        for receipt in receipts_of(records):
            try:
                self._publish(RECORDS_STORED.topic_of(receipt.station_id), encode(receipt))
            except (TransportError, MessageError) as error:
                log.warning("a receipt is not told", extra={"error": str(error)})
