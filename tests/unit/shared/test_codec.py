"""Messages survive the wire, and what is no message is refused with words that say why."""

import contextlib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.errors import MessageError
from sightline.messaging.codec import (
    MAX_MESSAGE_BYTES,
    decode,
    decode_of_any_size,
    encode,
    encode_of_any_size,
)
from sightline.messaging.messages import CounterAnnounced, InspectionRecord, StationHealth
from tests.unit.shared.message_strategies import MESSAGE_TYPES, build_messages

COUNTER = CounterAnnounced(station_id="station-1", counter=7, counted_utc_ns=1)


@pytest.mark.parametrize("message_type", MESSAGE_TYPES)
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_message_comes_out_as_it_went_in(
    message_type: type[msgspec.Struct], data: st.DataObject
) -> None:
    message = data.draw(build_messages(message_type))
    assert decode(message_type, encode(message)) == message


@pytest.mark.parametrize("message_type", MESSAGE_TYPES)
@given(payload=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@settings(max_examples=30, deadline=None)
def test_any_bytes_are_a_message_or_a_message_error(
    message_type: type[msgspec.Struct], payload: bytes
) -> None:
    with contextlib.suppress(MessageError):
        assert isinstance(decode(message_type, payload), message_type)


@given(cut=st.integers(0, len(encode(COUNTER)) - 1))
def test_a_message_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(MessageError, match="CounterAnnounced"):
        decode(CounterAnnounced, encode(COUNTER)[:cut])


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "truncated"),
        (b"[]", "array"),
        (b'{"station_id":"s","counted_utc_ns":1}', "missing required field `counter`"),
        (b'{"station_id":"s","counter":"7","counted_utc_ns":1}', r"`\$\.counter`"),
        (b'{"station_id":"\xff","counter":7,"counted_utc_ns":1}', "found"),
        (b"[" * 5000, "CounterAnnounced"),
    ],
)
def test_a_malformed_message_is_refused_with_the_place(payload: bytes, said: str) -> None:
    with pytest.raises(MessageError, match=said):
        decode(CounterAnnounced, payload)


def test_a_refusal_shows_the_beginning_of_what_was_found() -> None:
    with pytest.raises(MessageError, match=r"found 'hello'"):
        decode(CounterAnnounced, b"hello")
    with pytest.raises(MessageError) as caught:
        decode(CounterAnnounced, b"x" * 5000)
    assert len(str(caught.value)) < 300


def test_more_than_a_packet_is_refused_on_both_ways() -> None:
    large = CounterAnnounced(station_id="s" * MAX_MESSAGE_BYTES, counter=7, counted_utc_ns=1)
    with pytest.raises(MessageError, match=f"at most {MAX_MESSAGE_BYTES} are allowed"):
        encode(large)
    with pytest.raises(MessageError, match=f"at most {MAX_MESSAGE_BYTES} are allowed"):
        decode(CounterAnnounced, encode_of_any_size(large))
    assert decode_of_any_size(CounterAnnounced, encode_of_any_size(large)) == large


def test_exactly_a_packet_is_taken() -> None:
    room = MAX_MESSAGE_BYTES - len(encode(COUNTER)) + len(COUNTER.station_id)
    largest = msgspec.structs.replace(COUNTER, station_id="s" * room)
    assert len(encode(largest)) == MAX_MESSAGE_BYTES
    assert decode(CounterAnnounced, encode(largest)) == largest


@pytest.mark.parametrize(
    ("message_type", "payload"),
    [
        (CounterAnnounced, b'{"schema_version":2,"something":"new"}'),
        (InspectionRecord, b'{"schemaVersion":2}'),
    ],
)
def test_an_unknown_version_is_named_before_anything_else_is_wrong(
    message_type: type[msgspec.Struct], payload: bytes
) -> None:
    with pytest.raises(MessageError, match="found schema version 2; known is 1"):
        decode(message_type, payload)


def test_a_field_added_later_does_not_disturb_an_older_reader() -> None:
    payload = encode(COUNTER)[:-1] + b',"added_later":{"deep":[1]}}'
    assert decode(CounterAnnounced, payload) == COUNTER


def test_a_field_that_is_left_out_takes_its_default() -> None:
    payload = b'{"station_id":"s","component":"c","version":"1","at_utc_ns":1,"ready":true}'
    assert decode(StationHealth, payload).counters == {}
