"""A model of the conveyor's drive: plausible readings with noise, warm-up and slow drift."""

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class MachineTag:
    """A reading of the PLC, with its unit and its normal range while the line runs."""

    name: str
    node: str
    unit: str
    normal_low: float
    normal_high: float


MACHINE_TAGS: tuple[MachineTag, ...] = (
    MachineTag("motor_current", "Machine.MotorCurrent", "A", 3.4, 5.2),
    MachineTag("motor_temperature", "Machine.MotorTemperature", "Cel", 15.0, 70.0),
    MachineTag("vibration", "Machine.Vibration", "mm/s", 0.5, 3.5),
    MachineTag("air_pressure", "Machine.AirPressure", "bar", 5.5, 6.6),
)
AMBIENT_C = 22.0
WARM_C = 48.0
WARM_UP_S = 240.0
DRIFT_PERIOD_S = 420.0
SPIN_UP_S = 0.4


class MachineModel:
    """Steps the drive through time; the same seed gives the same readings."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._elapsed_s = 0.0
        self._load = 0.0
        self._temperature_c = AMBIENT_C

    def step(self, elapsed_s: float, running: bool) -> dict[str, float]:
        """Advance by the elapsed seconds; returns the readings by tag name."""
        self._elapsed_s += elapsed_s
        self._load += (float(running) - self._load) * _approach_share(elapsed_s, SPIN_UP_S)
        target_c = AMBIENT_C + (WARM_C - AMBIENT_C) * self._load
        self._temperature_c += (target_c - self._temperature_c) * _approach_share(
            elapsed_s, WARM_UP_S
        )
        drift = math.sin(2 * math.pi * self._elapsed_s / DRIFT_PERIOD_S)
        return {
            "motor_current": 0.3 + self._load * (4.0 + 0.12 * drift) + self._draw_noise(0.06),
            "motor_temperature": self._temperature_c + self._draw_noise(0.08),
            "vibration": max(0.05, 0.1 + self._load * 1.7 + self._draw_noise(0.12)),
            "air_pressure": 6.1 + 0.08 * drift + self._draw_noise(0.02),
        }

    def _draw_noise(self, deviation: float) -> float:
        return self._random.gauss(0.0, deviation)


def _approach_share(elapsed_s: float, time_constant_s: float) -> float:
    return 1.0 - math.exp(-elapsed_s / time_constant_s)
