"""Budgets: each component has one, and a run that takes more is told by component and figure."""

from typing import Any

import pytest

from hil.run.budgets import BUDGETS, RunMeasurements, find_overruns, overruns_as_json
from sightline.messaging.topics import (
    CAPTURE,
    COMPONENTS,
    EQUIPMENT,
    INFERENCE,
    PUBLISHER,
    TELEMETRY,
)

PARTS = 100


def summary(**changes: Any) -> dict[str, Any]:
    """A run within all budgets, but for the changes."""
    return {
        "parts": {"triggered": PARTS},
        "components": {
            name: {"cpu_seconds": 1.0, "max_rss_mib": 40.0, **changes.get(name, {})}
            for name in COMPONENTS
        },
        "latency_ms": {
            "per_image": {"p99": changes.get("per_image", 30.0)},
            "trigger_to_verdict": {"p99": 60.0},
            "machine_state_age": {"p99": None},
        },
    }


def run(offered_hz: float = 5.0, **counters: int) -> RunMeasurements:
    """A minute in which each component handled all parts, but for the changes."""
    handled = {
        CAPTURE: {"parts_captured": PARTS},
        INFERENCE: {"parts_ok": PARTS - 10, "parts_defect": 10},
        EQUIPMENT: {"parts_triggered": PARTS},
        TELEMETRY: {"states_published": 60},
        PUBLISHER: {"records_committed": PARTS},
    }
    return RunMeasurements(
        seconds=60.0,
        offered_hz=offered_hz,
        counters={
            name: {key: counters.get(key, value) for key, value in told.items()}
            for name, told in handled.items()
        },
    )


def test_every_component_of_the_catalogue_has_a_budget() -> None:
    assert set(BUDGETS) == set(COMPONENTS)


def test_a_run_within_its_budgets_has_nothing_to_tell() -> None:
    assert find_overruns(summary(), run()) == []


@pytest.mark.parametrize(
    ("changes", "counters", "word"),
    [
        ({CAPTURE: {"cpu_seconds": 60.0}}, {}, "com.sightline.Capture: CPU 60 s, allowed 10.5 s"),
        ({PUBLISHER: {"max_rss_mib": 900.0}}, {}, "com.sightline.Publisher: memory 900 MiB"),
        ({"per_image": 201.0}, {}, "com.sightline.Inference: per image p99 201 ms, allowed 200 ms"),
        ({}, {"parts_captured": 90}, "com.sightline.Capture: handled 90 parts, allowed 95 parts"),
        ({}, {"parts_ok": 0}, "com.sightline.Inference: handled 10 parts"),
        (
            {},
            {"states_published": 5},
            "com.sightline.Telemetry: handled 5 intervals, allowed 37 intervals",
        ),
    ],
)
def test_what_takes_more_or_handles_less_is_named_with_both_figures(
    changes: dict[str, Any], counters: dict[str, int], word: str
) -> None:
    (found,) = find_overruns(summary(**changes), run(**counters))
    assert str(found).startswith(word)
    assert overruns_as_json([found])[0]["component"] == found.component


def test_a_rate_above_the_budgets_is_held_to_cpu_and_memory_only() -> None:
    slow = summary(per_image=900.0)
    assert find_overruns(slow, run(offered_hz=5.1, parts_captured=3)) == []
    assert find_overruns(slow, run(offered_hz=5.0)) != []


def test_components_that_did_not_run_are_left_out() -> None:
    given = summary()
    del given["components"][TELEMETRY]
    assert find_overruns(given, run(states_published=0)) == []
