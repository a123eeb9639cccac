"""Each component's budget of CPU, memory, rate and latency; `find_overruns` compares a run with it.

CPU is in seconds of one processor: an amount to start, a share of the run time, and an amount per part.
Memory is the maximum resident size. `rate_hz` is the rate that a component keeps up with: of parts, or
(`handles_parts` False) of its own intervals. Latency is the 99th percentile of a figure of the run's
summary. Above `RATE_HZ` parts per second, rate and latency are not checked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sightline.messaging.topics import CAPTURE, EQUIPMENT, INFERENCE, PUBLISHER, TELEMETRY

RATE_HZ = 5.0
MIN_SHARE_HANDLED = 0.95
SLACK_INTERVALS = 20  # intervals that pass while a station starts
MIN_PARTS_FOR_LATENCY = 20  # with fewer parts the 99th percentile is meaningless
Json = dict[str, Any]


class LatencyBudget(msgspec.Struct, frozen=True):
    """A figure of the summary's `latency_ms`, and its maximum 99th percentile."""

    figure: str
    p99_ms: float


class ComponentBudget(msgspec.Struct, frozen=True, kw_only=True):
    """One component's budget; the sum of its health's `counters` is what it handled."""

    cpu_start_s: float
    cpu_share: float
    cpu_per_part_ms: float
    memory_mib: float
    rate_hz: float
    counters: tuple[str, ...]
    handles_parts: bool = True
    latency: LatencyBudget | None = None


class BudgetOverrun(msgspec.Struct, frozen=True, kw_only=True):
    """One exceeded budget: what was measured and what is allowed (the minimum, for rates)."""

    component: str
    what: str
    found: float
    allowed: float
    unit: str

    def __str__(self) -> str:
        return (
            f"{self.component}: {self.what} {self.found:.4g} {self.unit}, "
            f"allowed {self.allowed:.4g} {self.unit}"
        )


VERDICT_COUNTERS = tuple(
    f"parts_{verdict}" for verdict in ("ok", "defect", "review", "missed", "empty")
)
BUDGETS: dict[str, ComponentBudget] = {
    CAPTURE: ComponentBudget(
        cpu_start_s=1.5,
        cpu_share=0.05,
        cpu_per_part_ms=60.0,  # four JPEGs of 1280 x 720 are decoded, where pictures play the cameras
        memory_mib=200.0,
        rate_hz=RATE_HZ,
        counters=("parts_captured",),
        latency=LatencyBudget("capture", 150.0),
    ),
    INFERENCE: ComponentBudget(
        cpu_start_s=2.0,
        cpu_share=0.05,
        cpu_per_part_ms=80.0,
        memory_mib=320.0,
        rate_hz=RATE_HZ,
        counters=VERDICT_COUNTERS,
        latency=LatencyBudget("per_image", 200.0),
    ),
    EQUIPMENT: ComponentBudget(
        cpu_start_s=2.0,
        cpu_share=0.08,
        cpu_per_part_ms=15.0,
        memory_mib=120.0,
        rate_hz=RATE_HZ,
        counters=("parts_triggered",),
    ),
    TELEMETRY: ComponentBudget(
        cpu_start_s=1.0,
        cpu_share=0.03,
        cpu_per_part_ms=1.0,
        memory_mib=80.0,
        rate_hz=1.0,
        counters=("states_published",),
        handles_parts=False,
        latency=LatencyBudget("machine_state_age", 3000.0),
    ),
    PUBLISHER: ComponentBudget(
        cpu_start_s=1.0,
        cpu_share=0.05,
        cpu_per_part_ms=15.0,
        memory_mib=80.0,
        rate_hz=RATE_HZ,
        counters=("records_committed",),
        latency=LatencyBudget("trigger_to_verdict", 500.0),
    ),
}


class RunMeasurements(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of a run: duration, parts per second offered, and the components' counters."""

    seconds: float
    offered_hz: float
    counters: Mapping[str, Mapping[str, int]]


def find_overruns(
    summary: Mapping[str, Any],
    run: RunMeasurements,
    budgets: Mapping[str, ComponentBudget] = BUDGETS,
) -> list[BudgetOverrun]:
    """Find the exceeded budgets of a run; components that did not run are skipped."""
    found: list[BudgetOverrun] = []
    for component, budget in budgets.items():
        figures = summary["components"].get(component)
        if figures is None:
            continue
        found += _find_resource_overruns(
            component, budget, figures, summary["parts"]["triggered"], run
        )
        if run.offered_hz <= RATE_HZ:
            found += _find_rate_overruns(component, budget, summary["parts"]["triggered"], run)
            found += _find_latency_overruns(component, budget, summary)
    return found


def read_run_measurements(
    cloud: Mapping[str, Any], seconds: float, offered_hz: float
) -> RunMeasurements:
    """Read a run's measurements from the cloud side's summary."""
    counters = {name: told["counters"] for name, told in cloud.get("health", {}).items()}
    return RunMeasurements(seconds=seconds, offered_hz=offered_hz, counters=counters)


def overruns_as_json(found: Sequence[BudgetOverrun]) -> list[Json]:
    """The overruns in the summary's JSON form."""
    return [msgspec.to_builtins(overrun) for overrun in found]


def _find_resource_overruns(
    component: str,
    budget: ComponentBudget,
    figures: Mapping[str, Any],
    parts: int,
    run: RunMeasurements,
) -> list[BudgetOverrun]:
    allowed_s = (
        budget.cpu_start_s
        + budget.cpu_share * run.seconds
        + budget.cpu_per_part_ms * parts / 1000.0
    )
    return [
        *_find_overrun(component, "CPU", figures["cpu_seconds"], allowed_s, "s"),
        *_find_overrun(component, "memory", figures["max_rss_mib"], budget.memory_mib, "MiB"),
    ]


def _find_rate_overruns(
    component: str, budget: ComponentBudget, parts: int, run: RunMeasurements
) -> list[BudgetOverrun]:
    known = run.counters.get(component, {})
    handled = sum(known.get(name, 0) for name in budget.counters)
    offered = parts if budget.handles_parts else budget.rate_hz * run.seconds
    least = MIN_SHARE_HANDLED * offered
    if budget.handles_parts:
        return (
            []
            if handled >= least
            else [_build_overrun(component, "handled", handled, least, "parts")]
        )
    least = max(0.0, least - SLACK_INTERVALS)
    return (
        []
        if handled >= least
        else [_build_overrun(component, "handled", handled, least, "intervals")]
    )


def _find_latency_overruns(
    component: str, budget: ComponentBudget, summary: Mapping[str, Any]
) -> list[BudgetOverrun]:
    latency = budget.latency
    if latency is None or summary["parts"]["triggered"] < MIN_PARTS_FOR_LATENCY:
        return []
    p99 = summary["latency_ms"].get(latency.figure, {}).get("p99")
    if p99 is None:
        return []
    return _find_overrun(
        component, latency.figure.replace("_", " ") + " p99", p99, latency.p99_ms, "ms"
    )


def _find_overrun(
    component: str, what: str, found: float, allowed: float, unit: str
) -> list[BudgetOverrun]:
    return [] if found <= allowed else [_build_overrun(component, what, found, allowed, unit)]


def _build_overrun(
    component: str, what: str, found: float, allowed: float, unit: str
) -> BudgetOverrun:
    return BudgetOverrun(component=component, what=what, found=found, allowed=allowed, unit=unit)
