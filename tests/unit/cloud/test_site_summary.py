"""The figures agree with the records, whatever comes twice, late or without timings."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.live.percentiles import PercentileFigures, PercentileWindow, Throttle
from cloud.live.site_summary import SiteSummary
from cloud.live.station_figures import Json
from cloud.store.stored_messages import (
    CommitResult,
    MessageBatch,
    StoredHealth,
    StoredRecord,
    StoredState,
)
from sightline.messaging.messages import InspectionRecord, StageTimings
from tests.cloud.example_records import THING, defect, health, machine_state, record, timings

SECOND_NS = 1_000_000_000


def stored(record: InspectionRecord, received_utc_ns: int = 0) -> StoredRecord:
    return StoredRecord(THING, received_utc_ns, record, "{}")


def summary_of(*records: InspectionRecord, duplicates: int = 0) -> Json:
    summary = SiteSummary()
    summary.add(MessageBatch(), CommitResult(tuple(stored(each) for each in records), duplicates))
    return summary.snapshot(0)


def test_parts_and_gate_outcomes_are_counted() -> None:
    missed = record(3, verdict="missed", gate="unconfirmed", timings=StageTimings())
    found = summary_of(record(1), defect(2), missed, record(4, verdict="empty"), duplicates=2)
    assert found["parts"] == {"ok": 1, "defect": 1, "review": 0, "missed": 1, "empty": 1}
    assert found["gate"] == {"passed": 2, "rejected": 1, "unconfirmed": 1}
    assert found["records"] == {
        "received": 4,
        "duplicates": 2,
        "refused": 0,
        "conflicts": 0,
        "unseen": 0,
    }


def test_challenges_and_maintenance_stand_apart_and_every_part_is_counted_once() -> None:
    found = summary_of(
        record(1),
        defect(2, challenge="scratch", challengeResult="found"),
        record(3, challenge="scratch", challengeResult="passed"),
        record(4, verdict="missed", challenge="scratch", timings=StageTimings()),
        defect(5, mode="maintenance"),
        defect(6, mode="bypass"),
    )
    assert found["parts"] == {"ok": 2, "defect": 3, "review": 0, "missed": 1, "empty": 0}
    assert found["production"] == {"ok": 1, "defect": 1, "review": 0, "missed": 0, "empty": 0}
    assert found["apart"] == {
        "challenge": {"found": 1, "passed": 1, "undecided": 1},
        "maintenance": 1,
    }
    apart = sum(found["apart"]["challenge"].values()) + found["apart"]["maintenance"]
    assert sum(found["production"].values()) + apart == sum(found["parts"].values())


def test_without_a_part_the_latencies_are_null_and_everything_is_there() -> None:
    found = summary_of()
    assert found["latency_ms"] == {
        name: {"p50": None, "p95": None, "p99": None, "max": None}
        for name in ("trigger_to_verdict", "per_image", "model_only", "overhead")
    }
    assert (found["health"], found["machine"], found["rate_hz"]) == ({}, {}, 0.0)


def test_overhead_is_trigger_to_verdict_without_the_models_of_the_same_part() -> None:
    found = summary_of(record(1, timings=timings(100, 107)), record(2, timings=timings(80, 89)))
    assert found["latency_ms"]["overhead"]["p50"] == pytest.approx(8.0)
    assert found["latency_ms"]["overhead"]["max"] == pytest.approx(9.0)
    assert found["latency_ms"]["model_only"]["p50"] == pytest.approx(90.0)
    assert found["latency_ms"]["per_image"]["max"] == pytest.approx(23.0)


def test_parts_that_no_model_judged_do_not_count_as_fast() -> None:
    missed = record(2, verdict="missed", timings=timings(0.0, 1.0))
    found = summary_of(record(1, timings=timings(100, 110)), missed)
    assert found["latency_ms"]["trigger_to_verdict"]["p50"] == pytest.approx(110.0)
    assert found["latency_ms"]["model_only"]["p50"] == pytest.approx(100.0)


def test_a_part_judged_after_a_restart_has_model_time_but_no_latency() -> None:
    found = summary_of(record(1, timings=timings(100, None)))
    assert found["latency_ms"]["trigger_to_verdict"]["p50"] is None
    assert found["latency_ms"]["overhead"]["p50"] is None
    assert found["latency_ms"]["model_only"]["p50"] == pytest.approx(100.0)


def test_health_machine_and_versions_are_the_newest_by_their_own_clock() -> None:
    summary = SiteSummary()
    newest = health("com.sightline.Capture", 9, fault="camera 2 gives no frame")
    batch = MessageBatch(
        states=[StoredState(THING, machine_state(at), "") for at in (9, 4)],
        health=[StoredHealth(THING, each, "") for each in (newest, health(newest.component, 3))],
    )
    summary.add(batch, CommitResult((stored(record(1)),), 0))
    found = summary.snapshot(0)
    entry = found["health"]["com.sightline.Capture"]
    assert (entry["at_utc_ns"], entry["ready"], entry["version"]) == (9, True, "0.1.0")
    assert entry["faults"][0]["text"] == "camera 2 gives no frame"
    assert found["machine"]["conveyor-1"]["state_utc_ns"] == 9
    assert found["versions"]["com.sightline.Capture"] == "0.1.0"
    assert found["versions"]["models"] == {"surface": "ab" * 32, "cap": "cd" * 32}
    assert found["versions"]["policy"] == "bottle-3"


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    summary = SiteSummary()
    parts = tuple(stored(record(n), n * SECOND_NS // 5) for n in range(500))
    summary.add(MessageBatch(), CommitResult(parts, 0))
    assert summary.snapshot(100 * SECOND_NS)["rate_hz"] == pytest.approx(5.0, rel=0.02)
    assert summary.snapshot(200 * SECOND_NS)["rate_hz"] == 0.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 50))
def test_a_window_holds_the_last_values_and_the_maximum_of_all(
    values: list[float], greatest: int
) -> None:
    window = PercentileWindow(greatest)
    window.add(values)
    figures = window.compute_figures()
    assert figures["p50"] == pytest.approx(statistics.median(values[-greatest:]), abs=2e-3)
    assert figures["max"] == pytest.approx(max(values), abs=2e-3)


def test_percentiles_are_computed_at_most_once_an_interval() -> None:
    now, computed = [0.0], []

    def compute() -> dict[str, PercentileFigures]:
        computed.append(now[0])
        return {}

    value = Throttle(1.0, compute, lambda: now[0])
    for now[0] in (0.0, 0.4, 0.9, 1.0, 1.5, 2.5):
        value.get()
    assert computed == [0.0, 1.0, 2.5]


def test_two_stations_are_counted_and_shown_apart() -> None:
    summary = SiteSummary()
    name = "com.sightline.Capture"
    batch = MessageBatch(health=[StoredHealth(f"station-{n}", health(name, n), "") for n in (1, 2)])
    parts = (stored(record(1)), StoredRecord("station-2", 0, defect(2), "{}"))
    summary.add(batch, CommitResult(parts, 0))
    ones = [summary.snapshot(0, station) for station in ("station-1", "station-2")]
    assert [(one["parts"]["ok"], one["parts"]["defect"]) for one in ones] == [(1, 0), (0, 1)]
    assert [one["health"][name]["at_utc_ns"] for one in ones] == [1, 2]
    assert [one["stations"] for one in ones] == [["station-1", "station-2"]] * 2
