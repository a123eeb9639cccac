"""The belt: how far it has run at any time, as an exact encoder would tell.

Positions are in nanometres: at 1 m/s the belt runs 1 nm in 1 ns.
"""

NM_PER_M = 1_000_000_000
UM_PER_M = 1_000_000


class Belt:
    """Runs at a speed that may change, stop or turn while parts lie on it."""

    def __init__(self, speed_mps: float = 0.0) -> None:
        self._since_ns = 0
        self._since_nm = 0
        self._ran_ns = 0
        self._speed_um_s = round(speed_mps * UM_PER_M)

    @property
    def speed_mps(self) -> float:
        """The speed at present; negative: backwards."""
        return self._speed_um_s / UM_PER_M

    def set_speed(self, speed_mps: float, now_ns: int) -> None:
        """Run at another speed from now on; 0 stands."""
        self._since_nm, self._ran_ns = self.position_nm(now_ns), self.running_ns(now_ns)
        self._since_ns = now_ns
        self._speed_um_s = round(speed_mps * UM_PER_M)

    def position_nm(self, now_ns: int) -> int:
        """How far it has run."""
        return self._since_nm + self._speed_um_s * (now_ns - self._since_ns) // UM_PER_M

    def running_ns(self, now_ns: int) -> int:
        """How long it has run, in either direction."""
        return self._ran_ns + (now_ns - self._since_ns if self._speed_um_s else 0)

    def time_at(self, position_nm: int) -> int | None:
        """When it will be so far if it goes on as it does; None if it never will."""
        if self._speed_um_s <= 0:
            return None
        way_nm = position_nm - self._since_nm
        return self._since_ns - (-way_nm * UM_PER_M // self._speed_um_s)
