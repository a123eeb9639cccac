"""Encodes and decodes frames of the AWS event-stream encoding.

A frame, big-endian: total length (u32), length of the headers (u32), CRC-32 of these eight bytes,
headers, payload, CRC-32 of all before. A header: length of the name (u8), name, type (u8), value.
"""

import struct
from typing import NamedTuple
from zlib import crc32

from hil.nucleus.nucleus_errors import ProtocolError

PRELUDE_BYTES = 12
TRAILER_BYTES = 4
MIN_FRAME_BYTES = PRELUDE_BYTES + TRAILER_BYTES

TYPE_TRUE, TYPE_FALSE, TYPE_BYTE, TYPE_SHORT, TYPE_INTEGER = 0, 1, 2, 3, 4
TYPE_LONG, TYPE_BYTES, TYPE_STRING, TYPE_TIME, TYPE_UUID = 5, 6, 7, 8, 9

_PRELUDE = struct.Struct(">III")
_LENGTHS = struct.Struct(">II")
_U32 = struct.Struct(">I")
_U16 = struct.Struct(">H")
_NUMBERS = {
    TYPE_BYTE: struct.Struct(">b"),
    TYPE_SHORT: struct.Struct(">h"),
    TYPE_INTEGER: struct.Struct(">i"),
    TYPE_LONG: struct.Struct(">q"),
    TYPE_TIME: struct.Struct(">q"),
}
_UUID_BYTES = 16

HeaderValue = bool | int | bytes | str


class EventStreamHeader(NamedTuple):
    """One header: name, type number and value."""

    name: str
    type: int
    value: HeaderValue


class EventStreamFrame(NamedTuple):
    """One frame: headers in wire order, and the payload."""

    headers: tuple[EventStreamHeader, ...]
    payload: bytes


def text_header(name: str, value: str) -> EventStreamHeader:
    """A header of type string."""
    return EventStreamHeader(name, TYPE_STRING, value)


def integer_header(name: str, value: int) -> EventStreamHeader:
    """A header of type 32-bit integer."""
    return EventStreamHeader(name, TYPE_INTEGER, value)


def encode_event_frame(frame: EventStreamFrame) -> bytes:
    """Encode a frame; ProtocolError if a header does not fit."""
    return assemble_frame(encode_headers(frame.headers), frame.payload)


def encode_headers(headers: tuple[EventStreamHeader, ...]) -> bytes:
    """Encode the headers alone, for `assemble_frame`."""
    return b"".join(_encode_header(header) for header in headers)


def assemble_frame(headers: bytes, payload: bytes) -> bytes:
    """Build a frame's bytes from encoded headers."""
    lengths = _LENGTHS.pack(MIN_FRAME_BYTES + len(headers) + len(payload), len(headers))
    body = b"".join((lengths, _U32.pack(crc32(lengths)), headers, payload))
    return body + _U32.pack(crc32(body))


def read_frame_length(prelude: bytes | bytearray | memoryview, limit_bytes: int) -> int:
    """Read a frame's length from its first 12 bytes; ProtocolError if they are invalid."""
    total, headers, checksum = _PRELUDE.unpack_from(prelude)
    if crc32(bytes(prelude[:8])) != checksum:
        raise ProtocolError("wrong checksum of the prelude")
    if not MIN_FRAME_BYTES <= total <= limit_bytes:
        raise ProtocolError(
            f"frame of {total} bytes; {MIN_FRAME_BYTES} to {limit_bytes} are allowed"
        )
    if headers > total - MIN_FRAME_BYTES:
        raise ProtocolError(f"headers of {headers} bytes do not fit into a frame of {total}")
    return int(total)


def decode_event_frame(data: bytes, limit_bytes: int = 2**32) -> EventStreamFrame:
    """Decode exactly one frame; ProtocolError if the bytes are not one."""
    if len(data) < MIN_FRAME_BYTES:
        raise ProtocolError(f"{len(data)} bytes are too short for a frame")
    total = read_frame_length(data[:PRELUDE_BYTES], limit_bytes)
    if total != len(data):
        raise ProtocolError(f"frame length is {total}, but {len(data)} bytes were found")
    end = total - TRAILER_BYTES
    if crc32(data[:end]) != _U32.unpack_from(data, end)[0]:
        raise ProtocolError("wrong checksum of the frame")
    headers_end = PRELUDE_BYTES + _U32.unpack_from(data, 4)[0]
    return EventStreamFrame(_decode_headers(data, headers_end), data[headers_end:end])


def _decode_headers(data: bytes, end: int) -> tuple[EventStreamHeader, ...]:
    headers = []
    position = PRELUDE_BYTES
    try:
        while position < end:
            header, position = _decode_header(data, position)
            headers.append(header)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ProtocolError(f"malformed header: {error}") from error
    if position != end:
        raise ProtocolError("a header extends beyond the headers")
    return tuple(headers)


def _decode_header(data: bytes, position: int) -> tuple[EventStreamHeader, int]:
    type_at = position + 1 + data[position]
    name = data[position + 1 : type_at].decode()
    kind = data[type_at]
    value, end = _decode_value(data, kind, type_at + 1)
    if end > len(data):
        raise ProtocolError("a header extends beyond the frame")
    return EventStreamHeader(name, kind, value), end


def _decode_value(data: bytes, kind: int, at: int) -> tuple[HeaderValue, int]:
    if kind in (TYPE_STRING, TYPE_BYTES):
        start = at + 2
        end = start + _U16.unpack_from(data, at)[0]
        return (data[start:end].decode() if kind == TYPE_STRING else data[start:end]), end
    if kind in _NUMBERS:
        number = _NUMBERS[kind]
        return number.unpack_from(data, at)[0], at + number.size
    if kind in (TYPE_TRUE, TYPE_FALSE):
        return kind == TYPE_TRUE, at
    if kind == TYPE_UUID:
        return data[at : at + _UUID_BYTES], at + _UUID_BYTES
    raise ProtocolError(f"unknown header type {kind}")


def _encode_header(header: EventStreamHeader) -> bytes:
    name = header.name.encode()
    if len(name) > 255:
        raise ProtocolError(f"header name of {len(name)} bytes is too long")
    return bytes((len(name),)) + name + bytes((header.type,)) + _encode_value(header)


def _encode_value(header: EventStreamHeader) -> bytes:
    _, kind, value = header
    if kind in _NUMBERS and isinstance(value, int):
        try:
            return _NUMBERS[kind].pack(value)
        except struct.error as error:
            raise ProtocolError(f"header {header.name}: {error}") from error
    if kind in (TYPE_TRUE, TYPE_FALSE):
        return b""
    content = value.encode() if isinstance(value, str) else value
    if kind == TYPE_UUID and isinstance(content, bytes) and len(content) == _UUID_BYTES:
        return content
    if kind in (TYPE_STRING, TYPE_BYTES) and isinstance(content, bytes) and len(content) < 2**16:
        return _U16.pack(len(content)) + content
    raise ProtocolError(f"header {header.name}: {value!r} is not a value of type {kind}")
