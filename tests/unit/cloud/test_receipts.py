"""What stations are told of their stored records."""

import threading

import msgspec

from cloud.live.site_summary import SiteSummary
from cloud.message_intake import MessageIntake
from cloud.store.stored_messages import MessageBatch
from cloud.wire.batches import ArrivedMessage, build_batch
from cloud.wire.receipts import (
    MAX_RECEIPT_RECORDS,
    ReceiptPublisher,
    build_receipts,
    list_stored_ids,
)
from sightline.errors import TransportError
from sightline.messaging.codec import encode
from sightline.messaging.messages import RecordsStored
from sightline.messaging.topics import INSPECTION_RECORD
from tests.cloud.example_records import record
from tests.unit.cloud.test_message_intake import FullDisk, wait_until


def batch(numbers: range, thing: str = "station-1") -> MessageBatch:
    topic = INSPECTION_RECORD.build_topic(thing)
    return build_batch([ArrivedMessage(topic, encode(record(n, thing)), 0) for n in numbers])


def test_each_station_is_told_of_its_own_records_once() -> None:
    both = [*list_stored_ids(batch(range(1, 4))), *list_stored_ids(batch(range(7, 9), "station-2"))]
    assert {receipt.station_id: receipt.record_ids for receipt in build_receipts(both)} == {
        "station-1": ("station-1-7-1", "station-1-7-2", "station-1-7-3"),
        "station-2": ("station-2-7-7", "station-2-7-8"),
    }


def test_many_records_are_told_in_messages_that_every_nucleus_takes() -> None:
    ids = list_stored_ids(batch(range(1, 3 * MAX_RECEIPT_RECORDS)))
    receipts = list(build_receipts(ids))
    assert len(receipts) == 3
    told = [("station-1", one) for receipt in receipts for one in receipt.record_ids]
    assert told == ids
    assert all(encode(receipt) for receipt in receipts)


def test_a_broker_that_is_away_ends_nothing() -> None:
    def refuse(topic: str, payload: bytes) -> None:
        raise TransportError("away")

    ReceiptPublisher(refuse).publish(batch(range(1, 3)))


def test_no_station_is_told_before_its_record_is_on_disk_and_a_repeat_is_told_again() -> None:
    store, told = FullDisk(), threading.Event()
    receipts: list[RecordsStored] = []

    def keep(topic: str, payload: bytes) -> None:
        assert topic == "sightline/station-1/records-stored"
        receipts.append(msgspec.json.decode(payload, type=RecordsStored))
        told.set()

    intake = MessageIntake(
        store, SiteSummary(), retry_s=0.01, publish_receipts=ReceiptPublisher(keep).publish
    )
    intake.start()
    topic = INSPECTION_RECORD.build_topic("station-1")
    intake.deliver(topic, encode(record(1)))
    assert store.refused.wait(20)
    assert not receipts
    store.room.set()
    assert told.wait(20)
    intake.deliver(topic, encode(record(1)))
    wait_until(lambda: len(receipts) == 2)
    assert {receipt.record_ids for receipt in receipts} == {(record(1).recordId,)}
    intake.close(5.0)
