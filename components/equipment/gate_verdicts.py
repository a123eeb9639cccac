"""What goes to the gate and what comes from it; nothing is remembered longer than one connection."""

from equipment.links.link import GateRecord, OutcomesRead, WriteVerdict
from sightline.messaging.messages import GateActed, PartJudged

VERDICT_TOO_LATE = "its deadline has passed"
PLC_PART_NUMBERS = range(2**32)  # what the PLC's register takes
STATION_COUNTS_TEXT = (
    "The station counts the parts itself (capture's trigger is gpio or interval), and so does the PLC: after "
    "one missed edge each verdict would go to the next part. No verdict is written, and the PLC's gate "
    "rejects every part. Set capture's trigger to `message`, so that parts have the PLC's numbers."
)


def build_verdict_write(
    judged: PartJudged,
    *,
    boot_id: str,
    now_ns: int,
    margin_ns: int,
    counting_since_ns: int,
    withheld: str = "",
) -> WriteVerdict | str:
    """The order for the gate, or why there must be none: a verdict goes out fresh, in its time, or never.

    `withheld` says why no ok goes out at present.
    """
    if judged.counted_by != "plc":
        return "its number is the station's own, not the PLC's"
    if judged.part.part_number not in PLC_PART_NUMBERS:
        return "the PLC's registers cannot hold its number"
    if judged.replayed:
        return "it is replayed from the ledger; only a new verdict may move the gate"
    if judged.boot_id != boot_id:
        return "its deadline is from before the machine restarted"
    if judged.triggered_monotonic_ns < counting_since_ns:
        return "its part was counted before this connection; the PLC may have restarted its count"
    not_after_ns = judged.deadline_monotonic_ns - margin_ns
    if now_ns > not_after_ns:
        return VERDICT_TOO_LATE
    if judged.verdict == "ok" and withheld:
        return withheld
    if judged.verdict == "ok" and judged.challenge:
        return "it is a challenge part, which must never pass"
    return WriteVerdict(judged.part.part_number, judged.verdict, not_after_ns)


class MissedStreak:
    """Counts parts missed one after the other; any other verdict ends the row."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._row = 0

    def record(self, judged: PartJudged) -> bool:
        """Whether this verdict fills the row (a new one begins then); a limit of 0 is never reached."""
        if judged.replayed:
            return False  # it was seen when it was fresh
        self._row = self._row + 1 if judged.verdict == "missed" else 0
        if self._limit == 0 or self._row < self._limit:
            return False
        self._row = 0
        return True


def describe_line_stop(limit: int) -> str:
    """Why the line stands, for the operator."""
    return (
        "Line stop: the line stands until an operator acknowledges it at the PLC. This station requests it "
        f"after {limit} parts missed in a row (0: never)."
    )


def find_new_outcomes(
    station_id: str, known_counter: int | None, reading: OutcomesRead, *, repeat_all: bool
) -> tuple[tuple[GateActed, ...], int]:
    """The outcomes to publish (all kept ones, or those since `known_counter`), and how many are lost."""
    records = reading.records
    if known_counter is None or reading.counter < known_counter:  # our start, or the PLC's
        return tuple(build_gate_acted(station_id, record) for record in records), 0
    more = reading.counter - known_counter
    fresh = records[-more:] if more else ()
    found = records if repeat_all else fresh
    return tuple(build_gate_acted(station_id, record) for record in found), more - len(fresh)


def build_gate_acted(station_id: str, record: GateRecord) -> GateActed:
    """The PLC's record as a message."""
    return GateActed(
        station_id=station_id,
        part_number=record.part_number,
        action=record.action,
        acted_utc_ns=record.acted_utc_ns,
        cause=record.cause,
    )
