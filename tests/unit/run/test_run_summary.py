"""What a run comes to, from what the plant and the cloud side say."""

from typing import Any

import pytest

from hil.run.camera_pictures import PartTruth, PoolTruth
from hil.run.run_summary import build_run_summary, compare_with_truth, find_run_problems
from hil.run.terminal_progress import format_run_summary, format_state_line

LATENCY = {"p50": 10.0, "p95": 12.0, "p99": 13.0, "max": 14.0}


def cloud(**parts: int) -> dict[str, Any]:
    """The cloud side's summary of some parts."""
    count = sum(parts.values())
    return {
        "parts": parts,
        "gate": {"passed": 0, "rejected": 0, "unconfirmed": 0},
        "records": {"received": count, "duplicates": 0},
        "latency_ms": {"trigger_to_verdict": LATENCY, "per_image": LATENCY, "model_only": LATENCY},
        "health": {"com.sightline.Publisher": {"counters": {"records_sent": count}}},
        "versions": {"sightline": "0.1.0"},
    }


def component(**changes: Any) -> dict[str, Any]:
    """The nucleus's figures of one component."""
    return {"restarts": 0, "cpu_seconds": 1.0, "max_rss_mib": 30.0, "state": "RUNNING", **changes}


PLANT = {"counted": 4, "passed": 3, "rejected": 1}


def test_a_run_whose_parts_all_have_records_has_no_complaints() -> None:
    summary = build_run_summary(PLANT, cloud(ok=3, defect=1), {"A": component()}, None, [])
    assert find_run_problems(summary) == []
    assert summary["parts"] == {
        "triggered": 4,
        "ok": 3,
        "defect": 1,
        "review": 0,
        "missed": 0,
        "empty": 0,
        "in_flight": 0,
    }
    assert summary["records"] == {"sent": 4, "received": 4, "duplicates": 0}
    assert summary["defects"] is None
    assert "triggered 4" in format_run_summary(summary)


@pytest.mark.parametrize(
    ("plant", "records", "a_component", "word"),
    [
        ({**PLANT, "counted": 5}, cloud(ok=4), component(), "parts not accounted for: 1"),
        (PLANT, cloud(ok=4), component(restarts=2), "A: restarts during the run: 2"),
        (PLANT, cloud(ok=4), component(state="BROKEN"), "A is BROKEN"),
        ({**PLANT, "counted": 3}, cloud(ok=4), component(), "received 4 records for 3 parts"),
    ],
)
def test_whatever_is_not_accounted_for_is_named(
    plant: dict[str, Any], records: dict[str, Any], a_component: dict[str, Any], word: str
) -> None:
    summary = build_run_summary(plant, records, {"A": a_component}, None, [])
    assert any(word in complaint for complaint in find_run_problems(summary))


def record(epoch: int, number: int, verdict: str, gate: str = "rejected") -> dict[str, Any]:
    return {
        "recordId": f"laptop-{epoch}-{number}",
        "epoch": epoch,
        "partNumber": number,
        "verdict": verdict,
        "gate": gate,
        "timings": {"model_ms": 0.0, "trigger_to_verdict_ms": None},
    }


def test_what_an_earlier_run_had_not_sent_is_told_apart() -> None:
    """The run before was cut off at part 28; this one counts 29 to 32, the last after a new count."""
    earlier = [record(7, 27, "defect"), record(7, 28, "missed", "unconfirmed")]
    own = [record(7, 29, "ok"), record(7, 30, "ok"), record(7, 31, "ok"), record(8, 1, "defect")]
    told = cloud(ok=3, defect=2, missed=1)
    told["gate"]["unconfirmed"] = 1
    summary = build_run_summary(PLANT, told, {}, None, [*own, *earlier], first_number=29)
    assert find_run_problems(summary) == []
    assert summary["records_of_earlier_runs"] == 2
    assert summary["records"]["received"] == 4
    assert summary["parts"]["missed"] == summary["gate"]["unconfirmed"] == 0
    lacking = build_run_summary(PLANT, told, {}, None, [*own[1:], *earlier], first_number=29)
    assert lacking["records_of_earlier_runs"] == 2


def test_defects_are_counted_against_the_truth_and_the_pool_begins_again() -> None:
    truth = PoolTruth(
        [
            PartTruth("ok", False),
            PartTruth("defect", True),
            PartTruth("defect", False),
            PartTruth("empty", False),
        ]
    )
    verdicts = {1: "defect", 2: "ok", 3: "ok", 4: "empty", 5: "review", 6: "defect", 10: "missed"}
    assert compare_with_truth(truth, verdicts) == {
        "planted": 3,
        "escaped": 1,
        "overkill": 1,
        "reviewed": 1,
    }


def test_the_line_in_the_terminal_says_parts_verdicts_rate_and_latency() -> None:
    line = format_state_line({"counted": 10}, cloud(ok=8, missed=1), 5.0)
    assert line.startswith("10 parts | ok 8 defect 0 review 0 missed 1 empty 0 | 2.0/s")
    assert line.endswith("10 ms")
