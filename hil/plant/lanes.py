"""Where parts really go behind the gate, and what the sensors there see of it."""

from dataclasses import dataclass

from hil.plant.belt import NM_PER_M, Belt
from hil.plant.gate_confirmation import SensorName
from hil.plant.reject_gate import NS_PER_S

FALL_S = 0.1  # from the gate to the sensor in the chute


@dataclass(frozen=True)
class _PartBehindGate:
    sensor: SensorName
    due_ns: int | None = None
    due_nm: int | None = None


class LanesBehindGate:
    """Parts that fall into the bin, or stay on the belt; faults let some go the other way."""

    def __init__(self, belt: Belt, good_lane_m: float) -> None:
        self._belt = belt
        self._good_lane_nm = round(good_lane_m * NM_PER_M)
        self._parts: list[_PartBehindGate] = []
        self.falling_back = 0  # so many of the next rejects stay on the belt
        self.blown_out = 0  # so many of the next good parts land in the bin

    @property
    def are_empty(self) -> bool:
        """Whether no part is before a sensor."""
        return not self._parts

    def clear(self) -> None:
        """Somebody took all parts away."""
        self._parts.clear()

    def add_part(self, is_rejected: bool, acted_ns: int) -> None:
        """The gate acted on a part."""
        if is_rejected and self.falling_back:
            self.falling_back -= 1
            is_rejected = False
        elif not is_rejected and self.blown_out:
            self.blown_out -= 1
            is_rejected = True
        if is_rejected:
            due_ns = acted_ns + round(FALL_S * NS_PER_S)
            self._parts.append(_PartBehindGate("chute", due_ns=due_ns))
        else:
            due_nm = self._belt.position_nm(acted_ns) + self._good_lane_nm
            self._parts.append(_PartBehindGate("good_lane", due_nm=due_nm))

    def find_seen(self, now_ns: int) -> list[SensorName]:
        """The sensors that see a part come by now."""
        position_nm = self._belt.position_nm(now_ns)
        seen = [
            part
            for part in self._parts
            if (part.due_ns is not None and part.due_ns <= now_ns)
            or (part.due_nm is not None and part.due_nm <= position_nm)
        ]
        self._parts = [part for part in self._parts if part not in seen]
        return [part.sensor for part in seen]
