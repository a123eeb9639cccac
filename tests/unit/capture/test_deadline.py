"""The deadline is when the part can be at the gate at the soonest that is known of the belt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.configuration import CaptureConfiguration
from capture.deadline import travel_time_ns
from tests.unit.capture.capture_kit import CaptureUnderTest

LINE = CaptureConfiguration(distance_to_gate_mm=600, belt_speed_mps=0.5, deadline_ms=3000)


@pytest.mark.parametrize(
    ("belt_speed_mps", "way_ms"),
    [
        (0.5, 1200),
        (1.0, 600),  # faster than configured: sooner
        (0.25, 1200),  # slower: it may speed up before the part is at the gate
        (0.06, 1200),
        (None, 1200),
        (0.0, 1200),  # it stands: it may start at once, at its configured speed
        (0.04, 1200),  # stopping or starting
        (-0.5, 1200),  # backwards: away from the gate
    ],
)
def test_the_way_to_the_gate_by_the_speed_of_the_belt(
    belt_speed_mps: float | None, way_ms: int
) -> None:
    assert travel_time_ns(LINE, belt_speed_mps) == way_ms * 1_000_000


@given(st.none() | st.floats(-10, 10, allow_nan=False))
def test_no_speed_gives_a_part_more_than_the_configured_deadline(speed: float | None) -> None:
    assert 0 < travel_time_ns(LINE, speed) <= 3_000_000_000


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=20))
def test_no_part_is_at_the_gate_before_its_deadline_however_the_belt_runs(
    speeds_mps: list[float],
) -> None:
    deadline_ms = travel_time_ns(LINE, speeds_mps[0]) / 1e6
    way_mm = sum(speed * deadline_ms / len(speeds_mps) for speed in speeds_mps)
    assert way_mm <= LINE.distance_to_gate_mm + 1e-6


def test_the_configured_deadline_is_the_longest() -> None:
    slow = CaptureConfiguration(distance_to_gate_mm=600, belt_speed_mps=0.1, deadline_ms=3000)
    assert travel_time_ns(slow, 0.1) == 3_000_000_000


def test_a_belt_that_stops_after_the_trigger_moves_no_deadline(station: CaptureUnderTest) -> None:
    station.trigger(1, belt_speed_mps=0.5)
    given_ns = station.captured[0].deadline_monotonic_ns
    station.trigger(2, belt_speed_mps=0.0)
    station.advance(1.5)
    first = [told for told in station.announced if told.last.part_number == 1]
    assert all(told.deadline_monotonic_ns == given_ns for told in first)
    ways_ns = [
        part.deadline_monotonic_ns - part.triggered_monotonic_ns for part in station.captured
    ]
    assert ways_ns[0] == ways_ns[1]
