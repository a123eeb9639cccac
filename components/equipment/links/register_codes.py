"""What the numbers in the PLC's registers mean, whichever protocol brings them."""

import math
from collections.abc import Sequence

from equipment.configuration import TagConfiguration
from equipment.links.counter_steps import to_unsigned
from equipment.links.link import ConfirmationRecord, GateRecord
from sightline.errors import MachineLinkError
from sightline.messaging.messages import GateAction, GateConfirmation, TagQuality, Verdict

VERDICT_CODES: dict[Verdict, int] = {"ok": 1, "defect": 2, "review": 3, "missed": 4, "empty": 5}
GATE_ACTION_CODES: dict[int, GateAction] = {1: "passed", 2: "rejected"}
GATE_CAUSE_NAMES = (
    *("ok", "no_verdict", "late_verdict", "wrong_part", "heartbeat", "not_ok"),
    *("too_close", "tracking_lost"),
)
CONFIRMATION_CODES: dict[int, GateConfirmation] = {
    1: "confirmed",
    2: "not_arrived",
    3: "unexpected",
    4: "unexpected",  # something that belongs to no part
}
STRAY_CODE = 4
UINT32 = 2**32
MAX_UTC_NS = 2**63


def check_reading(tag: TagConfiguration, value: float) -> tuple[float | None, TagQuality]:
    """A number as a reading: `bad` if it is none, or none that the tag's sensor can give."""
    if math.isfinite(value) and tag.min_value <= value <= tag.max_value:
        return float(value), "good"
    return None, "bad"


def parse_whole_number(where: str, value: object) -> int:
    """A register's value, a signed one as its unsigned one counts it; MachineLinkError if it is none."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)  # a PLC that keeps whole numbers in REAL
    is_whole = isinstance(value, int) and not isinstance(value, bool) and value >= -(2**31)
    if not is_whole:
        raise MachineLinkError(f"{where} holds {value!r}; a whole number from 0 is expected")
    return to_unsigned(value)  # type: ignore[arg-type]


def build_gate_records(
    numbers: Sequence[int], actions: Sequence[int], times: Sequence[int], causes: Sequence[int]
) -> tuple[GateRecord, ...]:
    """The outcome columns as records; MachineLinkError if they do not fit each other.

    An action of 0 is a place not filled yet: many PLCs have no arrays but those of fixed length.
    """
    if not len(numbers) == len(actions) == len(times) == len(causes):
        raise MachineLinkError(
            f"the PLC's outcome columns have {len(numbers)} numbers, {len(actions)} actions, "
            f"{len(times)} times, {len(causes)} causes; all must have as many"
        )
    rows = zip(numbers, actions, times, causes, strict=True)
    return tuple(
        GateRecord(to_unsigned(number), _parse_action(action), acted_utc_ns, cause_name(cause))
        for number, action, acted_utc_ns, cause in rows
        if action != 0
    )


def build_confirmations(
    numbers: Sequence[int], times: Sequence[int], results: Sequence[int]
) -> tuple[ConfirmationRecord, ...]:
    """The confirmation columns as records; a result of 0 is a place not filled yet."""
    if not len(numbers) == len(times) == len(results):
        raise MachineLinkError(
            f"the PLC's confirmation columns have {len(numbers)} numbers, {len(times)} times, "
            f"{len(results)} results; all must have as many"
        )
    for result in results:
        if result != 0 and result not in CONFIRMATION_CODES:
            raise MachineLinkError(
                f"the PLC's confirmations hold result {result}; known are {sorted(CONFIRMATION_CODES)}"
            )
    return tuple(
        ConfirmationRecord(
            to_unsigned(number), acted_utc_ns, CONFIRMATION_CODES[result], result == STRAY_CODE
        )
        for number, acted_utc_ns, result in zip(numbers, times, results, strict=True)
        if result != 0
    )


def _parse_action(code: int) -> GateAction:
    if code not in GATE_ACTION_CODES:
        raise MachineLinkError(
            f"the PLC's outcomes hold gate action {code}; known are {GATE_ACTION_CODES}"
        )
    return GATE_ACTION_CODES[code]


def cause_name(code: int) -> str:
    """A cause code in words."""
    return GATE_CAUSE_NAMES[code] if 0 <= code < len(GATE_CAUSE_NAMES) else f"cause {code}"
