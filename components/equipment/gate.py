"""What goes to the gate and what comes from it; nothing is remembered longer than one connection."""

from equipment.links.link import OutcomesRead, VerdictOrder
from sightline.messages import GateActed, PartJudged


def order_of(
    judged: PartJudged, *, boot_id: str, now_ns: int, margin_ns: int, counting_since_ns: int
) -> VerdictOrder | str:
    """The order for the gate, or why there must be none: a verdict goes out in its time or never."""
    if judged.boot_id != boot_id:
        return "its deadline is of another boot"
    if judged.triggered_monotonic_ns < counting_since_ns:
        return "its part was counted before this connection; the PLC may have begun to count anew"
    not_after_ns = judged.deadline_monotonic_ns - margin_ns
    if now_ns > not_after_ns:
        return "its deadline is over"
    return VerdictOrder(judged.part.part_number, judged.verdict, not_after_ns)


def new_outcomes(
    station_id: str, known_counter: int | None, reading: OutcomesRead
) -> tuple[tuple[GateActed, ...], int]:
    """The outcomes that came since `known_counter` (None: all), and how many are lost for ever."""
    records = reading.records
    if known_counter is None or reading.counter < known_counter:
        fresh, lost = records, 0
    else:
        more = reading.counter - known_counter
        fresh = records[-more:] if more else ()
        lost = more - len(fresh)
    return tuple(
        GateActed(
            station_id=station_id,
            part_number=record.part_number,
            action=record.action,
            acted_utc_ns=record.acted_utc_ns,
            cause=record.cause,
        )
        for record in fresh
    ), lost
