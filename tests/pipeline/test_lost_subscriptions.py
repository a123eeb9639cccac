"""A Nucleus Lite that forgets all local subscriptions makes a station deaf for some seconds, not for good."""

import pytest

from tests.pipeline.conftest import StartStation
from tests.pipeline.running_station import Json, RunningStation

pytestmark = [pytest.mark.station, pytest.mark.timeout(300)]
PARTS = 80


def judged_after(station: RunningStation, number: int) -> list[Json]:
    """Records of later parts that models looked at."""
    return [
        record
        for record in station.records()
        if record["partNumber"] > number and record["timings"]["model_ms"] > 0
    ]


def test_a_station_that_was_made_deaf_judges_again_and_records_each_part(
    start_station: StartStation,
) -> None:
    station = start_station(PARTS, rate_hz=2.0, nucleus="lite")
    station.wait_for_parts(10)
    station.machine.lose_subscriptions("local")
    lost_at = station.counted() + 1  # that part may be under way
    station.wait_for("judged again", lambda: len(judged_after(station, lost_at)) > 3)
    station.wait_until_settled()
    records = station.records()
    assert [record["partNumber"] for record in records] == list(range(1, PARTS + 1))
    passed = [record for record in records if record["gate"] == "passed"]
    assert all(record["verdict"] == "ok" for record in passed)
    assert not any(component["restarts"] for component in station.components().values())
