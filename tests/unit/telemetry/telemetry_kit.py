"""Batches as the equipment component sends them, and what the function makes of them."""

import random
from collections.abc import Iterable, Iterator

from sightline.messaging.messages import MachineSamples, MachineState, TagQuality, TagSample
from telemetry.configuration import TelemetryConfiguration
from telemetry.state_builder import TelemetryFunction

S = 1_000_000_000
START = 1_700_000_000 * S
STATION = "test-station"
NOISE = {  # mean and deviation of a machine in good health
    "motor_current": (4.3, 0.06),
    "motor_temperature": (48.0, 0.1),
    "vibration": (1.8, 0.12),
    "air_pressure": (6.1, 0.02),
}


def sample(
    tag: str, value: float | bool | str | None, quality: TagQuality = "good", unit: str = ""
) -> TagSample:
    """One reading."""
    return TagSample(tag=tag, value=value, unit=unit, quality=quality, source_utc_ns=START)


def batch(
    sequence: int, *samples: TagSample, at_s: float | None = None, equipment_id: str = "conveyor-1"
) -> MachineSamples:
    """One batch; they come each half second unless said otherwise."""
    return MachineSamples(
        station_id=STATION,
        equipment_id=equipment_id,
        line_id="line-1",
        sequence=sequence,
        sampled_utc_ns=START + round((sequence * 0.5 if at_s is None else at_s) * S),
        samples=samples,
    )


def healthy_readings(chance: random.Random, running: bool = True) -> list[TagSample]:
    """A running (or stopped) line's readings with the noise of its sensors."""
    readings = [sample("line_running", running), sample("belt_speed", 0.5 if running else 0.0)]
    for tag, (mean, deviation) in NOISE.items():
        readings.append(sample(tag, chance.gauss(mean if running else mean / 10, deviation)))
    return readings


def with_value(samples: Iterable[TagSample], tag: str, value: float) -> list[TagSample]:
    """The same readings with another value of one tag."""
    return [sample(s.tag, value) if s.tag == tag else s for s in samples]


def run_batches(
    function: TelemetryFunction, batches: Iterable[MachineSamples]
) -> Iterator[MachineState]:
    """The states that batches complete."""
    for each in batches:
        state = function.handle_batch(each)
        if state is not None:
            yield state


def a_function(**configuration: object) -> TelemetryFunction:
    """The function with the default configuration but for what is given."""
    return TelemetryFunction(TelemetryConfiguration(**configuration))  # type: ignore[arg-type]
