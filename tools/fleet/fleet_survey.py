"""What the account has of a kind of station: its thing groups, deployments, jobs and core devices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.fleet.deployment_requests import PREFIX, RETIRED, parse_digest
from tools.fleet.fleet_client import CoreDevice, FleetClient, LatestDeployment
from tools.fleet.rollout_groups import DesiredGroup, GroupWave
from tools.fleet.service_calls import map_concurrently
from tools.fleet.thing_groups import JobExecution

Json = dict[str, Any]
RUNTIMES = {"aws_nucleus_classic": "classic", "aws_nucleus_lite": "lite"}
THING, THING_GROUP = "thing/", "thinggroup/"


@dataclass(frozen=True)
class FleetSurvey:
    """The account's state; empty for a plan that does not query AWS.

    `members` has the things of each group of the kind, the kind's own group among them; `strangers` has
    groups with a name of ours that belong to another kind. `executions` has how each group's latest
    deployment went, by thing.
    """

    kind: str
    latest: Mapping[str, LatestDeployment] = field(default_factory=dict)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    strangers: Mapping[str, str] = field(default_factory=dict)
    deployments: Mapping[str, Json] = field(default_factory=dict)
    executions: Mapping[str, Mapping[str, JobExecution]] = field(default_factory=dict)
    of_things: Mapping[str, Json] = field(default_factory=dict)
    devices: Mapping[str, CoreDevice] = field(default_factory=dict)

    @property
    def things(self) -> frozenset[str]:
        """All things that there are of this kind."""
        return frozenset().union(*self.members.values())

    def latest_of_group(self, group: str) -> LatestDeployment | None:
        """A group's latest deployment."""
        return self.latest.get(THING_GROUP + group)

    def list_groups_of(self, thing: str) -> list[str]:
        """The roll-out groups that a thing is in; there should be one."""
        return [g for g, things in self.members.items() if g != self.kind and thing in things]


def survey_fleet(kind: str, waves: Sequence[GroupWave], cloud: FleetClient) -> FleetSurvey:
    """Read the account's state: some requests for each group, none for each station."""
    wanted = [group for wave in waves for group in wave.groups]
    names = [
        g for g in cloud.things.list_group_names(kind) if g == kind or g.startswith(f"{kind}-")
    ]
    owners = dict(zip(names, map_concurrently(cloud.things.find_kind, names), strict=True))
    named = {kind, *(group.name for group in wanted)}
    ours = [n for n in names if owners[n] == kind or (n in named and not owners[n])]
    latest = cloud.list_latest_deployments()
    deployed = [n for n in (kind, *(g.name for g in wanted)) if THING_GROUP + n in latest]
    contents = _read_deployments(deployed, latest, cloud)
    return FleetSurvey(
        kind=kind,
        latest=latest,
        members=dict(zip(ours, map_concurrently(cloud.things.list_members, ours), strict=True)),
        strangers={n: owners[n] for n in names if n in named and owners[n] not in ("", kind)},
        deployments=contents,
        executions=read_executions(contents, cloud),
        of_things=_read_thing_deployments(wanted, latest, cloud),
        devices=cloud.list_core_devices(kind) if kind in names else {},
    )


def read_executions(
    deployments: Mapping[str, Json], cloud: FleetClient
) -> dict[str, Mapping[str, JobExecution]]:
    """How each group's deployment goes on its things."""
    jobs = {
        group: content["iotJobId"]
        for group, content in deployments.items()
        if content.get("iotJobId")
    }
    return dict(
        zip(jobs, map_concurrently(cloud.things.list_executions, jobs.values()), strict=True)
    )


def is_retired(deployment: LatestDeployment) -> bool:
    """Whether a thing's deployment was already replaced by its group's."""
    return parse_digest(deployment.name) == RETIRED


def is_made_by_us(deployment: Mapping[str, Any]) -> bool:
    """Whether this tool made a deployment."""
    return str(deployment.get("deploymentName") or "").startswith(f"{PREFIX} ")


def _read_deployments(
    groups: Sequence[str], latest: Mapping[str, LatestDeployment], cloud: FleetClient
) -> dict[str, Json]:
    ids = [latest[THING_GROUP + group].deployment for group in groups]
    return dict(zip(groups, map_concurrently(cloud.get_deployment, ids), strict=True))


def _read_thing_deployments(
    groups: Iterable[DesiredGroup], latest: Mapping[str, LatestDeployment], cloud: FleetClient
) -> dict[str, Json]:
    """The deployments of single things; Nucleus Lite never receives one."""
    found = [
        (station.name, last.deployment)
        for group in groups
        if group.nucleus == "classic"
        for station in group.stations
        if (last := latest.get(THING + station.name)) is not None and not is_retired(last)
    ]
    answers = map_concurrently(lambda entry: cloud.get_deployment(entry[1]), found)
    return {name: answer for (name, _), answer in zip(found, answers, strict=True)}
