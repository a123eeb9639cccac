"""Sends receipts and dead letters to stations; only then do they delete a message from the outbox.

A lost receipt only causes a repeat: the station sends the record again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from cloud.store.stored_messages import DeadLetterNotice, MessageBatch
from sightline.errors import MessageError, TransportError
from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode, encode_of_any_size
from sightline.messaging.messages import DeadLetter, RecordsRefused, RecordsStored
from sightline.messaging.topics import RECORDS_REFUSED, RECORDS_STORED
from sightline.text import truncate

log = logging.getLogger(__name__)
MAX_RECEIPT_RECORDS = 32
MAX_DEAD_LETTERS_BYTES = MAX_MESSAGE_BYTES - 1024  # the rest is for the station's name
MAX_DEAD_LETTER_REASON_LENGTH = 300
BeginPublish = Callable[[str, bytes], object]
StoredId = tuple[str, str]


def list_stored_ids(batch: MessageBatch) -> list[StoredId]:
    """The thing and id of each record, gap and correction of a committed batch."""
    return [
        *((stored.thing, stored.record.recordId) for stored in batch.records),
        *((stored.thing, stored.gap.gapId) for stored in batch.gaps),
        *((stored.thing, stored.correction.correctionId) for stored in batch.corrections),
    ]


def build_receipts(stored: Iterable[StoredId]) -> Iterator[RecordsStored]:
    """Build each station's receipts, in messages small enough for every nucleus."""
    by_thing: dict[str, list[str]] = defaultdict(list)
    for thing, record_id in stored:
        by_thing[thing].append(record_id)
    for thing, ids in by_thing.items():
        for first in range(0, len(ids), MAX_RECEIPT_RECORDS):
            part = tuple(ids[first : first + MAX_RECEIPT_RECORDS])
            yield RecordsStored(station_id=thing, record_ids=part)


def build_dead_letters(letters: Sequence[DeadLetterNotice]) -> Iterator[RecordsRefused]:
    """Build each station's dead letters, each once, in as few messages as possible."""
    by_thing: dict[str, dict[str, DeadLetter]] = defaultdict(dict)
    for letter in letters:
        reason = truncate(letter.reason, MAX_DEAD_LETTER_REASON_LENGTH)
        dead = DeadLetter(record_id=letter.record_id, reason=reason)
        by_thing[letter.thing][letter.record_id] = dead
    for thing, dead_letters in by_thing.items():
        for part in _split_to_fit(list(dead_letters.values())):
            yield RecordsRefused(station_id=thing, refused=tuple(part))


def _split_to_fit(letters: list[DeadLetter]) -> Iterator[list[DeadLetter]]:
    part: list[DeadLetter] = []
    size = 0
    for letter in letters:
        more = len(encode_of_any_size(letter)) + 1
        if part and size + more > MAX_DEAD_LETTERS_BYTES:
            yield part
            part, size = [], 0
        part.append(letter)
        size += more
    if part:
        yield part


class ReceiptPublisher:
    """Publishes receipts and dead letters without waiting for the broker's acknowledgement."""

    def __init__(self, publish: BeginPublish) -> None:
        self._begin_publish = publish

    def publish(self, batch: MessageBatch) -> None:
        """Publish a committed batch's receipts, and dead letters for what it refused."""
        for receipt in build_receipts(list_stored_ids(batch)):
            self._try_publish(RECORDS_STORED.build_topic(receipt.station_id), receipt)
        for letters in build_dead_letters(batch.dead_letters):
            self._try_publish(RECORDS_REFUSED.build_topic(letters.station_id), letters)

    def _try_publish(self, topic: str, message: msgspec.Struct) -> None:
        try:
            self._begin_publish(topic, encode(message))
        except (TransportError, MessageError) as error:
            log.warning("receipt not sent", extra={"topic": topic, "error": str(error)})
