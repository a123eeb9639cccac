"""Plans the way back: each group gets an earlier deployment of its own again, versions and settings together.

Without `--to` the newest roll-out is undone: groups that had a part in it go one step back, the others
stay. Done again, it goes a further step. Deployments that failed, or were canceled, are passed over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightline.errors import RecipeError
from tools.fleet.change_description import (
    describe_changes,
    describe_settings_changes,
    find_settings_pin,
)
from tools.fleet.deployment_file import DeploymentFile
from tools.fleet.deployment_requests import (
    BACK_TO,
    DeploymentRecord,
    build_group_rollback,
    parse_digest,
    parse_rollout,
)
from tools.fleet.fleet_client import FleetClient
from tools.fleet.fleet_plan import (
    FAILED_DEPLOYMENT_STATUSES,
    FleetPlan,
    GroupPlan,
    WavePlan,
    format_names,
)
from tools.fleet.fleet_survey import FleetSurvey, survey_fleet
from tools.fleet.rollout_groups import DesiredGroup, build_group_waves
from tools.fleet.service_calls import map_concurrently
from tools.fleet.settings_version import read_settings

Json = dict[str, Any]
MAX_SHOWN_TARGETS = 8


@dataclass(frozen=True)
class GroupHistory:
    """A group's deployments, newest first, and where it stands: the target if the newest is a rollback."""

    group: DesiredGroup
    deployments: Sequence[Json]

    @property
    def standing(self) -> Json | None:
        """The forward deployment that is in force; None if there is none."""
        if not self.deployments:
            return None
        target = rollback_target(self.deployments[0])
        found = (entry for entry in self.deployments if entry["deploymentId"] == target)
        return next(found, self.deployments[0])

    @property
    def began_utc_s(self) -> float:
        """When the deployment in force was first sent; 0 if there is none."""
        return self.standing["creationTimestamp"].timestamp() if self.standing else 0.0

    @property
    def rollout(self) -> str:
        """The roll-out of the deployment in force."""
        return parse_rollout(self.standing.get("deploymentName")) if self.standing else ""

    @property
    def earlier(self) -> list[Json]:
        """Forward deployments before the one in force, newest first."""
        if self.standing is None:
            return []
        ids = [entry["deploymentId"] for entry in self.deployments]
        after = ids.index(self.standing["deploymentId"]) + 1
        return [entry for entry in self.deployments[after:] if not rollback_target(entry)]


def plan_rollback(
    file: DeploymentFile,
    sites: Sequence[str],
    target: str,
    cloud: FleetClient,
    record: DeploymentRecord,
) -> FleetPlan:
    """The plan that takes the groups of the chosen sites back, canaries first."""
    waves = build_group_waves(file)
    survey = survey_fleet(file.thing_group, waves, cloud)
    chosen = [wave for wave in waves if not sites or wave.site in sites]
    groups = [group for wave in chosen for group in wave.groups]
    lists = map_concurrently(lambda group: cloud.list_deployments(group.name), groups)
    histories = [GroupHistory(g, found) for g, found in zip(groups, lists, strict=True)]
    targets = _choose_targets(histories, target, cloud)
    refused: list[str] = []
    plans = {
        history.group.name: _plan_group(
            history, targets.get(history.group.name), survey, cloud, record, refused
        )
        for history in histories
    }
    return FleetPlan(
        file.thing_group,
        tuple(WavePlan(wave, tuple(plans[group.name] for group in wave.groups)) for wave in chosen),
        None,
        refused=tuple(refused),
    )


def rollback_target(entry: Mapping[str, Any]) -> str:
    """The deployment that a rollback went back to; empty for a forward deployment."""
    return str(entry.get("deploymentName") or "").partition(BACK_TO)[2]


def _choose_targets(
    histories: Sequence[GroupHistory], target: str, cloud: FleetClient
) -> dict[str, Json]:
    if target:
        return _find_named(histories, target)
    newest = max(histories, key=lambda history: history.began_utc_s)
    if newest.standing is None:
        raise RecipeError("no deployments: none of these thing groups has one")
    undone = [h for h in histories if h.standing and h.rollout == newest.rollout]
    answers = map_concurrently(lambda history: _find_last_good(history, cloud), undone)
    found = {h.group.name: entry for h, entry in zip(undone, answers, strict=True) if entry}
    if not found:
        raise RecipeError(
            "no earlier successful deployment: the newest roll-out is the first of these thing groups"
        )
    return found


def _find_last_good(history: GroupHistory, cloud: FleetClient) -> Json | None:
    """The newest earlier deployment that succeeded on stations and did not fail on too many."""
    rollout = history.group.rollout
    for entry in history.earlier:
        if entry.get("deploymentStatus") in FAILED_DEPLOYMENT_STATUSES:
            continue
        job = cloud.get_deployment(entry["deploymentId"]).get("iotJobId")
        counts = cloud.things.count_executions(job) if job else {}
        good = counts.get("Succeeded", 0)
        bad = sum(counts.get(kind, 0) for kind in ("Failed", "Rejected", "TimedOut"))
        allowed = 0.0 if history.group.canary else rollout.stop_at_failed_share
        if good and bad <= allowed * (good + bad):
            return entry
    return None


def _find_named(histories: Sequence[GroupHistory], target: str) -> dict[str, Json]:
    """The deployment of each group that `--to` names by id, name, digest or roll-out."""
    found, known = {}, []
    for history in histories:
        for entry in history.earlier:
            known.append(parse_rollout(entry.get("deploymentName")) or str(entry["deploymentId"]))
            if history.group.name not in found and target in _list_names(entry):
                found[history.group.name] = entry
    if not found:
        shown = ", ".join(list(dict.fromkeys(known))[:MAX_SHOWN_TARGETS]) or "none"
        raise RecipeError(
            f"--to {target}: no earlier deployment of these groups has this id, name, digest or "
            f"roll-out; there are {shown} (python -m tools.fleet history FILE lists them)"
        )
    return found


def _list_names(entry: Mapping[str, Any]) -> tuple[str, ...]:
    name = str(entry.get("deploymentName") or "")
    return (entry["deploymentId"], name, parse_digest(name), parse_rollout(name))


def _plan_group(
    history: GroupHistory,
    earlier: Json | None,
    survey: FleetSurvey,
    cloud: FleetClient,
    record: DeploymentRecord,
    refused: list[str],
) -> GroupPlan:
    group = history.group
    now = survey.deployments.get(group.name, {})
    current, job = now.get("deploymentId", ""), now.get("iotJobId", "")
    members = group.things & survey.members.get(group.name, frozenset())
    if earlier is None:
        return GroupPlan(group, "same", members, current=current, job=job)
    content = cloud.get_deployment(earlier["deploymentId"])
    refused += _find_unknown_stations(group, content, members, cloud)
    request = build_group_rollback(content, group, record, current)
    changes = [f"back to {earlier['deploymentId']}", *describe_changes(now, request)]
    changes += _describe_settings(now, content, members, cloud)
    return GroupPlan(group, "changed", members, request, tuple(changes), current, job)


def _describe_settings(
    now: Json, earlier: Json, members: Iterable[str], cloud: FleetClient
) -> list[str]:
    pins = find_settings_pin(now), find_settings_pin(earlier)
    if pins[0] == pins[1] or not all(name for name, _ in pins):
        return []
    was, becomes = (read_settings(name, version, cloud.bucket) for name, version in pins)
    return describe_settings_changes(was, becomes or {}, sorted(members))


def _find_unknown_stations(
    group: DesiredGroup, content: Json, members: frozenset[str], cloud: FleetClient
) -> list[str]:
    """Stations that joined later: the earlier settings do not have them, their install would fail."""
    name, version = find_settings_pin(content)
    if not name:
        return []
    settings = read_settings(name, version, cloud.bucket)
    if settings is None:
        return [
            f"{group.name}: the artifact of {name} {version} cannot be read in s3://{cloud.bucket.name}, "
            "so it is not known which stations it has settings for"
        ]
    unknown = sorted(members - set(settings))
    if not unknown:
        return []
    return [
        f"{group.name}: {name} {version} has no settings for {format_names(unknown)}, which joined later; "
        "deploy a file with the earlier versions instead"
    ]
