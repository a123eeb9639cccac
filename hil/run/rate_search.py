"""Searches for the highest sustained part rate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class SustainedRate(Generic[T]):
    """The highest sustained rate, its trial's result, and whether it is the maximum allowed."""

    rate_hz: float
    trial: T
    at_search_limit: bool


def find_max_rate(
    run_trial: Callable[[float], T | None],
    *,
    start_hz: float,
    max_hz: float,
    resolution_hz: float,
) -> SustainedRate[T] | None:
    """Double the rate from `start_hz` while it is sustained, then bisect; None if no rate was sustained.

    `holds` gives what a trial at a rate told, or None if it did not hold.
    """
    best: tuple[float, T] | None = None
    too_high: float | None = None
    rate: float | None = min(start_hz, max_hz)
    while rate is not None:
        told = run_trial(rate)
        if told is None:
            too_high = rate
        else:
            best = (rate, told)
        rate = _choose_next_rate(best[0] if best else 0.0, too_high, max_hz, resolution_hz)
    return None if best is None else SustainedRate(best[0], best[1], best[0] >= max_hz)


def _choose_next_rate(
    held: float, too_high: float | None, max_hz: float, resolution: float
) -> float | None:
    """The next rate to try, or None when the bounds are close enough."""
    if too_high is None:
        return min(2 * held, max_hz) if held < max_hz else None
    steps = (too_high - held) / resolution
    if steps < 1.01:  # the same, but for rounding
        return None
    return round(held + max(1, int(steps / 2)) * resolution, 6)
