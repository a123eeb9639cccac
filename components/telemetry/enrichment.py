"""What is known of a machine beside its readings: limits, step, related tags, status."""

from collections.abc import Mapping, Sequence
from typing import Literal

from sightline.messaging.messages import MachineValue
from telemetry.configuration import TagProfile, TelemetryConfiguration
from telemetry.consolidation import ConsolidatedReading

MachineStatus = Literal["running", "stopped", "unknown"]
NO_PROFILE = TagProfile(tag="-", score_outliers=False)


def derive_status(
    readings: Sequence[ConsolidatedReading], configuration: TelemetryConfiguration
) -> MachineStatus:
    """Running or stopped, by the machine's own word or else by its belt; unknown without either."""
    values = {reading.tag: reading.value for reading in readings}
    running = values.get(configuration.running_tag)
    if isinstance(running, bool):
        return "running" if running else "stopped"
    speed = values.get(configuration.belt_speed_tag)
    if isinstance(speed, int | float) and not isinstance(speed, bool):
        return "stopped" if abs(speed) < configuration.stopped_below_mps else "running"
    return "unknown"


def enrich_reading(
    reading: ConsolidatedReading, profiles: Mapping[str, TagProfile], outlier_score: float
) -> MachineValue:
    """A reading with what its profile says of the tag."""
    profile = profiles.get(reading.tag, NO_PROFILE)
    return MachineValue(
        tag=reading.tag,
        value=reading.value,
        unit=reading.unit,
        quality=reading.quality,
        normal_low=profile.normal_low,
        normal_high=profile.normal_high,
        outlier_score=round(outlier_score, 3),
        step=profile.step,
        related=profile.related,
    )
