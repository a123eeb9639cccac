"""The PLC's check that each part went where the gate sent it, by a sensor in the reject chute and,
where there is one, another behind the gate on the good lane.

No I/O; times are monotonic nanoseconds passed in.
"""

from dataclasses import dataclass
from typing import Literal

from hil.plant.belt import NM_PER_M, Belt
from hil.plant.reject_gate import NS_PER_S

Confirmation = Literal["confirmed", "not_arrived", "unexpected", "stray"]
SensorName = Literal["chute", "good_lane"]
MAX_AWAITED = 64


@dataclass(frozen=True)
class ConfirmationSettings:
    """Which sensors there are, and where a part must show itself.

    In the chute: from `chute_from_s` after the gate until the belt has run for `chute_to_s`. On the
    good lane: `good_lane_m` behind the gate, with the tolerance.
    """

    has_chute_sensor: bool = True
    has_good_lane_sensor: bool = False
    chute_from_s: float = 0.0
    chute_to_s: float = 0.5
    good_lane_m: float = 0.2
    tolerance_m: float = 0.05


@dataclass(frozen=True)
class ConfirmedPart:
    """What the sensors say of a part; a stray thing has number 0, and the time at which it was seen."""

    number: int
    acted_utc_ns: int
    confirmation: Confirmation


@dataclass
class _AwaitedPart:
    number: int
    acted_utc_ns: int
    is_rejected: bool
    acted_ns: int
    ran_ns: int
    acted_nm: int
    confirmation: Confirmation | None = None
    is_told: bool = True
    in_chute: bool = False
    on_good_lane: bool = False


class GateConfirmation:
    """The parts beyond the gate, oldest first, until their windows are over."""

    def __init__(self, settings: ConfirmationSettings, belt: Belt) -> None:
        self._settings = settings
        self._belt = belt
        self._awaited: list[_AwaitedPart] = []
        self._stray_utc_ns: int | None = None

    def add_part(self, number: int, is_rejected: bool, acted_utc_ns: int, acted_ns: int) -> None:
        """The gate acted on a part."""
        settings = self._settings
        if not (settings.has_chute_sensor or settings.has_good_lane_sensor):
            return
        ran_ns, acted_nm = self._belt.running_ns(acted_ns), self._belt.position_nm(acted_ns)
        part = _AwaitedPart(number, acted_utc_ns, is_rejected, acted_ns, ran_ns, acted_nm)
        self._awaited = [*self._awaited, part][-MAX_AWAITED:]

    def record_sensor(self, sensor: SensorName, now_ns: int, now_utc_ns: int) -> None:
        """A sensor sees something come."""
        settings = self._settings
        if sensor == "chute" and settings.has_chute_sensor:
            self._record_in_chute(now_ns, now_utc_ns)
        elif sensor == "good_lane" and settings.has_good_lane_sensor:
            self._record_on_good_lane(now_ns, now_utc_ns)

    def decide(self, now_ns: int) -> list[ConfirmedPart]:
        """What is known by now and was not told before, oldest part first."""
        for part in self._awaited:
            if part.confirmation is None:
                self._conclude(part, now_ns)
        found = []
        for part in self._awaited:
            if part.confirmation is not None and not part.is_told:
                part.is_told = True
                found.append(ConfirmedPart(part.number, part.acted_utc_ns, part.confirmation))
        if self._stray_utc_ns is not None:
            found.append(ConfirmedPart(0, self._stray_utc_ns, "stray"))
            self._stray_utc_ns = None
        while self._awaited and self._are_windows_over(self._awaited[0], now_ns):
            del self._awaited[0]
        return found

    @property
    def is_awaiting(self) -> bool:
        """Whether a part's window is open still, or news is untold."""
        return bool(self._awaited) or self._stray_utc_ns is not None

    @property
    def _good_lane_end_nm(self) -> int:
        return round((self._settings.good_lane_m + self._settings.tolerance_m) * NM_PER_M)

    def _record_in_chute(self, now_ns: int, now_utc_ns: int) -> None:
        expected = [
            part
            for part in self._awaited
            if not part.in_chute and self._may_be_in_chute(part, now_ns)
        ]
        expected.sort(key=lambda part: not part.is_rejected)  # stable: the oldest reject first
        if not expected:
            self._stray_utc_ns = now_utc_ns
            return
        expected[0].in_chute = True
        self._tell(expected[0], "confirmed" if expected[0].is_rejected else "unexpected")

    def _record_on_good_lane(self, now_ns: int, now_utc_ns: int) -> None:
        expected = [
            part
            for part in self._awaited
            if not part.on_good_lane and self._may_be_on_good_lane(part, now_ns)
        ]
        if not expected:
            self._stray_utc_ns = now_utc_ns
            return
        expected[0].on_good_lane = True
        if expected[0].is_rejected:
            self._tell(expected[0], "unexpected")
        elif expected[0].confirmation is None:
            self._tell(expected[0], "confirmed")

    def _conclude(self, part: _AwaitedPart, now_ns: int) -> None:
        """What follows from not having seen the part until its window ended."""
        settings = self._settings
        needs_chute = settings.has_chute_sensor and (
            part.is_rejected or not settings.has_good_lane_sensor
        )
        if needs_chute:
            is_over = self._is_chute_window_over(part, now_ns)
            is_missing = part.is_rejected
        else:
            is_over = self._is_good_lane_window_over(part, now_ns)
            is_missing = not part.is_rejected
        if is_over:
            self._tell(part, "not_arrived" if is_missing else "confirmed")

    def _tell(self, part: _AwaitedPart, confirmation: Confirmation) -> None:
        part.confirmation, part.is_told = confirmation, False

    def _may_be_in_chute(self, part: _AwaitedPart, now_ns: int) -> bool:
        from_ns = part.acted_ns + round(self._settings.chute_from_s * NS_PER_S)
        return now_ns >= from_ns and not self._is_chute_window_over(part, now_ns)

    def _may_be_on_good_lane(self, part: _AwaitedPart, now_ns: int) -> bool:
        way_nm = self._belt.position_nm(now_ns) - part.acted_nm
        lane_nm = round(self._settings.good_lane_m * NM_PER_M)
        return abs(way_nm - lane_nm) <= round(self._settings.tolerance_m * NM_PER_M)

    def _is_chute_window_over(self, part: _AwaitedPart, now_ns: int) -> bool:
        ran_ns = self._belt.running_ns(now_ns) - part.ran_ns
        return ran_ns > round(self._settings.chute_to_s * NS_PER_S)

    def _is_good_lane_window_over(self, part: _AwaitedPart, now_ns: int) -> bool:
        return self._belt.position_nm(now_ns) - part.acted_nm > self._good_lane_end_nm

    def _are_windows_over(self, part: _AwaitedPart, now_ns: int) -> bool:
        settings = self._settings
        return (not settings.has_chute_sensor or self._is_chute_window_over(part, now_ns)) and (
            not settings.has_good_lane_sensor or self._is_good_lane_window_over(part, now_ns)
        )
