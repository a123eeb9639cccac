"""Tells stations what is stored, and what never will be: only then does it leave a station's outbox.

A receipt that gets lost costs nothing but a repeat: the station sends the record again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from cloud.store.store import Batch, Letter
from sightline.codec import GREATEST_MESSAGE_BYTES, encode, encode_of_any_size
from sightline.errors import MessageError, TransportError
from sightline.messages import DeadLetter, RecordsRefused, RecordsStored
from sightline.texts import cut
from sightline.topics import RECORDS_REFUSED, RECORDS_STORED

log = logging.getLogger(__name__)
RECORDS_A_RECEIPT = 32
MAX_LETTERS_BYTES = GREATEST_MESSAGE_BYTES - 1024  # the rest is for the station's name
MAX_REASON_LENGTH = 300
Publish = Callable[[str, bytes], object]
StoredId = tuple[str, str]


def stored_ids(batch: Batch) -> list[StoredId]:
    """The thing and the id of each record, gap and correction of a batch that was committed."""
    return [
        *((stored.thing, stored.record.recordId) for stored in batch.records),
        *((stored.thing, stored.gap.gapId) for stored in batch.gaps),
        *((stored.thing, stored.correction.correctionId) for stored in batch.corrections),
    ]


def receipts_of(stored: Iterable[StoredId]) -> Iterator[RecordsStored]:
    """What each station is told of what is stored, in messages that every nucleus takes."""
    by_thing: dict[str, list[str]] = defaultdict(list)
    for thing, record_id in stored:
        by_thing[thing].append(record_id)
    for thing, ids in by_thing.items():
        for first in range(0, len(ids), RECORDS_A_RECEIPT):
            part = tuple(ids[first : first + RECORDS_A_RECEIPT])
            yield RecordsStored(station_id=thing, record_ids=part)


def refusals_of(letters: Sequence[Letter]) -> Iterator[RecordsRefused]:
    """What each station is told of what will never be stored, once each, in as few messages."""
    by_thing: dict[str, dict[str, DeadLetter]] = defaultdict(dict)
    for letter in letters:
        reason = cut(letter.reason, MAX_REASON_LENGTH)
        dead = DeadLetter(record_id=letter.record_id, reason=reason)
        by_thing[letter.thing][letter.record_id] = dead
    for thing, dead_letters in by_thing.items():
        for part in _fitting(list(dead_letters.values())):
            yield RecordsRefused(station_id=thing, refused=tuple(part))


def _fitting(letters: list[DeadLetter]) -> Iterator[list[DeadLetter]]:
    part: list[DeadLetter] = []
    size = 0
    for letter in letters:
        more = len(encode_of_any_size(letter)) + 1
        if part and size + more > MAX_LETTERS_BYTES:
            yield part
            part, size = [], 0
        part.append(letter)
        size += more
    if part:
        yield part


class Receipts:
    """Sends them without waiting for the broker; `publish` raises TransportError if it is away."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def tell(self, batch: Batch) -> None:
        """What a batch holds is on disk, or was there before; what it refuses never will be."""
        for receipt in receipts_of(stored_ids(batch)):
            self._tell(RECORDS_STORED.topic_of(receipt.station_id), receipt)
        for refusal in refusals_of(batch.letters):
            self._tell(RECORDS_REFUSED.topic_of(refusal.station_id), refusal)

    def _tell(self, topic: str, message: msgspec.Struct) -> None:
        try:
            self._publish(topic, encode(message))
        except (TransportError, MessageError) as error:
            log.warning("a station is not told", extra={"topic": topic, "error": str(error)})
