"""A component says how it fares, and goes on saying it when the cloud was away."""

import os
import threading
from collections.abc import Callable

import msgspec
import pytest

from sightline.errors import CloudUnreachableError, NucleusGoneError
from sightline.kernel import health as health_module
from sightline.kernel.health import ComponentHealth, HealthReporter
from sightline.messaging.bus import Inbox
from sightline.messaging.codec import decode, encode
from sightline.messaging.messages import Fault, StationHealth
from sightline.messaging.topics import STATION_HEALTH, MessageStream


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
def health(clock: HeldClock) -> ComponentHealth:
    return ComponentHealth("com.sightline.Capture", "1.2.3", "station-1", clock)


def test_a_report_holds_counters_gauges_and_readiness(
    health: ComponentHealth, clock: HeldClock
) -> None:
    assert health.build_report().ready is False
    health.count("parts")
    health.count("parts", 2)
    health.set_gauge("queue", 3.5)
    health.set_gauge("queue", 1.5)
    health.set_ready(True)
    clock.now_ns = 200
    assert health.build_report() == StationHealth(
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
    health: ComponentHealth, clock: HeldClock
) -> None:
    assert health.raise_fault("camera-away", "cam1 gives no frame") is True
    clock.now_ns = 200
    assert health.raise_fault("camera-away", "cam1 and cam2 give no frame") is False
    assert health.build_report().faults == (
        Fault(
            code="camera-away", text="cam1 and cam2 give no frame", level="fault", since_utc_ns=100
        ),
    )
    assert health.clear_fault("camera-away") is True
    assert health.clear_fault("camera-away") is False
    assert health.build_report().faults == ()
    health.raise_fault("camera-away", "again", "warning")
    assert health.build_report().faults[0].since_utc_ns == 200


def test_a_report_does_not_change_after_it_was_made(health: ComponentHealth) -> None:
    health.count("parts")
    report = health.build_report()
    health.count("parts")
    assert report.counters == {"parts": 1}


def test_counts_of_many_threads_are_all_there(health: ComponentHealth) -> None:
    def count_many() -> None:
        for _ in range(500):
            health.count("parts")

    threads = [threading.Thread(target=count_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.build_report().counters == {"parts": 2000}


class ScriptedBus:
    """A bus on which each publish of what is a message does the next step of a script."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self.reports: list[StationHealth] = []
        self._steps = iter(steps)

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        assert stream is STATION_HEALTH
        self.reports.append(decode(StationHealth, encode(message)))
        next(self._steps)()

    def subscribe(self, stream: MessageStream) -> None:
        raise AssertionError(stream)

    def close(self) -> None:
        raise AssertionError


def cloud_away() -> None:
    raise CloudUnreachableError("no broker")


def nucleus_gone() -> None:
    raise NucleusGoneError("closed")


def well() -> None:
    return None


def reports_of(
    health: ComponentHealth,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    *steps: Callable[[], None],
) -> list[StationHealth]:
    """What a reporter tells until the nucleus is gone, which comes after these steps."""
    monkeypatch.setattr(health_module, "REPORT_INTERVAL_S", 0.001)
    bus = ScriptedBus(*steps, nucleus_gone)
    reporter = HealthReporter(bus, health, inbox)
    reporter.start()
    reporter.join(30)
    assert not reporter.is_alive()
    assert len(bus.reports) == len(steps) + 1, "the reporter ended before"
    return bus.reports


def test_the_cloud_may_be_away_and_come_back_and_the_reports_say_so(
    health: ComponentHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox()
    inbox.post("waiting")
    reports = reports_of(health, inbox, monkeypatch, well, cloud_away, cloud_away, well)
    codes = [[(fault.code, fault.level) for fault in report.faults] for report in reports]
    away = [("cloud-unreachable", "warning")]
    assert codes == [[], [], away, away, []]
    assert reports[0].gauges == {"inbox_depth": 1}


def test_a_fault_or_fact_of_very_many_words_is_told_by_its_first(
    health: ComponentHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    health.raise_fault("plc-away", "no such node " * 1000)
    health.set_fact("products", "bottle 1, " * 1000)
    report, _ = reports_of(health, Inbox(), monkeypatch, well)
    (fault,) = report.faults
    assert fault.code == "plc-away"
    assert fault.text.startswith("no such node")
    assert fault.text.endswith("...")
    assert report.facts["products"].startswith("bottle 1, bottle 1")


@pytest.mark.parametrize("count", [30, 300])
def test_more_faults_than_a_message_holds_are_told_in_few_words_and_the_reports_go_on(
    health: ComponentHealth, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    codes = [f"camera-{number}" for number in range(count)]
    for code in codes:
        health.raise_fault(code, "no frame came " * 1000)
    health.count("parts_captured", 7)

    def all_is_well() -> None:
        for code in codes:
            health.clear_fault(code)

    wrong, after, right = reports_of(health, Inbox(), monkeypatch, all_is_well, well)
    told = [fault.code for fault in wrong.faults]
    assert told == codes[: len(told)]
    assert len(told) >= 30
    assert wrong.counters == {"parts_captured": 7}
    assert [fault.code for fault in after.faults] == ["health-report-too-large"]
    assert right.faults == ()


def test_a_report_of_too_many_figures_leaves_them_out(
    health: ComponentHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        health.count(f"counter_{number}")
    first, second = reports_of(health, Inbox(), monkeypatch, well)
    assert first.counters == second.counters == {}


def test_a_text_that_no_message_carries_is_told_all_the_same(
    health: ComponentHealth, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.fsdecode(b"cam1/\xff.png")
    health.raise_fault("camera-cam1", f"{name} cannot be decoded")
    health.set_fact("playing", name)
    report, _ = reports_of(health, Inbox(), monkeypatch, well)
    assert [fault.text for fault in report.faults] == ["cam1/\\udcff.png cannot be decoded"]
    assert report.facts == {"playing": "cam1/\\udcff.png"}
    encode(report)
