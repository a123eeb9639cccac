"""Messages to bytes and back: JSON by msgspec, size and version checked at the door."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from sightline.errors import MessageError
from sightline.text import truncate

MAX_MESSAGE_BYTES = 6656  # 6.5 KiB: base64 makes 9 KB of it, and Nucleus Lite ends at 10,000
KNOWN_SCHEMA_VERSION = 1

T = TypeVar("T", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()


class _SchemaVersion(msgspec.Struct):
    schema_version: int | None = None
    schemaVersion: int | None = None


def encode(message: msgspec.Struct) -> bytes:
    """JSON bytes of a message; MessageError if they are more than a packet of the nucleus carries."""
    payload = encode_of_any_size(message)
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageError(
            f"{type(message).__name__} takes {len(payload)} bytes; "
            f"at most {MAX_MESSAGE_BYTES} are allowed"
        )
    return payload


def encode_of_any_size(message: msgspec.Struct) -> bytes:
    """JSON bytes of a message without the limit, for files and databases of our own."""
    return _encoder.encode(message)


def decode(message_type: type[T], payload: bytes) -> T:
    """The message in the bytes; MessageError says what was found, where, and what is allowed."""
    name = message_type.__name__
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageError(
            f"{name}: found {len(payload)} bytes; at most {MAX_MESSAGE_BYTES} are allowed"
        )
    return decode_of_any_size(message_type, payload)


def decode_of_any_size(message_type: type[T], payload: bytes) -> T:
    """Like `decode`, without the limit, for files and databases of our own."""
    name = message_type.__name__
    try:
        versions = msgspec.json.decode(payload, type=_SchemaVersion)
        version = versions.schema_version or versions.schemaVersion or KNOWN_SCHEMA_VERSION
        if version != KNOWN_SCHEMA_VERSION:
            raise MessageError(
                f"{name}: found schema version {version}; known is {KNOWN_SCHEMA_VERSION}"
            )
        return msgspec.json.decode(payload, type=message_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{name}: {error}; found {_excerpt(payload)}") from error


def _excerpt(payload: bytes) -> str:
    return repr(truncate(payload.decode("utf-8", errors="replace"), 80))


def group_by_size(items: Iterable[T], max_bytes: int) -> Iterator[tuple[T, ...]]:
    """The items in order, in as few groups as have room for them as JSON; one group if there are none.

    An item that is larger than the room has a group of its own.
    """
    group: list[T] = []
    size = 0
    for item in items:
        more = len(encode_of_any_size(item)) + 1
        if group and size + more > max_bytes:
            yield tuple(group)
            group, size = [], 0
        group.append(item)
        size += more
    yield tuple(group)
