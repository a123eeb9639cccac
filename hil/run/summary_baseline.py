"""Separates this run's counts from those of earlier runs in the cloud side's summary."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.live.percentiles import PercentileWindow

MAX_LATENCY_VALUES = 1_000_000
Json = dict[str, Any]


@dataclass(frozen=True)
class SummaryBaseline:
    """The cloud side's counts at the start of this run."""

    counts: Mapping[str, Mapping[str, int]]
    began_utc_ns: int

    @classmethod
    def from_summary(cls, summary: Json, began_utc_ns: int) -> "SummaryBaseline":
        """Build the baseline from the summary before the first part."""
        names = ("parts", "gate", "records")
        return cls({name: dict(summary[name]) for name in names}, began_utc_ns)

    def subtract_from(self, summary: Json) -> Json:
        """The summary with the counts and health reports of this run only."""
        counted = {
            name: {key: value - before.get(key, 0) for key, value in summary[name].items()}
            for name, before in self.counts.items()
        }
        health = {
            component: told
            for component, told in summary["health"].items()
            if told["at_utc_ns"] > self.began_utc_ns
        }
        return {**summary, **counted, "health": health}


def compute_latencies(records: Iterable[Json]) -> dict[str, dict[str, float | None]]:
    """Percentiles in milliseconds over the inspected parts, and over their images."""
    names = (
        *("trigger_to_verdict", "per_image", "model_only", "overhead"),
        *("capture", "machine_state_age"),
    )
    windows = {name: PercentileWindow(MAX_LATENCY_VALUES) for name in names}
    for record in records:
        timings = record["timings"]
        if record.get("machine") is not None:
            windows["machine_state_age"].add([1000.0 * record["machine"]["ageS"]])
        model_ms, whole_ms = timings["model_ms"], timings["trigger_to_verdict_ms"]
        if model_ms <= 0:
            continue
        windows["model_only"].add([model_ms])
        windows["capture"].add([timings["capture_ms"]])
        windows["per_image"].add(timings["per_image_ms"])
        if whole_ms is not None:
            windows["trigger_to_verdict"].add([whole_ms])
            windows["overhead"].add([whole_ms - model_ms])
    return {name: window.compute_figures() for name, window in windows.items()}
