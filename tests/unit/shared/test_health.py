"""A component says how it fares, and goes on saying it when the cloud was away."""

import threading
from collections.abc import Callable

import msgspec
import pytest

from sightline import health as health_module
from sightline.bus import Inbox
from sightline.errors import CloudUnreachableError, NucleusGoneError
from sightline.health import Health, HealthReporter
from sightline.messages import Fault, StationHealth
from sightline.topics import STATION_HEALTH, Stream


class HeldClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now_ns = 100

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def health(clock: HeldClock) -> Health:
    return Health("com.sightline.Capture", "1.2.3", "station-1", clock)


def test_a_report_holds_counters_gauges_and_readiness(health: Health, clock: HeldClock) -> None:
    assert health.report().ready is False
    health.count("parts")
    health.count("parts", 2)
    health.gauge("queue", 3.5)
    health.gauge("queue", 1.5)
    health.set_ready(True)
    clock.now_ns = 200
    assert health.report() == StationHealth(
        station_id="station-1",
        component="com.sightline.Capture",
        version="1.2.3",
        at_utc_ns=200,
        ready=True,
        counters={"parts": 3},
        gauges={"queue": 1.5},
        faults=(),
    )


def test_a_fault_keeps_the_time_of_its_beginning_until_it_is_cleared(
    health: Health, clock: HeldClock
) -> None:
    assert health.raise_fault("camera-away", "cam1 gives no frame") is True
    clock.now_ns = 200
    assert health.raise_fault("camera-away", "cam1 and cam2 give no frame") is False
    assert health.report().faults == (
        Fault(
            code="camera-away", text="cam1 and cam2 give no frame", level="fault", since_utc_ns=100
        ),
    )
    assert health.clear_fault("camera-away") is True
    assert health.clear_fault("camera-away") is False
    assert health.report().faults == ()
    health.raise_fault("camera-away", "again", "warning")
    assert health.report().faults[0].since_utc_ns == 200


def test_a_report_does_not_change_after_it_was_made(health: Health) -> None:
    health.count("parts")
    report = health.report()
    health.count("parts")
    assert report.counters == {"parts": 1}


def test_counts_of_many_threads_are_all_there(health: Health) -> None:
    def count_many() -> None:
        for _ in range(500):
            health.count("parts")

    threads = [threading.Thread(target=count_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.report().counters == {"parts": 2000}


class ScriptedBus:
    """A bus on which each publish does the next step of a script."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self.reports: list[msgspec.Struct] = []
        self._steps = iter(steps)

    def publish(self, stream: Stream, message: msgspec.Struct) -> None:
        assert stream is STATION_HEALTH
        self.reports.append(message)
        next(self._steps)()

    def subscribe(self, stream: Stream) -> None:
        raise AssertionError(stream)

    def close(self) -> None:
        raise AssertionError


def cloud_away() -> None:
    raise CloudUnreachableError("no broker")


def nucleus_gone() -> None:
    raise NucleusGoneError("closed")


def well() -> None:
    return None


def test_the_cloud_may_be_away_and_come_back_and_the_reports_say_so(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "REPORT_INTERVAL_S", 0.001)
    bus = ScriptedBus(well, cloud_away, cloud_away, well, nucleus_gone)
    inbox = Inbox()
    inbox.post("waiting")
    reporter = HealthReporter(bus, health, inbox)
    reporter.start()
    reporter.join(30)
    assert not reporter.is_alive()
    reports = [report for report in bus.reports if isinstance(report, StationHealth)]
    codes = [[(fault.code, fault.level) for fault in report.faults] for report in reports]
    away = [("cloud-unreachable", "warning")]
    assert codes == [[], [], away, away, []]
    assert reports[0].gauges == {"inbox_depth": 1}
