"""Which thing joins or leaves which group.

A move is one request (UpdateThingGroupsForThing), sent after the new group has its deployment: the thing
is never in two groups whose deployments name the same component, which its nucleus would refuse, and
never in the new group while that one's latest deployment is an old one. Between groups nothing happens:
a nucleus removes what came from a group it has left only while it processes its next deployment, and
that one is the new group's, which names the same components.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tools.fleet.fleet_survey import FleetSurvey
from tools.fleet.rollout_groups import DesiredGroup, GroupWave
from tools.fleet.thing_groups import build_group_creation, build_move, build_removal

Json = dict[str, Any]


@dataclass(frozen=True)
class GroupMove:
    """A thing that joins a group; `left` are the groups of the kind that it is in until then."""

    thing: str
    group: str
    left: tuple[str, ...] = ()

    def build_request(self) -> Json:
        """The UpdateThingGroupsForThing request."""
        return build_move(self.thing, self.group, self.left)

    def describe(self) -> str:
        """The move in words."""
        return f"{self.thing} joins" + (f" from {', '.join(self.left)}" if self.left else "")


@dataclass(frozen=True)
class GroupDeparture:
    """A thing that leaves a group and joins none: it is not in the file any more."""

    thing: str
    group: str

    def build_request(self) -> Json:
        """The RemoveThingFromThingGroup request."""
        return build_removal(self.thing, self.group)


def find_moves(group: DesiredGroup, survey: FleetSurvey) -> tuple[GroupMove, ...]:
    """The provisioned stations of a group that are not in it, or that are in another one, too."""
    return tuple(
        GroupMove(station.name, group.name, others)
        for station in group.stations
        if station.name in survey.things
        and (
            (others := tuple(g for g in survey.list_groups_of(station.name) if g != group.name))
            or station.name not in survey.members.get(group.name, ())
        )
    )


def find_departures(waves: Iterable[GroupWave], survey: FleetSurvey) -> tuple[GroupDeparture, ...]:
    """Members of the kind's roll-out groups that the file does not have."""
    wanted = {thing for wave in waves for group in wave.groups for thing in group.things}
    return tuple(
        GroupDeparture(thing, group)
        for group, things in survey.members.items()
        if group != survey.kind
        for thing in sorted(things - wanted)
    )


def find_missing_groups(
    kind: str, groups: Iterable[DesiredGroup], survey: FleetSurvey
) -> Iterator[Json]:
    """The CreateThingGroup requests for groups that are not there."""
    for name in (kind, *(group.name for group in groups)):
        if name not in survey.members and name not in survey.strangers:
            yield build_group_creation(name, kind)
