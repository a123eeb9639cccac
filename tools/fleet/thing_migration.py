"""Retires the deployments of single things, as releases before 0.2 made them.

A component that a thing's deployment and its group's both name must have the same version in both, or
the nucleus refuses the deployment that comes second. And if the thing's were taken away first, the nucleus
would remove the components until the group's arrives. So, for each station:

1. the thing's deployment gets the file's versions (the bridge; not needed if it has them),
2. the group gets its deployment, the thing joins: both name the same versions,
3. after the group's has succeeded there, the thing's is revised to have none of these components.

Configuration that step 1 merged stays until the group's deployment resets it. Nucleus Lite never received
a thing's deployment, so there is nothing to retire.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.fleet.deployment_requests import (
    AwsLocation,
    build_thing_deployment,
    build_thing_retirement,
)
from tools.fleet.desired_state import DesiredStation
from tools.fleet.fleet_survey import FleetSurvey, is_made_by_us
from tools.fleet.rollout_groups import DesiredGroup

Json = dict[str, Any]
SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True)
class ThingMigration:
    """One station whose own deployment names components of its group.

    `kept` is what else it has, made by other tools. `is_settled`: the group's deployment runs there
    already, so the thing's is retired before the group gets a new one.
    """

    station: DesiredStation
    kind: str
    deployment: str
    kept: Mapping[str, Json]
    needs_bridge: bool
    is_settled: bool

    def build_bridge(self, place: AwsLocation) -> Json:
        """The thing's deployment with the file's versions."""
        return build_thing_deployment(self.station, self.kept, self.kind, place, self.deployment)

    def build_retirement(self, place: AwsLocation) -> Json:
        """The thing's deployment without the group's components."""
        return build_thing_retirement(self.station, self.kept, self.kind, place, self.deployment)

    def describe(self) -> str:
        """What happens, in words."""
        if self.is_settled:
            return f"{self.station.name}: its own deployment {self.deployment} is retired first"
        first = "gets the file's versions, then the group's, and " if self.needs_bridge else ""
        return f"{self.station.name}: its own deployment {self.deployment} {first}is then retired"


def find_migrations(group: DesiredGroup, survey: FleetSurvey) -> tuple[ThingMigration, ...]:
    """The stations of a group that still have a deployment of their own with the group's components."""
    found = (_find_migration(group, station, survey) for station in group.stations)
    return tuple(migration for migration in found if migration is not None)


def find_deadlocks(group: DesiredGroup, survey: FleetSurvey) -> list[str]:
    """Stations whose own deployment can be neither bridged nor retired safely."""
    return [
        f"{migration.station.name}: its own deployment {migration.deployment} pins other versions than "
        f"the file, but it is already in thing group {group.name}, whose deployment has not succeeded "
        f"there. Remove it from that group (aws iot remove-thing-from-thing-group) and run this again"
        for migration in find_migrations(group, survey)
        if migration.needs_bridge
        and not migration.is_settled
        and migration.station.name in survey.members.get(group.name, ())
    ]


def _find_migration(
    group: DesiredGroup, station: DesiredStation, survey: FleetSurvey
) -> ThingMigration | None:
    own = survey.of_things.get(station.name)
    found = (own or {}).get("components") or {}
    shared = set(found) & set(group.components)
    if own is None or not shared:
        return None
    kept = {} if is_made_by_us(own) else {n: found[n] for n in found if n not in shared}
    execution = survey.executions.get(group.name, {}).get(station.name)
    return ThingMigration(
        station,
        group.kind,
        own["deploymentId"],
        kept,
        any(found[n]["componentVersion"] != group.components[n].version for n in shared),
        station.name in survey.members.get(group.name, ())
        and execution is not None
        and execution.status == SUCCEEDED,
    )
