"""Fleet status: each station's deployment, health and components, as a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.fleet.fleet_client import FleetClient
from tools.fleet.fleet_survey import FleetSurvey, survey_fleet
from tools.fleet.rollout_groups import DesiredGroup, GroupWave
from tools.fleet.service_calls import map_concurrently
from tools.fleet.station_watch import describe_broken_components

Json = dict[str, Any]
HEALTHY, SUCCEEDED, NONE, OLD = "HEALTHY", "SUCCEEDED", "NONE", "OLD"
PENDING = ("QUEUED", "IN_PROGRESS")


@dataclass(frozen=True)
class StationStatus:
    """One row; `matches_file`: whether its group's latest deployment is the file's."""

    station: str
    site: str
    group: str
    canary: bool
    matches_file: bool
    deployment: str
    health: str
    runtime: str
    trouble: str

    @property
    def is_fine(self) -> bool:
        """Whether the file's deployment succeeded and the station is healthy."""
        return self.matches_file and self.deployment == SUCCEEDED and self.health == HEALTHY


def read_station_statuses(
    kind: str, waves: Sequence[GroupWave], cloud: FleetClient
) -> list[StationStatus]:
    """Read the stations' current status: some requests for each group, one for each ill station."""
    survey = survey_fleet(kind, waves, cloud)
    groups = [group for wave in waves for group in wave.groups]
    ill = [
        station.name
        for group in groups
        for station in group.stations
        if (device := survey.devices.get(station.name)) and device.status != HEALTHY
    ]
    broken = describe_broken_components(ill, cloud)
    failed = {g.name: _read_failures(g, survey, cloud) for g in groups}
    return [
        _build_status(group, station.name, station.site, survey, broken | failed[group.name])
        for group in groups
        for station in group.stations
    ]


def format_status_table(rows: Sequence[StationStatus], everyone: bool) -> str:
    """One line per site, then one per station that needs attention, or per station if `everyone`."""
    shown = [row for row in rows if everyone or not row.is_fine]
    sites: list[tuple[str, ...]] = [
        ("SITE", "STATIONS", "OK", "TO DEPLOY", "IN PROGRESS", "FAILED", "UNHEALTHY")
    ]
    sites += [_format_site(site, [r for r in rows if r.site == site]) for site in _site_names(rows)]
    stations: list[tuple[str, ...]] = [
        ("STATION", "GROUP", "DEPLOYMENT", "HEALTH", "RUNTIME", "PROBLEM")
    ]
    stations += [_format_station(row) for row in shown]
    return format_columns(sites) + ("\n" + format_columns(stations) if shown else "")


def format_columns(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as aligned columns of text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _read_failures(group: DesiredGroup, survey: FleetSurvey, cloud: FleetClient) -> dict[str, str]:
    deployment = survey.deployments.get(group.name, {}).get("deploymentId", "")
    things = [
        thing
        for thing, execution in survey.executions.get(group.name, {}).items()
        if execution.status not in (SUCCEEDED, *PENDING) and thing in survey.devices
    ]
    answers = map_concurrently(lambda thing: cloud.find_outcome(thing, deployment), things)
    reasons = {t: str(a.get("reason") or "") for t, a in zip(things, answers, strict=True)}
    return {thing: words for thing, words in reasons.items() if words}


def _build_status(
    group: DesiredGroup, station: str, site: str, survey: FleetSurvey, known: dict[str, str]
) -> StationStatus:
    last, device = survey.latest_of_group(group.name), survey.devices.get(station)
    execution = survey.executions.get(group.name, {}).get(station)
    is_member = station in survey.members.get(group.name, ())
    waiting = "QUEUED" if last and is_member else NONE
    found = survey.list_groups_of(station)
    trouble = known.get(station, "")
    if device is None:
        trouble = "no core device of this name in the thing group"
    elif not is_member:
        trouble = f"in {', '.join(found) or 'no group'}, not in {group.name}: deploy moves it"
    elif last is None or last.digest != group.digest:
        trouble = trouble or (
            "its group has another deployment than the file's" if last else "no deployment yet"
        )
    elif station in survey.of_things:
        trouble = trouble or "still has a deployment of its own: deploy retires it"
    return StationStatus(
        station=station,
        site=site,
        group=group.name,
        canary=group.canary,
        matches_file=bool(last and last.digest == group.digest and is_member),
        deployment=execution.status if execution and is_member else waiting,
        health=(device.status if device else "") or "UNKNOWN",
        runtime=device.runtime if device else "",
        trouble=trouble,
    )


def _site_names(rows: Sequence[StationStatus]) -> list[str]:
    return list(dict.fromkeys(row.site for row in rows))


def _format_site(site: str, rows: Sequence[StationStatus]) -> tuple[str, ...]:
    count = Counter(_classify_row(row) for row in rows)
    unhealthy = sum(row.health != HEALTHY for row in rows)
    fine = sum(row.is_fine for row in rows)
    figures = (
        len(rows),
        fine,
        count["to deploy"],
        count["in progress"],
        count["failed"],
        unhealthy,
    )
    return (site, *(str(figure) for figure in figures))


def _classify_row(row: StationStatus) -> str:
    if not row.matches_file:
        return "to deploy"
    if row.deployment == SUCCEEDED:
        return "done"
    return "in progress" if row.deployment in PENDING else "failed"


def _format_station(row: StationStatus) -> tuple[str, ...]:
    name = f"{row.station} (canary)" if row.canary else row.station
    return name, row.group, row.deployment, row.health, row.runtime, row.trouble
