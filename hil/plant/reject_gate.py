"""The PLC's reject gate logic: it opens only for a fresh OK of the part in front of it.

No I/O; times are monotonic nanoseconds passed in. Everything not proven good is rejected.
"""

import enum
from dataclasses import dataclass
from typing import Literal

OutcomeAction = Literal["passed", "rejected"]
OutcomeCause = Literal["ok", "no_verdict", "late_verdict", "wrong_part", "heartbeat", "not_ok"]
OUTCOME_CAUSES: tuple[OutcomeCause, ...] = (
    "ok",
    "no_verdict",
    "late_verdict",
    "wrong_part",
    "heartbeat",
    "not_ok",
)
NS_PER_S = 1_000_000_000


class VerdictCode(enum.IntEnum):
    """The values of the register Verdict.Code."""

    NONE = 0
    OK = 1
    DEFECT = 2
    REVIEW = 3
    MISSED = 4
    EMPTY = 5


@dataclass(frozen=True)
class GateSettings:
    """The gate's position and timing requirements."""

    distance_m: float = 0.75
    actuation_s: float = 0.05
    heartbeat_timeout_s: float = 0.5

    def delay_ns(self, belt_speed_mps: float) -> int:
        """The travel time of a part from the trigger to the gate."""
        return round(self.distance_m / belt_speed_mps * NS_PER_S)


@dataclass(frozen=True)
class PartOutcome:
    """What the gate did with one part, and why."""

    number: int
    action: OutcomeAction
    cause: OutcomeCause
    arrived_ns: int


@dataclass
class _PartUnderWay:
    """A part between the trigger and the gate."""

    number: int
    arrives_ns: int
    code: int = VerdictCode.NONE
    late: bool = False
    saw_unknown_part: bool = False  # verdicts came meanwhile that name no part under way


class RejectGate:
    """Tracks parts between trigger and gate, their verdicts, and the station's heartbeat."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._under_way: list[_PartUnderWay] = []
        self._beat: int | None = None
        self._beat_changed_ns: int | None = None
        self._belt_stopped_ns: int | None = None

    @property
    def parts_under_way(self) -> bool:
        """Whether parts are between the trigger and the gate."""
        return bool(self._under_way)

    def stop_belt(self, now_ns: int) -> None:
        """Stop the belt and the parts on it."""
        if self._belt_stopped_ns is None:
            self._belt_stopped_ns = now_ns

    def start_belt(self, now_ns: int) -> None:
        """Start the belt: each part's arrival is delayed by the stop's duration."""
        if self._belt_stopped_ns is not None:
            stood_ns = now_ns - self._belt_stopped_ns
            self._belt_stopped_ns = None
            for flight in self._under_way:
                flight.arrives_ns += stood_ns

    def add_part(self, number: int, counted_ns: int, delay_ns: int) -> None:
        """A part was counted at the trigger; it reaches the gate after the delay."""
        if self._belt_stopped_ns is not None:
            counted_ns = min(counted_ns, self._belt_stopped_ns)
        self._under_way.append(_PartUnderWay(number, counted_ns + delay_ns))
        self._under_way.sort(key=lambda flight: flight.arrives_ns)

    def record_heartbeat(self, value: int, now_ns: int) -> None:
        """The station wrote its heartbeat; only a changed value counts."""
        if value != self._beat:
            self._beat = value
            self._beat_changed_ns = now_ns

    def accept_verdict(self, number: int, code: int, now_ns: int) -> bool:
        """Accept a verdict; False unless it matches exactly one part between trigger and gate."""
        named = [flight for flight in self._under_way if flight.number == number]
        if len(named) != 1:
            for flight in self._under_way:
                flight.saw_unknown_part = True
            return False
        flight = named[0]
        if self._belt_stopped_ns is not None:
            now_ns = min(now_ns, self._belt_stopped_ns)  # the way left to the gate is what it was
        if now_ns > flight.arrives_ns - round(self._settings.actuation_s * NS_PER_S):
            flight.late = True
            return False
        if flight.code in (VerdictCode.NONE, VerdictCode.OK):  # a part once refused stays refused
            flight.code = code
        return True

    def act_on_arrivals(self, now_ns: int) -> list[PartOutcome]:
        """Act on the parts that have reached the gate by now; returns the outcomes in order."""
        if self._belt_stopped_ns is not None:
            now_ns = min(now_ns, self._belt_stopped_ns)
        arrived = [flight for flight in self._under_way if flight.arrives_ns <= now_ns]
        self._under_way = [flight for flight in self._under_way if flight.arrives_ns > now_ns]
        return [self._build_outcome(flight) for flight in arrived]

    def next_arrival_ns(self) -> int | None:
        """When the next part reaches the gate; None if there is none or the belt is stopped."""
        if self._belt_stopped_ns is not None or not self._under_way:
            return None
        return self._under_way[0].arrives_ns

    def _build_outcome(self, flight: _PartUnderWay) -> PartOutcome:
        cause = self._find_cause(flight)
        action: OutcomeAction = "passed" if cause == "ok" else "rejected"
        return PartOutcome(flight.number, action, cause, flight.arrives_ns)

    def _find_cause(self, flight: _PartUnderWay) -> OutcomeCause:
        if flight.code not in (VerdictCode.NONE, VerdictCode.OK):
            return "not_ok"
        if not self._is_heartbeat_alive(flight.arrives_ns):
            return "heartbeat"
        if flight.code == VerdictCode.OK:
            return "ok"
        if flight.late:
            return "late_verdict"
        return "wrong_part" if flight.saw_unknown_part else "no_verdict"

    def _is_heartbeat_alive(self, at_ns: int) -> bool:
        if self._beat_changed_ns is None:
            return False
        return at_ns - self._beat_changed_ns <= self._settings.heartbeat_timeout_s * NS_PER_S
