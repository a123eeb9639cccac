"""When a part stands before the gate."""

from capture.configuration import CaptureConfiguration


def travel_ns(configuration: CaptureConfiguration, belt_speed_mps: float | None) -> int:
    """The part's way from the trigger to the gate in time, at most the configured deadline.

    A belt that stands or whose speed is unknown is taken to run as configured.
    """
    speed_mps = belt_speed_mps if belt_speed_mps else configuration.belt_speed_mps
    travel_ms = configuration.distance_to_gate_mm / abs(speed_mps)
    return round(min(travel_ms, configuration.deadline_ms) * 1e6)
