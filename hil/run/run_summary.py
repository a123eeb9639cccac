"""Builds a run's summary and checks that every part is accounted for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hil.run.camera_pictures import PoolTruth
from hil.run.component_status import describe_broken_component
from hil.run.summary_baseline import compute_latencies

VERDICTS = ("ok", "defect", "review", "missed", "empty")
Json = dict[str, Any]


def build_run_summary(
    plant: Mapping[str, Any],
    cloud: Mapping[str, Any],
    components: Mapping[str, Any],
    truth: PoolTruth | None,
    records: Sequence[Json],
    first_number: int = 1,
) -> Json:
    """Build the summary for `.station/summary.json`; defects are None without `truth`.

    Records of an earlier, aborted run are counted separately.
    """
    carried = find_carried_over(records, first_number)
    earlier = {record["recordId"] for record in carried}
    records = [record for record in records if record["recordId"] not in earlier]
    verdicts = {int(record["partNumber"]): str(record["verdict"]) for record in records}
    of_earlier = Counter(str(record["verdict"]) for record in carried)
    judged = {
        verdict: int(cloud["parts"].get(verdict, 0)) - of_earlier[verdict] for verdict in VERDICTS
    }
    triggered = int(plant["counted"])
    unconfirmed = sum(record["gate"] == "unconfirmed" for record in carried)
    return {
        "parts": {
            "triggered": triggered,
            **judged,
            "in_flight": triggered - sum(judged.values()),
        },
        "gate": {
            "passed": int(plant["passed"]),
            "rejected": int(plant["rejected"]),
            "unconfirmed": int(cloud["gate"].get("unconfirmed", 0)) - unconfirmed,
        },
        "records": {
            "sent": count_records_sent(cloud),
            "received": int(cloud["records"]["received"]) - len(carried),
            "duplicates": int(cloud["records"]["duplicates"]),
        },
        "records_of_earlier_runs": len(carried),
        "latency_ms": compute_latencies(records),
        "defects": None if truth is None else compare_with_truth(truth, verdicts),
        "components": dict(components),
        "versions": cloud["versions"],
    }


def find_carried_over(records: Sequence[Json], first_number: int) -> list[Json]:
    """The records of parts counted by an earlier run; this run's count starts at `first_number`.

    A count that restarts in this run has a later epoch.
    """
    epochs = [record["epoch"] for record in records if record["partNumber"] >= first_number]
    if not epochs:
        return []
    begins = (min(epochs), first_number)
    return [record for record in records if (record["epoch"], record["partNumber"]) < begins]


def compare_with_truth(truth: PoolTruth, verdicts: Mapping[int, str]) -> dict[str, int]:
    """Planted: parts with a visible defect; escaped: planted parts that passed as ok or empty.

    Overkill: good parts rejected as defects. Reviewed: parts for a person to review.
    """
    counts = {"planted": 0, "escaped": 0, "overkill": 0, "reviewed": 0}
    for number, verdict in verdicts.items():
        part = truth.truth_for(number)
        counts["planted"] += part.visible
        counts["escaped"] += part.visible and verdict in ("ok", "empty")
        counts["overkill"] += part.expected_verdict == "ok" and verdict == "defect"
        counts["reviewed"] += verdict == "review"
    return counts


def find_run_problems(summary: Mapping[str, Any]) -> list[str]:
    """Why the run failed; empty if every part is accounted for."""
    found = []
    if summary["parts"]["in_flight"]:
        found.append(f"parts not accounted for: {summary['parts']['in_flight']}")
    if summary["records"]["received"] != summary["parts"]["triggered"]:
        found.append(
            f"received {summary['records']['received']} records for {summary['parts']['triggered']} parts"
        )
    for name, component in summary["components"].items():
        if component["restarts"]:
            found.append(f"{name}: restarts during the run: {component['restarts']}")
        words = describe_broken_component(name, component)
        if words:
            found.append(words)
    return found


def write_run_summary(summary: Mapping[str, Any], path: Path) -> None:
    """Write the summary as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")


def count_records_sent(cloud: Mapping[str, Any]) -> int:
    """Records sent, from the publisher's health counters."""
    health = cloud.get("health", {}).get("com.sightline.Publisher", {})
    return int(health.get("counters", {}).get("records_sent", 0))
