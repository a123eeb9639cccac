"""Back to what a station ran before."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tools.fleet.deployment_requests import build_repeat_deployment
from tools.fleet.fleet_client import FleetClient, UnknownResourceError, map_concurrently
from tools.fleet.fleet_plan import FAILED_DEPLOYMENT_STATUSES, describe_changes
from tools.fleet.rollout import UNSUCCESSFUL_STATUSES

Json = dict[str, Any]


@dataclass(frozen=True)
class StationRollback:
    """One station: the request that brings it back, or why there is none."""

    station: str
    request: Json | None
    explanation: str
    changes: tuple[str, ...] = ()


def plan_rollbacks(cloud: FleetClient, stations: Iterable[str]) -> list[StationRollback]:
    """For each station, the deployment before the last that came through."""
    return list(map_concurrently(lambda station: _plan_rollback(cloud, station), stations))


def find_earlier_deployment(history: Sequence[Json], failed: Collection[str] = ()) -> Json | None:
    """Of a history, newest first: the last one before the newest that came through and was not undone.

    `failed` has the ids of those that did not come through on the station.
    """
    newest, before = history[0], history[1:]
    undone = _rollback_target(newest)
    passed = not undone
    for entry in before:
        if entry["deploymentId"] == undone:
            passed = True  # what was gone back to: the next step back is before it
            continue
        standing = (
            entry.get("deploymentStatus") not in FAILED_DEPLOYMENT_STATUSES
            and entry["deploymentId"] not in failed
        )
        if passed and standing and not _rollback_target(entry):
            return entry
    return None


def _rollback_target(entry: Json) -> str:
    return str(entry.get("deploymentName") or "").partition(" back to ")[2]


def _plan_rollback(cloud: FleetClient, station: str) -> StationRollback:
    history = cloud.list_deployments(station)
    if not history:
        return StationRollback(station, None, "never had a deployment")
    try:
        said = list(cloud.list_outcomes(station))
    except UnknownResourceError as error:
        return StationRollback(station, None, f"not provisioned ({error})")
    failed = {
        entry["deploymentId"]
        for entry in said
        if entry["coreDeviceExecutionStatus"] in UNSUCCESSFUL_STATUSES
    }
    found = find_earlier_deployment(history, failed)
    if found is None:
        return StationRollback(station, None, "has no earlier deployment that came through")
    content = cloud.get_deployment(found["deploymentId"])
    request = build_repeat_deployment(content, history[0]["deploymentId"])
    now = cloud.get_deployment(history[0]["deploymentId"])
    lines = tuple(describe_changes(now, request))
    return StationRollback(station, request, f"back to {found['deploymentId']}", lines)
