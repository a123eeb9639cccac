"""How a component fares: counters, gauges, faults and facts, published each interval to IoT Core."""

import logging
import threading
import time
from collections.abc import Callable

from msgspec.structs import replace

from sightline.clock import Clock
from sightline.errors import NucleusGoneError, TransportError
from sightline.messaging.bus import Inbox, MessageBus
from sightline.messaging.messages import Fault, FaultLevel, StationHealth
from sightline.messaging.shrink import shrink_to_fit
from sightline.messaging.topics import STATION_HEALTH
from sightline.text import escape_invalid_utf8, truncate

log = logging.getLogger(__name__)
REPORT_INTERVAL_S = 1.0
MIN_REPORT_INTERVAL_S = 0.2
MAX_FAULT_CHARACTERS = 500  # characters
MAX_FACT_CHARACTERS = 2000  # it may be a list, as of the products
SHORT_FAULT_CHARACTERS = 60
THREAD_FAULT = "thread-"  # and the thread's name: while it stands, the component is not ready
REPORT_TOO_LARGE_FAULT = "health-report-too-large"
REPORT_SHORTENED = "the faults are shortened, and some may be left out"


class ComponentHealth:
    """Collects what a component reports of itself; may be used from any thread."""

    def __init__(self, component: str, version: str, station_id: str, clock: Clock) -> None:
        self.component = component
        self._version = version
        self.station_id = station_id
        self._clock = clock
        self._lock = threading.Lock()
        self._counters: dict[str, int] = {}
        self._gauges: dict[str, float] = {}
        self._faults: dict[str, Fault] = {}
        self._facts: dict[str, str] = {}
        self._ready = False
        self._ready_changed = threading.Event()

    def count(self, name: str, more: int = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._counters[name] = self._counters.get(name, 0) + more

    def set_gauge(self, name: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._gauges[name] = value

    def set_fact(self, name: str, text: str) -> None:
        """State something that holds now, in a word or a few; an empty text takes it back."""
        with self._lock:
            if text:
                self._facts[name] = truncate(escape_invalid_utf8(text), MAX_FACT_CHARACTERS)
            else:
                self._facts.pop(name, None)

    def raise_fault(self, code: str, text: str, level: FaultLevel = "fault") -> bool:
        """State that something is wrong; True if it was not known yet."""
        with self._lock:
            known = self._faults.get(code)
            since = known.since_utc_ns if known else self._clock.utc_ns()
            text = truncate(escape_invalid_utf8(text), MAX_FAULT_CHARACTERS)
            self._faults[code] = Fault(code=code, text=text, level=level, since_utc_ns=since)
            return known is None

    def clear_fault(self, code: str) -> bool:
        """State that it is well again; True if it was wrong before."""
        with self._lock:
            return self._faults.pop(code, None) is not None

    def set_ready(self, ready: bool) -> None:
        """Whether the component can do its part of the station's work."""
        with self._lock:
            if ready != self._ready:
                self._ready_changed.set()
            self._ready = ready

    def wait_for_ready_change(self, timeout_s: float) -> None:
        """Wait until the component became ready or ceased to be, else until the time is over."""
        self._ready_changed.wait(timeout_s)
        self._ready_changed.clear()

    def build_report(self) -> StationHealth:
        """The message as things stand."""
        with self._lock:
            return StationHealth(
                station_id=self.station_id,
                component=self.component,
                version=self._version,
                at_utc_ns=self._clock.utc_ns(),
                ready=self._ready and not any(f.startswith(THREAD_FAULT) for f in self._faults),
                counters=dict(self._counters),
                gauges=dict(self._gauges),
                faults=tuple(self._faults.values()),
                facts=dict(self._facts),
            )


class HealthReporter(threading.Thread):
    """Publishes the report each second, and at once who became ready, from a thread of its own.

    So a slow cloud does not delay a part.
    """

    def __init__(
        self,
        bus: MessageBus,
        health: ComponentHealth,
        inbox: Inbox,
        each_second: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="health", daemon=True)
        self._bus = bus
        self._health = health
        self._inbox = inbox
        self._each_second = each_second

    def run(self) -> None:
        """Report until the process ends or the nucleus goes."""
        while True:
            self._health.set_gauge("inbox_depth", self._inbox.depth())
            try:
                self._each_second()
                self.publish_once()
            except NucleusGoneError:
                return
            except Exception as error:
                log.error("health is not published", exc_info=error)
                self._health.count("reports_failed")
            time.sleep(MIN_REPORT_INTERVAL_S)
            self._health.wait_for_ready_change(REPORT_INTERVAL_S - MIN_REPORT_INTERVAL_S)

    def publish_once(self) -> None:
        """Publish the report as things stand; NucleusGoneError."""
        try:
            self._bus.publish(STATION_HEALTH, self._fit_report())
            self._health.clear_fault("cloud-unreachable")
        except TransportError as error:
            if self._health.raise_fault("cloud-unreachable", str(error), "warning"):
                log.warning("IoT Core is away", extra={"error": str(error)})

    def _fit_report(self) -> StationHealth:
        whole = self._health.build_report()
        report = shrink_report(whole)
        if report is whole:
            self._health.clear_fault(REPORT_TOO_LARGE_FAULT)
        elif self._health.raise_fault(REPORT_TOO_LARGE_FAULT, REPORT_SHORTENED, "warning"):
            log.error("health report too large", extra={"faults": len(whole.faults)})
        return report


def shrink_report(report: StationHealth) -> StationHealth:
    """The report, or what of it fits a message."""
    return shrink_to_fit(report, REPORT_CUTS)


def _with_short_faults(report: StationHealth) -> StationHealth:
    short = tuple(
        replace(fault, text=truncate(fault.text, SHORT_FAULT_CHARACTERS)) for fault in report.faults
    )
    return replace(report, faults=short)


def _without_facts(report: StationHealth) -> StationHealth:
    return replace(report, facts={})


def _without_last_fault(report: StationHealth) -> StationHealth:
    return replace(report, faults=report.faults[:-1])


def _without_figures(report: StationHealth) -> StationHealth:
    return replace(report, counters={}, gauges={})


REPORT_CUTS = (_with_short_faults, _without_facts, _without_last_fault, _without_figures)
