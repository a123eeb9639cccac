"""When a part stands before the gate: what the PLC says of the belt, and what is safe without it.

The deadline is given once, with the part's number, and never moves: whatever the belt does later, a
verdict that meets it comes before the part can be at the gate.
"""

from capture.configuration import CaptureConfiguration

STANDING_SHARE = (
    0.1  # below a tenth of its configured speed a belt is stopping, standing or starting
)


def travel_time_ns(configuration: CaptureConfiguration, belt_speed_mps: float | None) -> int:
    """The part's way from the trigger to the gate in time, at most the configured deadline.

    A belt that stands, creeps, runs backwards or whose speed is unknown is taken to run as configured:
    it may start at any time, and then the part comes no sooner than that.
    """
    configured_mps = configuration.belt_speed_mps
    runs = belt_speed_mps is not None and belt_speed_mps >= STANDING_SHARE * configured_mps
    speed_mps = belt_speed_mps if runs and belt_speed_mps is not None else configured_mps
    travel_ms = configuration.distance_to_gate_mm / speed_mps
    return round(min(travel_ms, configuration.deadline_ms) * 1e6)
