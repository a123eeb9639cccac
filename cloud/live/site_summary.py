"""The site's figures: running counts per station, so that reading them is cheap."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from cloud.live.station_figures import Json, StationFigures
from cloud.store.record_store import StoreHistory
from cloud.store.stored_messages import CommitResult, MessageBatch


class SiteSummary:
    """Counts what is committed, per station; safe to read from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._stations: dict[str, StationFigures] = {}
        self._messages: Counter[str] = Counter()

    def restore(self, history: StoreHistory) -> None:
        """Start from the history in a store."""
        for thing, counts in history.counts.items():
            self._find_station(thing).add_counts(counts)
        for stored in history.records:
            self._find_station(stored.thing).add_recent(stored)
        for state in history.states:
            self._find_station(state.thing).add_state(state)
        for health in history.health:
            self._find_station(health.thing).add_health(health)
        self._messages.update(
            duplicates=history.duplicates, refused=history.refused, conflicts=history.conflicts
        )

    def add(self, batch: MessageBatch, committed: CommitResult) -> None:
        """Count a batch that was committed."""
        with self._lock:
            for stored in committed.new:
                self._find_station(stored.thing).add_record(stored)
            for thing, counts in committed.adjustments.items():
                self._find_station(thing).add_counts(counts)
            for state in batch.states:
                self._find_station(state.thing).add_state(state)
            for health in batch.health:
                self._find_station(health.thing).add_health(health)
            self._messages.update(
                duplicates=committed.duplicates,
                refused=len(batch.refusals),
                conflicts=len(committed.conflicts),
            )

    def snapshot(self, now_utc_ns: int, station: str | None = None) -> Json:
        """A station's summary for `/api/summary`; the first station by name if none is given.

        Repeats, conflicts and refused messages are those of the whole site.
        """
        with self._lock:
            stations = sorted(self._stations)
            name = station if station is not None else next(iter(stations), "")
            figures = self._stations.get(name) or StationFigures(self._clock)
        latency = figures.latency()
        with self._lock:
            return {
                **figures.snapshot(now_utc_ns),
                "records": {
                    "received": figures.received,
                    "duplicates": self._messages["duplicates"],
                    "refused": self._messages["refused"],
                    "conflicts": self._messages["conflicts"],
                    "unseen": figures.unseen,
                },
                "latency_ms": latency,
                "station": name,
                "stations": stations,
                "now_utc_ns": now_utc_ns,
            }

    def find_fact(self, station: str | None, component: str, name: str) -> tuple[str, str]:
        """A station (None: the first by name), and a fact that its component stated last, or ""."""
        with self._lock:
            thing = station if station is not None else min(self._stations, default="")
            figures = self._stations.get(thing)
            return thing, figures.find_fact(component, name) if figures is not None else ""

    def _find_station(self, thing: str) -> StationFigures:
        if thing not in self._stations:
            self._stations[thing] = StationFigures(self._clock)
        return self._stations[thing]
