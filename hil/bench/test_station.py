"""Tests the whole station: verdicts in time, gate, runtime, temperature."""

import importlib.util

import pytest

from hil.bench.bench_description import BenchDescription
from hil.bench.station_under_test import BenchRunResult, BenchStation
from sightline.messaging.topics import INFERENCE


def test_every_part_has_one_verdict_one_record_and_what_the_gate_did(
    bench: BenchDescription, outcome: BenchRunResult
) -> None:
    numbers = sorted(record["partNumber"] for record in outcome.records)
    assert len(numbers) == len(set(numbers)) == bench.expected.fed_parts
    for record in outcome.records:
        assert record["verdict"] != "missed", record["reason"]
        assert (record["gate"] == "passed") == (record["verdict"] == "ok"), record


def test_verdicts_come_in_time(bench: BenchDescription, outcome: BenchRunResult) -> None:
    greatest_ms = bench.expected.trigger_to_verdict_p99_ms
    if greatest_ms is None:
        pytest.skip("the bench has no expected latency (meaningless with virtual cameras)")
    p99_ms = outcome.p99_ms("trigger_to_verdict")
    assert p99_ms is not None
    assert p99_ms <= greatest_ms


def test_tensorrt_serves_the_models_after_their_golden_frames(
    bench: BenchDescription, station: BenchStation, outcome: BenchRunResult
) -> None:
    if bench.gpu is None:
        pytest.skip("the bench has no GPU")
    module = bench.gpu.runtime.replace("-", "_")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed here")
    told = station.health(INFERENCE)
    assert told["ready"]  # a model is served only after its golden frames came out as they must
    assert told["faults"] == []
    assert all(record["models"] for record in outcome.records)


def test_the_plc_on_the_bench_confirms_every_part(
    bench: BenchDescription, outcome: BenchRunResult
) -> None:
    if bench.plc is None:
        pytest.skip("the bench has no real PLC; the simulated one confirmed every part")
    assert [record["gate"] for record in outcome.records].count("unconfirmed") == 0


def test_it_keeps_cool_through_the_soak(
    bench: BenchDescription, station: BenchStation, outcome: BenchRunResult
) -> None:
    if bench.expected.soak_s is None:
        pytest.skip("the bench has no soak configured")
    greatest = station.thermal.max_reading("celsius")
    if greatest is None:
        pytest.skip("this machine reports no temperatures")
    assert greatest <= bench.expected.max_celsius
    assert len(station.thermal.rows) >= bench.expected.soak_s * 0.9
    assert len(outcome.records) == bench.expected.fed_parts
