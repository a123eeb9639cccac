"""How long a part took from its trigger to the gate, and how long it had: pure."""

from msgspec.structs import replace

from publisher.gate_matcher import was_trigger_seen
from publisher.part_joiner import JoinedPart
from sightline.messaging.messages import PartJudged


def add_gate_timings(joined: JoinedPart) -> PartJudged:
    """The verdict with both times in milliseconds; without them where they are not known.

    A part that only its number is known of has no trigger. The gate's time and the trigger's are of
    one clock, the PLC's, where the PLC gives the trigger; a gate before the trigger shows other clocks.
    """
    judged = joined.judged
    if not was_trigger_seen(judged):
        return judged
    had_ms = (judged.deadline_monotonic_ns - judged.triggered_monotonic_ns) / 1e6
    took_ms = None
    if joined.acted_utc_ns is not None and joined.acted_utc_ns >= judged.triggered_utc_ns:
        took_ms = round((joined.acted_utc_ns - judged.triggered_utc_ns) / 1e6, 3)
    timings = replace(
        judged.timings, trigger_to_gate_ms=took_ms, trigger_to_deadline_ms=round(had_ms, 3)
    )
    return replace(judged, timings=timings)
