"""The PLC's reject gate logic: it opens only for a fresh OK of the part in front of it.

Parts are followed by the belt's position, so that each meets its own verdict however the belt runs.
No I/O; times are monotonic nanoseconds passed in. Everything not proven good is rejected.
"""

import enum
from dataclasses import dataclass
from typing import Literal

from hil.plant.belt import NM_PER_M, Belt

OutcomeAction = Literal["passed", "rejected"]
OutcomeCause = Literal[
    "ok",
    "no_verdict",
    "late_verdict",
    "wrong_part",
    "heartbeat",
    "not_ok",
    "too_close",
    "tracking_lost",
]
OUTCOME_CAUSES: tuple[OutcomeCause, ...] = (
    "ok",
    "no_verdict",
    "late_verdict",
    "wrong_part",
    "heartbeat",
    "not_ok",
    "too_close",
    "tracking_lost",
)
NS_PER_S = 1_000_000_000
FIRST_DRY_RUN_NUMBER = 4_000_000_000  # from here on numbers are a dry run's, and no part's


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
    """The gate's position and timing requirements.

    `slip_m`: how far a part may be from where the belt's position says that it is. Of parts nearer to
    each other than that, none passes unless all may.
    """

    distance_m: float = 0.75
    actuation_s: float = 0.05
    heartbeat_timeout_s: float = 0.5
    slip_m: float = 0.0

    @property
    def distance_nm(self) -> int:
        """The way from the trigger to the gate."""
        return round(self.distance_m * NM_PER_M)

    def reach_nm(self, speed_mps: float) -> int:
        """So near to the gate a part comes too late for the flap at this speed."""
        return round((speed_mps * self.actuation_s + self.slip_m) * NM_PER_M)


@dataclass(frozen=True)
class PartOutcome:
    """What the gate did with one part, and why."""

    number: int
    action: OutcomeAction
    cause: OutcomeCause
    arrived_ns: int


@dataclass
class _PartUnderWay:
    """A part between the trigger and the gate; a trial lies on no belt, and arrives at a time."""

    number: int
    arrives_nm: int
    arrives_ns: int | None = None
    code: int = VerdictCode.NONE
    late: bool = False
    saw_unknown_part: bool = False  # verdicts came meanwhile that name no part under way


class RejectGate:
    """Tracks parts between trigger and gate, their verdicts, and the station's heartbeat."""

    def __init__(self, settings: GateSettings, belt: Belt) -> None:
        self._settings = settings
        self._belt = belt
        self._reach_nm = settings.reach_nm(belt.speed_mps)
        self._under_way: list[_PartUnderWay] = []
        self._beat: int | None = None
        self._beat_changed_ns: int | None = None
        self._last_reject_nm: int | None = None

    @property
    def parts_under_way(self) -> bool:
        """Whether parts are between the trigger and the gate."""
        return bool(self._under_way)

    def note_speed(self) -> None:
        """The belt's speed has changed; one that stands or turns back has its last speed again later."""
        if self._belt.speed_mps > 0:
            self._reach_nm = self._settings.reach_nm(self._belt.speed_mps)

    def add_part(self, number: int, now_ns: int) -> None:
        """A part is at the trigger now."""
        arrives_nm = self._belt.position_nm(now_ns) + self._settings.distance_nm
        self._under_way.append(_PartUnderWay(number, arrives_nm))
        self._under_way.sort(key=lambda part: part.arrives_nm)

    def add_trial(self, number: int, now_ns: int, speed_mps: float) -> None:
        """A dry run's part, which nobody sees; it goes to the gate at this speed, on no belt."""
        travel_ns = round(self._settings.distance_nm / speed_mps)
        part = _PartUnderWay(number, self._belt.position_nm(now_ns), now_ns + travel_ns)
        self._under_way.insert(0, part)

    def record_heartbeat(self, value: int, now_ns: int) -> None:
        """The station wrote its heartbeat; only a changed value counts."""
        if value != self._beat:
            self._beat = value
            self._beat_changed_ns = now_ns

    def accept_verdict(self, number: int, code: int, now_ns: int) -> bool:
        """Accept a verdict; False unless it matches exactly one part between trigger and gate."""
        named = [part for part in self._under_way if part.number == number]
        if len(named) != 1:
            for part in self._under_way:
                part.saw_unknown_part = True
            return False
        part = named[0]
        if self._is_too_late(part, now_ns):
            part.late = True
            return False
        if part.code in (VerdictCode.NONE, VerdictCode.OK):  # a part once refused stays refused
            part.code = code
        return True

    def act_on_arrivals(self, now_ns: int) -> list[PartOutcome]:
        """Act on the parts that have reached the gate by now; returns the outcomes in order."""
        found: list[PartOutcome] = []
        while self._under_way and self._has_arrived(self._under_way[0], now_ns):
            part = self._under_way[0]
            found.append(self._build_outcome(part, self._arrived_ns(part, now_ns)))
            del self._under_way[0]
        return found

    def next_arrival_ns(self) -> int | None:
        """When the next part reaches the gate; None if there is none or the belt does not bring it."""
        if not self._under_way:
            return None
        first = self._under_way[0]
        if first.arrives_ns is not None:
            return first.arrives_ns
        return self._belt.time_at(first.arrives_nm)

    def _has_arrived(self, part: _PartUnderWay, now_ns: int) -> bool:
        if part.arrives_ns is not None:
            return part.arrives_ns <= now_ns
        return part.arrives_nm <= self._belt.position_nm(now_ns)

    def _arrived_ns(self, part: _PartUnderWay, now_ns: int) -> int:
        at_ns = part.arrives_ns or self._belt.time_at(part.arrives_nm)
        return now_ns if at_ns is None else min(at_ns, now_ns)

    def _is_too_late(self, part: _PartUnderWay, now_ns: int) -> bool:
        if part.arrives_ns is not None:
            return now_ns > part.arrives_ns - round(self._settings.actuation_s * NS_PER_S)
        return part.arrives_nm - self._belt.position_nm(now_ns) < self._reach_nm

    def _build_outcome(self, part: _PartUnderWay, arrived_ns: int) -> PartOutcome:
        cause = self._find_cause(part, arrived_ns)
        action: OutcomeAction = "passed" if cause == "ok" else "rejected"
        if action == "rejected" and part.arrives_ns is None:
            self._last_reject_nm = part.arrives_nm
        return PartOutcome(part.number, action, cause, arrived_ns)

    def _find_cause(self, part: _PartUnderWay, arrived_ns: int) -> OutcomeCause:
        if part.code not in (VerdictCode.NONE, VerdictCode.OK):
            return "not_ok"
        if not self._is_heartbeat_alive(arrived_ns):
            return "heartbeat"
        if part.code == VerdictCode.OK:
            return "too_close" if self._is_near_a_reject(part) else "ok"
        if part.late:
            return "late_verdict"
        return "wrong_part" if part.saw_unknown_part else "no_verdict"

    def _is_near_a_reject(self, part: _PartUnderWay) -> bool:
        """Whether a part that may not pass is so near that one may be taken for the other."""
        slip_nm = round(self._settings.slip_m * NM_PER_M)
        if slip_nm == 0 or part.arrives_ns is not None:
            return False
        before_nm = self._last_reject_nm
        behind = (
            other.arrives_nm
            for other in self._under_way
            if other is not part and other.code != VerdictCode.OK
        )
        return (before_nm is not None and part.arrives_nm - before_nm <= slip_nm) or any(
            position_nm - part.arrives_nm <= slip_nm for position_nm in behind
        )

    def _is_heartbeat_alive(self, at_ns: int) -> bool:
        if self._beat_changed_ns is None:
            return False
        return at_ns - self._beat_changed_ns <= self._settings.heartbeat_timeout_s * NS_PER_S
