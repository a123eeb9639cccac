"""Frames: what is written is read back, and bytes that are no frame are refused, never worse."""

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.nucleus.ipc import ipc_messages
from hil.nucleus.ipc.eventstream import (
    TYPE_BYTE,
    TYPE_BYTES,
    TYPE_FALSE,
    TYPE_INTEGER,
    TYPE_LONG,
    TYPE_SHORT,
    TYPE_STRING,
    TYPE_TIME,
    TYPE_TRUE,
    TYPE_UUID,
    EventStreamFrame,
    EventStreamHeader,
    decode_event_frame,
    encode_event_frame,
    read_frame_length,
)
from hil.nucleus.nucleus_errors import ProtocolError

NAMES = st.text(max_size=40)


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def headers_of(
    kind: int, values: st.SearchStrategy[object]
) -> st.SearchStrategy[EventStreamHeader]:
    return st.builds(EventStreamHeader, NAMES, st.just(kind), values)


HEADERS = st.one_of(
    headers_of(TYPE_TRUE, st.just(True)),
    headers_of(TYPE_FALSE, st.just(False)),
    headers_of(TYPE_BYTE, whole(8)),
    headers_of(TYPE_SHORT, whole(16)),
    headers_of(TYPE_INTEGER, whole(32)),
    headers_of(TYPE_LONG, whole(64)),
    headers_of(TYPE_TIME, whole(64)),
    headers_of(TYPE_BYTES, st.binary(max_size=50)),
    headers_of(TYPE_STRING, st.text(max_size=50)),
    headers_of(TYPE_UUID, st.binary(min_size=16, max_size=16)),
)
FRAMES = st.builds(
    EventStreamFrame, st.lists(HEADERS, max_size=6).map(tuple), st.binary(max_size=200)
)


@given(FRAMES)
def test_a_frame_is_read_back_as_it_was_written(frame: EventStreamFrame) -> None:
    assert decode_event_frame(encode_event_frame(frame)) == frame


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        frame = decode_event_frame(data)
    except ProtocolError:
        return
    assert encode_event_frame(frame) == data


@given(st.binary(max_size=120), st.integers(0, 130))
def test_headers_of_any_bytes_under_right_checksums_are_read_or_refused(
    headers: bytes, length: int
) -> None:
    lengths = struct.pack(">II", 16 + len(headers), min(length, len(headers)))
    body = lengths + struct.pack(">I", crc32(lengths)) + headers
    data = body + struct.pack(">I", crc32(body))
    try:
        frame = decode_event_frame(data)
    except ProtocolError:
        return
    assert decode_event_frame(encode_event_frame(frame)) == frame


@given(FRAMES, st.data())
def test_a_frame_that_is_cut_short_is_refused(frame: EventStreamFrame, data: st.DataObject) -> None:
    encoded = encode_event_frame(frame)
    with pytest.raises(ProtocolError):
        decode_event_frame(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


def test_a_frame_longer_than_the_limit_is_refused_by_its_first_12_bytes() -> None:
    prelude = encode_event_frame(EventStreamFrame((), b"x" * 100))[:12]
    with pytest.raises(ProtocolError, match="116 bytes"):
        read_frame_length(prelude, limit_bytes=115)


def test_a_modelled_answer_has_the_headers_in_the_order_of_the_nuclei() -> None:
    frame = decode_event_frame(
        ipc_messages.encode_modelled(ipc_messages.MESSAGE, 2, 7, "GetConfigurationResponse", b"{}")
    )
    assert [(header.name, header.value) for header in frame.headers] == [
        (":message-type", 0),
        (":message-flags", 2),
        (":stream-id", 7),
        (":content-type", "application/json"),
        ("service-model-type", "aws.greengrass#GetConfigurationResponse"),
    ]
