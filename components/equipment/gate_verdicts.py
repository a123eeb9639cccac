"""What goes to the gate; nothing is remembered longer than one connection."""

from equipment.links.link import WriteVerdict
from sightline.messaging.messages import PartJudged

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


def describe_line_stop(reason: str) -> str:
    """Why the line stands, for the operator; `reason`: why this station requested it, if it did."""
    requested = f"requested it: {reason}" if reason else "did not request it"
    return (
        "Line stop: the line stands until an operator acknowledges it at the PLC. This station "
        f"{requested}."
    )
