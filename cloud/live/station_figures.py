"""One station in figures."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import msgspec

from cloud.live.percentiles import PercentileFigures, PercentileWindow, Throttle
from cloud.store.record_counts import MAINTENANCE, RECEIVED, UNSEEN, list_count_names
from cloud.store.station_clocks import find_reported_ns, is_newer
from cloud.store.stored_messages import StoredHealth, StoredRecord, StoredState
from sightline import __version__
from sightline.messaging.messages import (
    ChallengeResult,
    GateOutcome,
    InspectionRecord,
    StageTimings,
    Verdict,
)
from sightline.messaging.state_pages import add_page

MAX_EXACT_PARTS = 100_000
IMAGES_A_PART = 8
MAX_LATENCY_MS = 86_400_000.0
RATE_WINDOW_NS = 30_000_000_000
PERCENTILES_INTERVAL_S = 1.0
CHALLENGE_RESULTS = tuple(result for result in get_args(ChallengeResult) if result)
HEALTH_FIELDS_SHOWN = ("ready", "counters", "gauges", "faults", "facts", "version", "station_id")
Json = dict[str, Any]


def collect_latencies(timings: StageTimings) -> dict[str, tuple[float, ...]]:
    """A part's value for each latency series, in ms; none if no model ran or the figures are implausible."""
    if not 0 < timings.model_ms <= MAX_LATENCY_MS:
        return {}
    whole = timings.trigger_to_verdict_ms
    if whole is not None and not 0 <= whole <= MAX_LATENCY_MS:
        whole = None
    return {
        "trigger_to_verdict": () if whole is None else (whole,),
        "per_image": tuple(each for each in timings.per_image_ms if 0 <= each <= MAX_LATENCY_MS),
        "model_only": (timings.model_ms,),
        "overhead": () if whole is None else (whole - timings.model_ms,),
    }


class StationFigures:
    """A station's output and status; one thread at a time, except `latency`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._counts: Counter[str] = Counter()
        self._recent: deque[int] = deque()
        self._models: dict[str, str] = {}
        self._policy = ""
        self._health: dict[str, StoredHealth] = {}
        self._machine: dict[str, StoredState] = {}
        self._windows = {
            "trigger_to_verdict": PercentileWindow(MAX_EXACT_PARTS),
            "per_image": PercentileWindow(MAX_EXACT_PARTS * IMAGES_A_PART),
            "model_only": PercentileWindow(MAX_EXACT_PARTS),
            "overhead": PercentileWindow(MAX_EXACT_PARTS),
        }
        self._latency = Throttle(PERCENTILES_INTERVAL_S, self._compute_percentiles, clock)

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add counts: earlier ones, or changes from gap records and gate corrections."""
        self._counts.update(counts)

    def add_record(self, stored: StoredRecord) -> None:
        """Count a part."""
        self._counts.update(list_count_names(stored))
        self.add_recent(stored)

    def add_recent(self, stored: StoredRecord) -> None:
        """Use a part for rate, versions and percentiles, but not for the counts."""
        self._recent.append(stored.received_utc_ns)
        _drop_before(self._recent, stored.received_utc_ns - RATE_WINDOW_NS)
        self._note_versions(stored.record)
        for name, values in collect_latencies(stored.record.timings).items():
            self._windows[name].add(values)

    def add_state(self, stored: StoredState) -> None:
        """Add a machine's state; the newest is kept, a further page joins the pages before it."""
        name, new_ns = stored.state.equipment_id, stored.state.state_utc_ns
        known = self._machine.get(name)
        whole = add_page(known.state if known else None, stored.state)
        if whole is not stored.state:
            self._machine[name] = replace(stored, state=whole)
        elif known is None or is_newer(known.state.state_utc_ns, new_ns, stored.received_utc_ns):
            self._machine[name] = stored

    def add_health(self, stored: StoredHealth) -> None:
        """Add a component's health; the newest is kept."""
        name, new_ns = stored.health.component, stored.health.at_utc_ns
        known = self._health.get(name)
        if known is None or is_newer(known.health.at_utc_ns, new_ns, stored.received_utc_ns):
            self._health[name] = stored

    def find_fact(self, component: str, name: str) -> str:
        """A fact that a component stated last; empty if it did not."""
        stored = self._health.get(component)
        return stored.health.facts.get(name, "") if stored is not None else ""

    @property
    def received(self) -> int:
        """The number of stored records."""
        return self._counts[RECEIVED]

    @property
    def unseen(self) -> int:
        """The number of parts in gap records."""
        return self._counts[UNSEEN]

    def latency(self) -> dict[str, PercentileFigures]:
        """Percentiles of each series, at most one second old."""
        return self._latency.get()

    def snapshot(self, now_utc_ns: int) -> Json:
        """The station's summary without the percentiles."""
        return {
            "parts": self._counts_by_name("parts", get_args(Verdict)),
            "production": self._counts_by_name("production", get_args(Verdict)),
            "apart": {
                "challenge": self._counts_by_name("challenge", CHALLENGE_RESULTS),
                "maintenance": self._counts[MAINTENANCE],
            },
            "gate": self._counts_by_name("gate", get_args(GateOutcome)),
            "rate_hz": self._rate_hz(now_utc_ns),
            "health": {name: build_health_json(stored) for name, stored in self._health.items()},
            "machine": {name: build_machine_json(stored) for name, stored in self._machine.items()},
            "versions": self._build_versions_json(),
        }

    def _counts_by_name(self, kind: str, names: tuple[str, ...]) -> dict[str, int]:
        return {name: self._counts[f"{kind}/{name}"] for name in names}

    def _note_versions(self, record: InspectionRecord) -> None:
        if record.models:
            self._models = {model.name: model.digest for model in record.models}
        self._policy = record.policyVersion or self._policy

    def _rate_hz(self, now_utc_ns: int) -> float:
        """Parts per second over the last 30 s, or since the first part within them."""
        _drop_before(self._recent, now_utc_ns - RATE_WINDOW_NS)
        if len(self._recent) < 2:
            return 0.0
        elapsed_ns = max(now_utc_ns - self._recent[0], 1_000_000_000)
        return round(len(self._recent) * 1e9 / elapsed_ns, 2)

    def _build_versions_json(self) -> Json:
        components = {name: stored.health.version for name, stored in self._health.items()}
        return {
            "sightline": __version__,
            **components,
            "models": dict(self._models),
            "policy": self._policy,
        }

    def _compute_percentiles(self) -> dict[str, PercentileFigures]:
        return {name: window.compute_figures() for name, window in self._windows.items()}


def build_health_json(stored: StoredHealth) -> Json:
    """A component's health as the page reads it."""
    content: Json = msgspec.to_builtins(stored.health)
    at_utc_ns = find_reported_ns(stored.health.at_utc_ns, stored.received_utc_ns)
    return {**{name: content[name] for name in HEALTH_FIELDS_SHOWN}, "at_utc_ns": at_utc_ns}


def build_machine_json(stored: StoredState) -> Json:
    """A machine's state as the page reads it."""
    content: Json = msgspec.to_builtins(stored.state)
    return {
        **content,
        "state_utc_ns": find_reported_ns(stored.state.state_utc_ns, stored.received_utc_ns),
    }


def _drop_before(times_ns: deque[int], oldest_ns: int) -> None:
    while times_ns and times_ns[0] < oldest_ns:
        times_ns.popleft()
