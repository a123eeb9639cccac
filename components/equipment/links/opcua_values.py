"""OPC UA values to the station's own: node ids, times, readings, outcomes."""

import datetime
import math
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from equipment.configuration import TagConfiguration
from equipment.links.link import GateRecord
from sightline.errors import MachineLinkError
from sightline.messages import GateAction, Quality, Sample, Verdict

VERDICT_CODES: dict[Verdict, int] = {"ok": 1, "defect": 2, "review": 3, "missed": 4, "empty": 5}
ACTIONS: dict[int, GateAction] = {1: "passed", 2: "rejected"}
CAUSES = ("ok", "no_verdict", "late_verdict", "wrong_part", "heartbeat", "not_ok")
MISSING_CODES = frozenset(
    {
        ua.StatusCodes.BadNodeIdUnknown,
        ua.StatusCodes.BadNodeIdInvalid,
        ua.StatusCodes.BadAttributeIdInvalid,
    }
)
GREATEST_UTC_NS = 2**63
GREATEST_TEXT = 64  # characters of a reading that is text
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


def node_id_of(text: str, namespaces: Sequence[str]) -> Any:
    """The node id that a text names; a namespace may be given by its URI (`nsu=`)."""
    if not text.startswith("nsu="):
        return ua.NodeId.from_string(text)
    uri, _, rest = text[4:].partition(";")
    if uri not in namespaces:
        raise MachineLinkError(
            f"the server has no namespace {uri!r}; it has {', '.join(namespaces)}"
        )
    return ua.NodeId.from_string(f"ns={namespaces.index(uri)};{rest}")


def utc_ns_of(moment: datetime.datetime | None) -> int:
    """Nanoseconds since 1970; 0 if the server gave no time, or 1601 or 9999, which mean none."""
    if moment is None:
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
    utc_ns = (aware - _EPOCH) // _MICROSECOND * 1000
    return utc_ns if 0 < utc_ns < GREATEST_UTC_NS else 0


def sample_of(tag: TagConfiguration, data: Any, read_utc_ns: int) -> Sample:
    """A tag's reading; NaN, an infinity or a bad status is `bad`, an unknown node `missing`."""
    value, quality = _value_of(data)
    return Sample(
        tag=tag.tag,
        value=value,
        unit=tag.unit,
        quality=quality,
        source_utc_ns=utc_ns_of(data.SourceTimestamp) or read_utc_ns,
    )


def _value_of(data: Any) -> tuple[float | bool | str | None, Quality]:
    value = data.Value.Value if data.Value is not None else None
    if data.StatusCode is not None and not data.StatusCode.is_good():
        return None, "missing" if data.StatusCode.value in MISSING_CODES else "bad"
    if isinstance(value, bool):
        return value, "good"
    if isinstance(value, str):
        return value[:GREATEST_TEXT], "good"
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value), "good"
    return None, "bad"


def whole_number_of(where: str, value: object) -> int:
    """A register's value; MachineLinkError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise MachineLinkError(f"{where} holds {value!r}; a whole number from 0 is expected")
    return value


def records_of(
    numbers: Sequence[int], actions: Sequence[int], times: Sequence[int], causes: Sequence[int]
) -> tuple[GateRecord, ...]:
    """The outcome columns as records; MachineLinkError if they do not fit each other."""
    if not len(numbers) == len(actions) == len(times) == len(causes):
        raise MachineLinkError(
            f"the PLC's outcome columns have {len(numbers)} numbers, {len(actions)} actions, "
            f"{len(times)} times, {len(causes)} causes; all must have as many"
        )
    rows = zip(numbers, actions, times, causes, strict=True)
    return tuple(
        GateRecord(number, _action_of(action), acted_utc_ns, cause_name(cause))
        for number, action, acted_utc_ns, cause in rows
    )


def _action_of(code: int) -> GateAction:
    if code not in ACTIONS:
        raise MachineLinkError(f"the PLC's outcomes hold gate action {code}; known are {ACTIONS}")
    return ACTIONS[code]


def cause_name(code: int) -> str:
    """A cause code in words."""
    return CAUSES[code] if 0 <= code < len(CAUSES) else f"cause {code}"
