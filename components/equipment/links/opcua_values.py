"""OPC UA values to the station's own: node ids, times, readings."""

import datetime
import math
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from equipment.configuration import TagConfiguration
from equipment.links.register_codes import MAX_UTC_NS, check_reading
from sightline.errors import MachineLinkError
from sightline.messaging.messages import TagQuality, TagSample

MISSING_CODES = frozenset(
    {
        ua.StatusCodes.BadNodeIdUnknown,
        ua.StatusCodes.BadNodeIdInvalid,
        ua.StatusCodes.BadAttributeIdInvalid,
    }
)
MAX_READING_TEXT = 64  # characters of a reading that is text
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


def parse_node_id(text: str, namespaces: Sequence[str]) -> Any:
    """The node id that a text names; a namespace may be given by its URI (`nsu=`)."""
    if not text.startswith("nsu="):
        return ua.NodeId.from_string(text)
    uri, _, rest = text[4:].partition(";")
    if uri not in namespaces:
        raise MachineLinkError(
            f"the server has no namespace {uri!r}; it has {', '.join(namespaces)}"
        )
    return ua.NodeId.from_string(f"ns={namespaces.index(uri)};{rest}")


def to_utc_ns(moment: datetime.datetime | None) -> int:
    """Nanoseconds since 1970; 0 if the server gave no time, or 1601 or 9999, which mean none."""
    if moment is None:
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
    utc_ns = (aware - _EPOCH) // _MICROSECOND * 1000
    return utc_ns if 0 < utc_ns < MAX_UTC_NS else 0


def parse_speed(value: object) -> float | None:
    """A belt's speed; None if the value is no number that could be one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def build_opcua_sample(tag: TagConfiguration, data: Any, read_utc_ns: int) -> TagSample:
    """A tag's reading; NaN, an infinity or a bad status is `bad`, an unknown node `missing`."""
    value, quality = _read_tag_value(tag, data)
    return TagSample(
        tag=tag.tag,
        value=value,
        unit=tag.unit,
        quality=quality,
        source_utc_ns=to_utc_ns(data.SourceTimestamp) or read_utc_ns,
    )


def _read_tag_value(
    tag: TagConfiguration, data: Any
) -> tuple[float | bool | str | None, TagQuality]:
    value = data.Value.Value if data.Value is not None else None
    if data.StatusCode is not None and not data.StatusCode.is_good():
        return None, "missing" if data.StatusCode.value in MISSING_CODES else "bad"
    if isinstance(value, bool):
        return value, "good"
    if isinstance(value, str):
        return (value[:MAX_READING_TEXT], "good") if _is_encodable(value) else (None, "bad")
    if isinstance(value, int | float):
        return check_reading(tag, value)
    return None, "bad"


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)  # halves of characters
