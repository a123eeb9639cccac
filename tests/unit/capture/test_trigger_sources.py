"""Events of trigger sources: of the configured one only, and of one that is not built in."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from capture.triggers.gpio import EdgeSeen
from capture.triggers.interval import IntervalElapsed
from capture.triggers.trigger import TriggerEvent
from tests.unit.capture.capture_kit import CaptureUnderTest
from tests.unit.capture.conftest import StartStation


def test_events_of_a_source_that_is_not_configured_any_more_are_no_parts(
    station: CaptureUnderTest,
) -> None:
    station.trigger(1)
    for event_type in (EdgeSeen, IntervalElapsed):
        station.capture.handle(event_type(station.clock.utc_ns(), station.clock.monotonic_ns()))
    assert station.numbers == [1]
    station.configure(trigger={"kind": "gpio"})
    station.trigger(2)
    assert station.numbers == [1]


@dataclass(frozen=True)
class BarcodeRead:
    """An event of a source from another package."""

    lot: str


class BarcodeSource:
    """A part is there when its code was read."""

    def start(self) -> None: ...

    def find_trigger(self, event: object, received_monotonic_ns: int) -> TriggerEvent | None:
        if not isinstance(event, BarcodeRead):
            return None
        return TriggerEvent(None, 1_800_001_000_000_000_000, 1_000_000_000_000, lot=event.lot)

    def close(self) -> None: ...


def test_a_source_that_is_not_built_in_posts_events_of_its_own(
    start_station: StartStation, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.component.open_trigger", lambda *_: BarcodeSource())
    station = start_station()
    station.capture.handle(BarcodeRead("L-7"))
    station.capture.handle("of nobody")
    assert [(part.part.part_number, part.lot) for part in station.captured] == [(1, "L-7")]
