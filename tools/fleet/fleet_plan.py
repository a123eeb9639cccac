"""Plans what would change: each group's deployment, its members, and the things' own deployments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from sightline.messaging.topics import COMPONENTS
from tools.fleet import change_description
from tools.fleet.deployment_file import DeploymentFile
from tools.fleet.deployment_requests import AwsLocation, DeploymentRecord, build_group_deployment
from tools.fleet.desired_state import DesiredStation
from tools.fleet.fleet_client import FleetClient
from tools.fleet.fleet_survey import RUNTIMES, FleetSurvey, survey_fleet
from tools.fleet.group_membership import (
    GroupDeparture,
    GroupMove,
    find_departures,
    find_missing_groups,
    find_moves,
)
from tools.fleet.rollout_groups import (
    DesiredGroup,
    GroupWave,
    build_group_waves,
    compute_rollout_digest,
)
from tools.fleet.settings_version import SettingsVersion, plan_settings_version, read_settings
from tools.fleet.station_checks import StationChecker
from tools.fleet.thing_migration import ThingMigration, find_deadlocks, find_migrations

Json = dict[str, Any]
Request = tuple[str, Json]
PlanState = Literal["new", "changed", "again", "same"]
Progress = Callable[[str, int, int], None]
MAX_SHOWN_NAMES = 3
FAILED_DEPLOYMENT_STATUSES = frozenset({"FAILED", "CANCELED"})
UNSUCCESSFUL_EXECUTIONS = frozenset({"FAILED", "TIMED_OUT", "REJECTED"})
STATION_FOLDER = "stationFolder"


@dataclass(frozen=True)
class GroupPlan:
    """The plan of one group; `again` repeats a deployment that failed somewhere.

    `current` and `job` are its deployment until now, `members` the things that are in it afterwards.
    `request` is what replaces it, None if it stands.
    """

    group: DesiredGroup
    state: PlanState
    members: frozenset[str]
    request: Json | None = None
    changes: tuple[str, ...] = ()
    current: str = ""
    job: str = ""
    moves: tuple[GroupMove, ...] = ()
    migrations: tuple[ThingMigration, ...] = ()

    @property
    def is_pending(self) -> bool:
        """Whether anything is to be sent."""
        return self.request is not None or bool(self.moves or self.migrations)

    def build_requests(self, place: AwsLocation) -> Iterator[Request]:
        """The requests in the order in which they are sent; between them is waited for success."""
        for migration in self.migrations:
            if migration.is_settled:
                yield "CreateDeployment", migration.build_retirement(place)
        for migration in self.migrations:
            if migration.needs_bridge and not migration.is_settled:
                yield "CreateDeployment", migration.build_bridge(place)
        if self.request is not None:
            yield "CreateDeployment", self.request
        for move in self.moves:
            yield "UpdateThingGroupsForThing", move.build_request()
        for migration in self.migrations:
            if not migration.is_settled:
                yield "CreateDeployment", migration.build_retirement(place)


@dataclass(frozen=True)
class WavePlan:
    """Groups that get a change together."""

    wave: GroupWave
    groups: tuple[GroupPlan, ...]

    @property
    def is_pending(self) -> bool:
        """Whether anything is to be sent."""
        return any(entry.is_pending for entry in self.groups)


@dataclass(frozen=True)
class FleetPlan:
    """The plan of the fleet; nothing may be sent while something is `refused`."""

    kind: str
    waves: tuple[WavePlan, ...]
    settings: SettingsVersion | None
    creations: tuple[Json, ...] = ()
    departures: tuple[GroupDeparture, ...] = ()
    absent: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @cached_property
    def groups(self) -> tuple[GroupPlan, ...]:
        """All groups, in the order of the roll-out."""
        return tuple(entry for wave in self.waves for entry in wave.groups)

    @property
    def pending(self) -> tuple[GroupPlan, ...]:
        """The groups to which something is to be sent."""
        return tuple(entry for entry in self.groups if entry.is_pending)

    @property
    def is_pending(self) -> bool:
        """Whether anything is to be sent at all."""
        return bool(self.pending or self.departures or self.creations)

    def build_requests(
        self, place: AwsLocation, bucket: str, put: Callable[[str, Any], Json]
    ) -> Iterator[Request]:
        """The requests, in order; the settings archive is described, not built."""
        for creation in self.creations:
            yield "CreateThingGroup", creation
        if self.settings is not None and self.settings.is_new:
            words = f"<settings of {len(self.settings.settings)} stations, digest {self.settings.digest}>"
            yield "PutObject", put(self.settings.key, words)
            yield "CreateComponentVersion", self.settings.build_creation(bucket)
        for entry in self.groups:
            yield from entry.build_requests(place)
        for departure in self.departures:
            yield "RemoveThingFromThingGroup", departure.build_request()


@dataclass(frozen=True)
class PlanContext:
    """What each group's plan needs to know."""

    survey: FleetSurvey
    settings: SettingsVersion
    record: DeploymentRecord
    place: AwsLocation
    cloud: FleetClient | None
    old_settings: dict[tuple[str, str], Any] = field(default_factory=dict)

    def read_old_settings(self, deployment: Mapping[str, Any]) -> Any:
        """The stations' settings in a deployment until now; each version is read once."""
        pin = change_description.find_settings_pin(deployment)
        if not pin[0] or self.cloud is None:
            return {}
        if pin not in self.old_settings:
            self.old_settings[pin] = read_settings(*pin, self.cloud.bucket)
        return self.old_settings[pin]


def build_fleet_plan(
    file: DeploymentFile,
    sites: Sequence[str],
    checker: StationChecker,
    cloud: FleetClient | None,
    record: DeploymentRecord,
    place: AwsLocation,
    progress: Progress = lambda *_: None,
) -> FleetPlan:
    """Check every station, and compare each group with the account; without a cloud all are new.

    `sites` limits the plan; the canaries of all sites always belong to it.
    """
    waves = build_group_waves(file)
    kind = file.thing_group
    stations = [station for wave in waves for group in wave.groups for station in group.stations]
    refused, unchecked = check_stations(stations, checker, progress)
    survey = survey_fleet(kind, waves, cloud) if cloud else FleetSurvey(kind)
    chosen = [wave for wave in waves if not sites or not wave.site or wave.site in sites]
    record = DeploymentRecord(record.operator, record.file, compute_rollout_digest(waves))
    wanted = [group for wave in chosen for group in wave.groups]
    changed = [group for group in wanted if _find_state(group, survey)[0] != "same"]
    folder = _find_station_folder(wanted)
    settings = plan_settings_version(kind, stations, folder, cloud if changed else None)
    context = PlanContext(survey, settings, record, place, cloud)
    return FleetPlan(
        kind,
        tuple(
            WavePlan(wave, tuple(_plan_group(group, context) for group in wave.groups))
            for wave in chosen
        ),
        settings if changed else None,
        tuple(find_missing_groups(kind, wanted, survey)),
        () if sites else find_departures(waves, survey),
        tuple(s.name for g in wanted for s in g.stations if cloud and s.name not in survey.things),
        (*refused, *_find_conflicts(wanted, survey)),
        unchecked,
    )


def check_stations(
    stations: Sequence[DesiredStation], checker: StationChecker, progress: Progress
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is refused and what cannot be checked, each line once, with the stations concerned."""
    verdicts = []
    for number, station in enumerate(stations, 1):
        verdicts.append(checker.check(station))
        progress("checking", number, len(stations))
    return (
        _group_messages(stations, [verdict.refused for verdict in verdicts]),
        _group_messages(stations, [verdict.unchecked for verdict in verdicts]),
    )


def format_names(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - MAX_SHOWN_NAMES} more" if len(names) > MAX_SHOWN_NAMES else ""
    return ", ".join(names[:MAX_SHOWN_NAMES]) + more


def _plan_group(group: DesiredGroup, context: PlanContext) -> GroupPlan:
    survey = context.survey
    state, words = _find_state(group, survey)
    last = survey.latest_of_group(group.name)
    current = last.deployment if last else ""
    deployment = survey.deployments.get(group.name, {})
    request, changes = None, words
    if state != "same":
        pin = context.settings.build_components()
        request = build_group_deployment(group, pin, context.place, context.record, current)
        changes = (*words, *_describe_group_changes(group, deployment, request, context))
    return GroupPlan(
        group,
        state,
        group.things & survey.things,
        request,
        changes,
        current,
        deployment.get("iotJobId", ""),
        find_moves(group, survey),
        find_migrations(group, survey),
    )


def _find_state(group: DesiredGroup, survey: FleetSurvey) -> tuple[PlanState, tuple[str, ...]]:
    last = survey.latest_of_group(group.name)
    if last is None:
        return "new", ()
    if last.digest != group.digest:
        return "changed", ()
    if last.status in FAILED_DEPLOYMENT_STATUSES:
        return "again", (f"the latest deployment is {last.status.lower()}",)
    failed = [
        thing
        for thing, execution in survey.executions.get(group.name, {}).items()
        if execution.status in UNSUCCESSFUL_EXECUTIONS and thing in group.things
    ]
    return ("again", (f"it failed on {format_names(failed)}",)) if failed else ("same", ())


def _describe_group_changes(
    group: DesiredGroup, before: Mapping[str, Any], request: Json, context: PlanContext
) -> Iterator[str]:
    if not before:
        versions = (f"{n} {c['componentVersion']}" for n, c in request["components"].items())
        yield f"+ {', '.join(versions)}"
        return
    yield from change_description.describe_changes(before, request)
    yield from change_description.describe_settings_changes(
        context.read_old_settings(before),
        context.settings.settings,
        [station.name for station in group.stations],
    )


def _find_station_folder(groups: Sequence[DesiredGroup]) -> str:
    """The stationFolder of the kind, where the components read the settings; empty: the default."""
    for group in groups:
        for name in COMPONENTS:
            component = group.components.get(name)
            if component is not None and component.merge.get(STATION_FOLDER):
                return str(component.merge[STATION_FOLDER])
    return ""


def _find_conflicts(groups: Sequence[DesiredGroup], survey: FleetSurvey) -> Iterator[str]:
    """What would make a nucleus refuse a group's deployment, whatever it has."""
    for name, owner in survey.strangers.items():
        yield f"thing group {name} belongs to the kind {owner}; rename the site or thingGroup"
    of_kind = survey.deployments.get(survey.kind, {})
    twice = set(of_kind.get("components") or {}) & {n for group in groups for n in group.components}
    if twice:
        yield (
            f"thing group {survey.kind} has a deployment of its own, {of_kind['deploymentId']}, with "
            f"{format_names(sorted(twice))}: its stations would have them from two groups. Revise it to "
            "have none of them: they go to the groups of the sites"
        )
    for group in groups:
        yield from find_deadlocks(group, survey)
        for station in group.stations:
            found = survey.devices.get(station.name)
            runs = RUNTIMES.get(found.runtime, "") if found else ""
            if runs and runs != station.nucleus:
                yield (
                    f"{station.name} runs nucleus {runs}, the file has {station.nucleus}; write "
                    f"`nucleus: {runs}` at the station or its site"
                )


def _group_messages(
    stations: Sequence[DesiredStation], lines: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    by_line: dict[str, list[str]] = {}
    for station, said in zip(stations, lines, strict=True):
        for line in said:
            by_line.setdefault(line, []).append(station.name)
    return tuple(f"{format_names(names)} {line}" for line, names in by_line.items())
