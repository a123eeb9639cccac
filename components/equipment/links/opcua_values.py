"""OPC UA values to the station's own: node ids, times, readings."""

import datetime
import math
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from equipment.configuration import TagConfiguration
from equipment.links.register_codes import MAX_UTC_NS, check_reading, parse_whole_number
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
    written = text.strip()
    if written.startswith("nsu="):
        uri, _, rest = written[4:].partition(";")
        if uri not in namespaces:
            raise MachineLinkError(
                f"the server has no namespace {uri!r}; it has {', '.join(namespaces)}"
            )
        written = f"ns={namespaces.index(uri)};{rest.lstrip()}"
    try:
        return ua.NodeId.from_string(written)
    except (ua.UaError, ValueError) as error:
        raise MachineLinkError(
            f"{text!r} is no node id; write ns=INDEX;s=NAME, ns=INDEX;i=NUMBER, ns=INDEX;g=GUID or "
            "ns=INDEX;b=BASE64"
        ) from error


def to_utc_ns(moment: datetime.datetime | None) -> int:
    """Nanoseconds since 1970; 0 if the server gave no time, or 1601 or 9999, which mean none."""
    if moment is None:
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
    utc_ns = (aware - _EPOCH) // _MICROSECOND * 1000
    return utc_ns if 0 < utc_ns < MAX_UTC_NS else 0


def parse_register_number(where: str, value: Any) -> int:
    """A register's number; one that is a yes or no is 1 or 0, and one that was never written is 0."""
    if value is None:
        return 0
    return int(value) if isinstance(value, bool) else parse_whole_number(where, value)


def parse_outcome_column(where: str, value: Any) -> list[int]:
    """One column of the outcomes: whole numbers, times as nanoseconds since 1970."""
    if value is None:
        return []
    if not isinstance(value, list | tuple | bytes):
        raise MachineLinkError(f"{where} holds {value!r:.40}; an array is expected")
    return [_parse_outcome_number(where, element) for element in value]


def _parse_outcome_number(where: str, element: object) -> int:
    if isinstance(element, datetime.datetime):
        return to_utc_ns(element)
    if isinstance(element, float) and math.isfinite(element) and element.is_integer():
        return int(element)
    if isinstance(element, int) and not isinstance(element, bool):
        return element
    raise MachineLinkError(
        f"{where} holds {element!r:.40}; whole numbers are expected (and DateTime or Int64 nanoseconds "
        "since 1970 for outcomeTimes)"
    )


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
