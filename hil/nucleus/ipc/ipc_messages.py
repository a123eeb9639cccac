"""The local IPC's messages as frames: headers and responses."""

import struct
from functools import lru_cache
from typing import NamedTuple

from hil.nucleus.dialects.dialect import JSON_TYPE
from hil.nucleus.ipc.eventstream import (
    TYPE_INTEGER,
    TYPE_STRING,
    EventStreamFrame,
    EventStreamHeader,
    assemble_frame,
    encode_headers,
    integer_header,
    text_header,
)
from hil.nucleus.nucleus_errors import ProtocolError

MESSAGE, ERROR, PING, PONG, CONNECT, CONNECT_ACK = 0, 1, 2, 3, 4, 5
ACCEPTED, END_OF_STREAM = 1, 2
PROTOCOL_VERSION = "0.1.0"
NAMESPACE = "aws.greengrass#"

_I32 = struct.Struct(">i")
_COMMON = (":message-type", ":message-flags", ":stream-id")


class IpcMessage(NamedTuple):
    """A frame with its common headers parsed; `operation` and `version` are empty if missing."""

    type: int
    flags: int
    stream: int
    operation: str
    version: str
    payload: bytes


def parse_message(frame: EventStreamFrame, common_types_only: bool) -> IpcMessage:
    """Parse a frame's message; ProtocolError without the common headers.

    With `common_types_only`, a header that is neither a 32-bit integer nor text is refused too.
    """
    values: dict[str, int | str] = {}
    for name, kind, value in frame.headers:
        if (kind in (TYPE_INTEGER, TYPE_STRING)) and isinstance(value, (int, str)):
            values[name] = value
        elif common_types_only:
            raise ProtocolError(f"header {name} has type {kind}; allowed types: 4 and 7")
    kind_, flags, stream = (values.get(name) for name in _COMMON)
    if not (isinstance(kind_, int) and isinstance(flags, int) and isinstance(stream, int)):
        raise ProtocolError(f"a frame lacks one of the headers {', '.join(_COMMON)}")
    operation, version = values.get("operation", ""), values.get(":version", "")
    return IpcMessage(kind_, flags, stream, str(operation), str(version), frame.payload)


def encode_bare(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode a frame with the common headers only."""
    return assemble_frame(encode_headers(_build_common_headers(kind, flags, stream)), payload)


def encode_modelled(kind: int, flags: int, stream: int, model: str, payload: bytes) -> bytes:
    """Encode a frame with a JSON payload of a model (named without its namespace)."""
    before, after = _encode_headers_around_stream(kind, flags, model)
    return assemble_frame(b"".join((before, _I32.pack(stream), after)), payload)


@lru_cache(maxsize=256)
def _encode_headers_around_stream(kind: int, flags: int, model: str) -> tuple[bytes, bytes]:
    before = encode_headers(_build_common_headers(kind, flags, 0))[: -_I32.size]
    after = encode_headers(
        (
            text_header(":content-type", JSON_TYPE),
            text_header("service-model-type", NAMESPACE + model),
        )
    )
    return before, after


def _build_common_headers(kind: int, flags: int, stream: int) -> tuple[EventStreamHeader, ...]:
    values = (kind, flags, stream)
    return tuple(integer_header(name, value) for name, value in zip(_COMMON, values, strict=True))
