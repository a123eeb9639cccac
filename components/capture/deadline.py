"""When a part stands before the gate: what the PLC says of the belt, and what is safe without it.

The deadline is given once, with the part's number, and never moves: whatever the belt does later, a
verdict that meets it comes before the part can be at the gate.
"""

from capture.configuration import CaptureConfiguration


def travel_time_ns(configuration: CaptureConfiguration, belt_speed_mps: float | None) -> int:
    """The part's way from the trigger to the gate in time, at most the configured deadline.

    A belt that stands, runs slowly or backwards, or whose speed is unknown, is taken to run as
    configured: it may speed up at any time, and then the part comes no sooner than that.
    """
    speed_mps = max(belt_speed_mps or 0.0, configuration.belt_speed_mps)
    travel_ms = configuration.distance_to_gate_mm / speed_mps
    return round(min(travel_ms, configuration.deadline_ms) * 1e6)
