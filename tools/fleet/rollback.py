"""Rolls stations back to an earlier deployment."""

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
    """The rollback of one station: the request, or why there is none."""

    station: str
    request: Json | None
    explanation: str
    changes: tuple[str, ...] = ()


def plan_rollbacks(cloud: FleetClient, stations: Iterable[str]) -> list[StationRollback]:
    """Plan each station's rollback to the last successful deployment before the current one."""
    return list(map_concurrently(lambda station: _plan_rollback(cloud, station), stations))


def find_earlier_deployment(history: Sequence[Json], failed: Collection[str] = ()) -> Json | None:
    """The last successful deployment before the newest, not rolled back; history is newest first.

    `failed` has the ids of deployments that failed on the station.
    """
    newest, before = history[0], history[1:]
    undone = _rollback_target(newest)
    passed = not undone
    for entry in before:
        if entry["deploymentId"] == undone:
            passed = True  # the rollback's target: the next one back is before it
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
        return StationRollback(station, None, "cannot roll back: no deployments")
    try:
        said = list(cloud.list_outcomes(station))
    except UnknownResourceError as error:
        return StationRollback(station, None, f"cannot roll back: not provisioned ({error})")
    failed = {
        entry["deploymentId"]
        for entry in said
        if entry["coreDeviceExecutionStatus"] in UNSUCCESSFUL_STATUSES
    }
    found = find_earlier_deployment(history, failed)
    if found is None:
        return StationRollback(station, None, "cannot roll back: no earlier successful deployment")
    content = cloud.get_deployment(found["deploymentId"])
    request = build_repeat_deployment(content, history[0]["deploymentId"])
    now = cloud.get_deployment(history[0]["deploymentId"])
    lines = tuple(describe_changes(now, request))
    return StationRollback(station, request, f"roll back to {found['deploymentId']}", lines)
