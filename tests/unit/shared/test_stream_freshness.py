"""A stream that falls silent is a fault until it is heard again; parts may be silent for ever."""

import pytest

from sightline.kernel.health import ComponentHealth
from sightline.kernel.stream_freshness import StreamFreshness
from sightline.messaging.topics import (
    CATALOGUE,
    MACHINE_SAMPLES,
    PART_CAPTURED,
    PART_SETTLED,
    STATION_MODE,
)
from tests.unit.shared.kernel_kit import HandMovedClock


@pytest.fixture
def clock() -> HandMovedClock:
    return HandMovedClock()


@pytest.fixture
def health(clock: HandMovedClock) -> ComponentHealth:
    return ComponentHealth("com.sightline.Equipment", "1.0.0", "line-1", clock)


def faults(health: ComponentHealth) -> list[str]:
    return [fault.code for fault in health.build_report().faults]


def test_a_stream_that_was_heard_and_falls_silent_is_a_fault_once(
    clock: HandMovedClock, health: ComponentHealth
) -> None:
    freshness = StreamFreshness((STATION_MODE, PART_CAPTURED), health, clock)
    freshness.note_message(STATION_MODE, clock.monotonic_ns())
    clock.move(STATION_MODE.max_silence_s or 0)
    assert freshness.find_silent() == []
    clock.move(0.1)
    assert freshness.find_silent() == [STATION_MODE]
    assert freshness.find_silent() == []
    assert faults(health) == ["mode-silent"]


def test_a_stream_that_is_heard_again_is_no_fault_and_is_watched_again(
    clock: HandMovedClock, health: ComponentHealth
) -> None:
    freshness = StreamFreshness((STATION_MODE,), health, clock)
    for _ in range(2):
        freshness.note_message(STATION_MODE, clock.monotonic_ns())
        assert faults(health) == []
        clock.move(11)
        assert freshness.find_silent() == [STATION_MODE]


def test_only_what_is_always_sent_is_missed_before_it_was_heard(
    clock: HandMovedClock, health: ComponentHealth
) -> None:
    freshness = StreamFreshness((PART_SETTLED, MACHINE_SAMPLES, PART_CAPTURED), health, clock)
    clock.move(1000)
    assert freshness.find_silent() == [MACHINE_SAMPLES]
    assert faults(health) == ["no-readings"]


def test_no_stream_of_parts_is_watched_and_each_watched_one_has_its_fault() -> None:
    watched = [stream for stream in CATALOGUE if stream.max_silence_s is not None]
    assert {"PartTriggered", "PartCaptured", "PartJudged", "GateActed"}.isdisjoint(
        stream.name for stream in watched
    )
    assert all(stream.silence_fault for stream in watched)
