"""Whether a part is still to be photographed: pure.

A trigger can come late from the PLC's link, or wait in this component's own inbox. A picture that is
taken late may show another part, and one that comes after the gate helps nobody: then the part gets its
number, and the reason why it has no picture.
"""

import statistics
from collections import deque
from dataclasses import dataclass

from capture.triggers.trigger import TriggerEvent

REMEMBERED_CAPTURES = 15
MAX_WAIT_SHARE = 0.25  # of the way to the gate; the models need the rest of it


@dataclass(frozen=True)
class LatenessLimits:
    """What is allowed; `finds_frames_late`: a source that finds a part's frames when asked late, too."""

    max_delay_ns: int
    travel_ns: int
    finds_frames_late: bool
    capture_ns: int = 0


def find_unphotographed_reason(
    triggered: TriggerEvent, now_ns: int, allowed: LatenessLimits
) -> str:
    """Why no picture of the part is to be taken now, in words; nothing if one is."""
    if triggered.untimed_reason:
        return triggered.untimed_reason
    delay_ns, most_ns = triggered.delay_ns, allowed.max_delay_ns
    if delay_ns > most_ns:
        return (
            f"its trigger may have come {_ms(delay_ns)} late from the PLC's link "
            f"({_ms(most_ns)} are allowed), so a picture could show another part"
        )
    waited_ns = now_ns - triggered.monotonic_ns
    if not allowed.finds_frames_late and waited_ns + delay_ns > most_ns:
        return (
            f"its trigger waited {_ms(waited_ns)} in capture ({_ms(most_ns)} are allowed), so a "
            "picture could show another part"
        )
    if waited_ns > max(most_ns, round(allowed.travel_ns * MAX_WAIT_SHARE)):
        return f"its trigger waited {_ms(waited_ns)} in capture, which had more parts than it can handle"
    left_ns = triggered.earliest_monotonic_ns + allowed.travel_ns - now_ns
    needed_ns = min(allowed.capture_ns, allowed.travel_ns // 2)
    if left_ns < needed_ns:
        return f"only {_ms(max(0, left_ns))} are left until the gate; its pictures take {_ms(needed_ns)}"
    return ""


class CapturePace:
    """How long the pictures of a part take."""

    def __init__(self) -> None:
        self._durations_ns: deque[int] = deque(maxlen=REMEMBERED_CAPTURES)

    def add(self, taken_ns: int) -> None:
        """A part's pictures were taken in that time."""
        self._durations_ns.append(taken_ns)

    @property
    def capture_ns(self) -> int:
        """What a part takes, by the last ones; 0 before the first."""
        return round(statistics.median(self._durations_ns)) if self._durations_ns else 0


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.0f} ms"
