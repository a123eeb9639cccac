"""What arrives from outside is understood or refused with a reason; nothing stops the ingest."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.wire.batches import ArrivedMessage, build_batch
from cloud.wire.topic_routes import list_topic_filters, parse_topic
from sightline.messaging.codec import encode
from sightline.messaging.topics import (
    CLOUD,
    INSPECTION_RECORD,
    MACHINE_STATE_TO_CLOUD,
    STATION_HEALTH,
    MessageStream,
    streams_read_by,
)
from tests.cloud.example_records import (
    THING,
    defect,
    health,
    machine_state,
    record,
)
from tests.contract.messages.message_examples import EXAMPLES

RECORDS = INSPECTION_RECORD.build_topic(THING)


def arrival(payload: bytes, topic: str = RECORDS) -> ArrivedMessage:
    return ArrivedMessage(topic, payload, 5)


def reason_of(payload: bytes, topic: str = RECORDS) -> str:
    batch = build_batch([arrival(payload, topic)])
    assert not batch.records
    return batch.refusals[0].reason


def test_each_stream_finds_its_place_in_the_batch() -> None:
    batch = build_batch(
        [
            arrival(encode(record(1))),
            arrival(encode(machine_state(9)), MACHINE_STATE_TO_CLOUD.build_topic(THING)),
            arrival(encode(health("com.sightline.Capture", 8)), STATION_HEALTH.build_topic(THING)),
        ]
    )
    assert [stored.record.partNumber for stored in batch.records] == [1]
    assert [stored.state.state_utc_ns for stored in batch.states] == [9]
    assert [stored.health.component for stored in batch.health] == ["com.sightline.Capture"]
    assert (batch.records[0].thing, batch.states[0].thing, batch.health[0].thing) == (THING,) * 3
    assert batch.refusals == []


def test_a_record_is_kept_as_it_came_with_fields_we_do_not_know() -> None:
    content = msgspec.json.decode(encode(record(1))) | {"shiftLeader": "Ünal"}
    payload = msgspec.json.encode(content)
    assert build_batch([arrival(payload)]).records[0].body.encode() == payload


def test_a_broken_message_does_not_keep_the_next_one_out() -> None:
    batch = build_batch([arrival(b'{"recordId":'), arrival(encode(record(2)))])
    assert [stored.record.partNumber for stored in batch.records] == [2]
    assert len(batch.refusals) == 1
    assert "InspectionRecord" in batch.refusals[0].reason
    assert batch.refusals[0].payload == b'{"recordId":'


def test_an_unknown_version_is_refused_by_its_number() -> None:
    content = msgspec.json.decode(encode(record(1))) | {"schemaVersion": 9}
    assert "version 9" in reason_of(msgspec.json.encode(content))


def test_an_oversize_message_is_refused_with_both_sizes() -> None:
    assert "found 7000 bytes; at most 6656" in reason_of(b" " * 7000)


@pytest.mark.parametrize("number", [2**63, -1, 10**40])
def test_a_part_number_that_no_store_holds_is_refused(number: int) -> None:
    payload = encode(record(1)).replace(b'"partNumber":1', b'"partNumber":%d' % number)
    assert "partNumber" in reason_of(payload)


@pytest.mark.parametrize("number", [2**63, -(2**70), 10**40])
@pytest.mark.parametrize("field", ["at_utc_ns", "since_utc_ns", "records_sent"])
def test_a_number_of_the_health_that_no_store_holds_is_refused(field: str, number: int) -> None:
    told = encode(health("com.sightline.Capture", 1, fault="away"))
    payload = re.sub(rb'("%s":)\d+' % field.encode(), rb"\g<1>%d" % number, told)
    assert payload != told
    batch = build_batch([arrival(payload, STATION_HEALTH.build_topic(THING))])
    assert batch.health == []
    assert field in batch.refusals[0].reason


def test_a_time_of_a_machine_that_no_store_holds_is_refused() -> None:
    payload = encode(machine_state(9)).replace(b'"state_utc_ns":9', b'"state_utc_ns":%d' % 2**63)
    batch = build_batch([arrival(payload, MACHINE_STATE_TO_CLOUD.build_topic(THING))])
    assert batch.states == []
    assert "state_utc_ns" in batch.refusals[0].reason


def test_a_record_without_a_name_is_refused() -> None:
    assert "recordId is empty" in reason_of(encode(record(1, recordId="")))


def test_bytes_that_are_no_text_are_refused_even_in_an_unknown_field() -> None:
    payload = encode(record(1))[:-1] + b',"more":"\xff"}'
    assert "UTF-8" in reason_of(payload)


@pytest.mark.parametrize("stream", streams_read_by(CLOUD), ids=lambda stream: stream.name)
def test_each_message_is_taken_from_its_own_station_and_from_no_other(
    stream: MessageStream,
) -> None:
    (example,) = (each for each in EXAMPLES if type(each) is stream.message)
    payload = encode(example)
    assert build_batch([arrival(payload, stream.build_topic("station-1"))]).refusals == []
    assert "but the topic belongs to 'station-9'" in reason_of(
        payload, stream.build_topic("station-9")
    )


def test_a_topic_of_no_stream_is_refused() -> None:
    assert "no stream" in reason_of(b"{}", "sightline/a/b/records")


@given(st.binary(max_size=400))
def test_any_bytes_become_a_record_or_a_refusal(payload: bytes) -> None:
    batch = build_batch([arrival(payload)])
    assert len(batch.records) + len(batch.refusals) == 1


@given(st.integers(0, 5000), st.binary(min_size=1, max_size=3))
def test_a_record_damaged_anywhere_becomes_a_record_or_a_refusal(at: int, damage: bytes) -> None:
    payload = encode(defect(1))
    place = at % len(payload)
    damaged = payload[:place] + damage + payload[place + len(damage) :]
    batch = build_batch([arrival(damaged)])
    assert len(batch.records) + len(batch.refusals) == 1


def test_every_cloud_stream_of_the_catalogue_is_subscribed_for_every_thing() -> None:
    assert set(list_topic_filters()) == {
        "sightline/+/records",
        "sightline/+/command-outcomes",
        "sightline/+/camera-views",
        "sightline/+/commissioning",
        "sightline/+/machine-state",
        "sightline/+/health",
        "sightline/+/gate-corrections",
        "sightline/+/gap-records",
    }


@pytest.mark.parametrize("topic", ["", "sightline//records", "sightline/records", "x/a/records"])
def test_a_topic_without_a_thing_has_no_route(topic: str) -> None:
    assert parse_topic(topic) is None
