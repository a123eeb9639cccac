"""The reject gate's logic in the PLC: it opens only for a fresh OK of the very part that stands before it.

Nothing here does I/O; times are monotonic nanoseconds handed in. What is not proven good is rejected.
"""

import enum
from dataclasses import dataclass
from typing import Literal

Action = Literal["passed", "rejected"]
Cause = Literal["ok", "no_verdict", "late_verdict", "wrong_part", "heartbeat", "not_ok"]
CAUSES: tuple[Cause, ...] = (
    "ok",
    "no_verdict",
    "late_verdict",
    "wrong_part",
    "heartbeat",
    "not_ok",
)
NS_PER_S = 1_000_000_000


class VerdictCode(enum.IntEnum):
    """What the register Verdict.Code may say."""

    NONE = 0
    OK = 1
    DEFECT = 2
    REVIEW = 3
    MISSED = 4
    EMPTY = 5


@dataclass(frozen=True)
class GateSettings:
    """Where the gate stands and what it asks for."""

    distance_m: float = 0.75
    actuation_s: float = 0.05
    heartbeat_timeout_s: float = 0.5

    def delay_ns(self, belt_speed_mps: float) -> int:
        """How long a part travels from the trigger to the gate."""
        return round(self.distance_m / belt_speed_mps * NS_PER_S)


@dataclass(frozen=True)
class Outcome:
    """What the gate did with one part, and why."""

    number: int
    action: Action
    cause: Cause
    arrived_ns: int


@dataclass
class _Flight:
    """A part between the trigger and the gate."""

    number: int
    arrives_ns: int
    code: int = VerdictCode.NONE
    late: bool = False
    strangers: bool = False  # verdicts came meanwhile that name no part under way


class Gate:
    """Parts under way, the verdicts taken for them, and the station's heartbeat."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._flights: list[_Flight] = []
        self._beat: int | None = None
        self._beat_changed_ns: int | None = None
        self._stands_since_ns: int | None = None

    @property
    def parts_under_way(self) -> bool:
        """Whether parts are between the trigger and the gate."""
        return bool(self._flights)

    def stand(self, now_ns: int) -> None:
        """The belt stands still, and the parts on it."""
        if self._stands_since_ns is None:
            self._stands_since_ns = now_ns

    def go_on(self, now_ns: int) -> None:
        """The belt moves again: each part arrives later by as long as it stood."""
        if self._stands_since_ns is not None:
            stood_ns = now_ns - self._stands_since_ns
            self._stands_since_ns = None
            for flight in self._flights:
                flight.arrives_ns += stood_ns

    def count(self, number: int, counted_ns: int, delay_ns: int) -> None:
        """A part was counted at the trigger; it reaches the gate after the delay."""
        if self._stands_since_ns is not None:
            counted_ns = min(counted_ns, self._stands_since_ns)
        self._flights.append(_Flight(number, counted_ns + delay_ns))
        self._flights.sort(key=lambda flight: flight.arrives_ns)

    def beat(self, value: int, now_ns: int) -> None:
        """The station wrote its heartbeat; only a changed value shows life."""
        if value != self._beat:
            self._beat = value
            self._beat_changed_ns = now_ns

    def take(self, number: int, code: int, now_ns: int) -> bool:
        """Take a verdict; False if it names no part under way, or more than one."""
        named = [flight for flight in self._flights if flight.number == number]
        if len(named) != 1:
            for flight in self._flights:
                flight.strangers = True
            return False
        flight = named[0]
        if self._stands_since_ns is not None:
            now_ns = min(now_ns, self._stands_since_ns)  # the way left to the gate is what it was
        if now_ns > flight.arrives_ns - round(self._settings.actuation_s * NS_PER_S):
            flight.late = True
            return False
        if flight.code in (VerdictCode.NONE, VerdictCode.OK):  # a part once refused stays refused
            flight.code = code
        return True

    def act(self, now_ns: int) -> list[Outcome]:
        """What the gate did with the parts that have reached it by now, in order."""
        if self._stands_since_ns is not None:
            now_ns = min(now_ns, self._stands_since_ns)
        arrived = [flight for flight in self._flights if flight.arrives_ns <= now_ns]
        self._flights = [flight for flight in self._flights if flight.arrives_ns > now_ns]
        return [self._outcome(flight) for flight in arrived]

    def next_arrival_ns(self) -> int | None:
        """When the next part reaches the gate, or None if none is under way or the belt stands."""
        if self._stands_since_ns is not None or not self._flights:
            return None
        return self._flights[0].arrives_ns

    def _outcome(self, flight: _Flight) -> Outcome:
        cause = self._cause(flight)
        action: Action = "passed" if cause == "ok" else "rejected"
        return Outcome(flight.number, action, cause, flight.arrives_ns)

    def _cause(self, flight: _Flight) -> Cause:
        if flight.code not in (VerdictCode.NONE, VerdictCode.OK):
            return "not_ok"
        if not self._alive(flight.arrives_ns):
            return "heartbeat"
        if flight.code == VerdictCode.OK:
            return "ok"
        if flight.late:
            return "late_verdict"
        return "wrong_part" if flight.strangers else "no_verdict"

    def _alive(self, at_ns: int) -> bool:
        if self._beat_changed_ns is None:
            return False
        return at_ns - self._beat_changed_ns <= self._settings.heartbeat_timeout_s * NS_PER_S
