"""Compares stations' clocks with ours: the newest by a station's clock wins unless it was ahead."""

MAX_STATION_CLOCK_AHEAD_NS = 60_000_000_000
MAX_TIMESTAMP_NS = 2**63 - 1


def find_latest_plausible_ns(received_utc_ns: int | None) -> int:
    """The latest plausible time of an earlier message, given when the next arrived (None: unknown).

    Where it names a later one, its clock was ahead, and it must not keep those of the right time out.
    """
    return (
        MAX_TIMESTAMP_NS
        if received_utc_ns is None
        else received_utc_ns + MAX_STATION_CLOCK_AHEAD_NS
    )


def is_newer(known_utc_ns: int, new_utc_ns: int, received_utc_ns: int | None) -> bool:
    """Whether a message replaces the known one."""
    return new_utc_ns >= known_utc_ns or known_utc_ns > find_latest_plausible_ns(received_utc_ns)


def find_reported_ns(own_utc_ns: int, received_utc_ns: int | None) -> int:
    """When a message was sent, by the station's clock; never later than its arrival."""
    return own_utc_ns if received_utc_ns is None else min(own_utc_ns, received_utc_ns)
