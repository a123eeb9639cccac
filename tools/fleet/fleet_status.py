"""Fleet status: each station's deployment, health and components, as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.fleet.desired_state import DesiredStation
from tools.fleet.fleet_client import FleetClient, LatestDeployment, map_concurrently

Json = dict[str, Any]
HEALTHY_STATES = frozenset({"RUNNING", "FINISHED"})
_PENDING_REASONS = {True: "no deployment yet", False: "runs another deployment than the file's"}
SUCCEEDED_DEPLOYMENTS = frozenset({"SUCCEEDED", "COMPLETED"})


@dataclass(frozen=True)
class StationStatus:
    """One row; `matches_file`: whether the latest deployment is the file's."""

    station: str
    site: str
    canary: bool
    matches_file: bool
    deployment: str
    health: str
    runtime: str
    trouble: str

    @property
    def is_fine(self) -> bool:
        """Whether the file's deployment succeeded and the station is healthy."""
        return (
            self.matches_file
            and self.deployment in SUCCEEDED_DEPLOYMENTS
            and self.health == "HEALTHY"
        )


def read_station_statuses(
    thing_group: str, stations: Sequence[DesiredStation], cloud: FleetClient
) -> list[StationStatus]:
    """Read the stations' current status from the service."""
    latest, devices = cloud.list_latest_deployments(), cloud.list_core_devices(thing_group)
    return list(
        map_concurrently(
            lambda station: _read_station_status(station, latest, devices, cloud), stations
        )
    )


def format_status_table(rows: Sequence[StationStatus], everyone: bool) -> str:
    """One line per site, then one per station that needs attention, or per station if `everyone`."""
    shown = [row for row in rows if everyone or not row.is_fine]
    sites: list[tuple[str, ...]] = [
        ("SITE", "STATIONS", "OK", "TO DEPLOY", "IN PROGRESS", "FAILED", "UNHEALTHY")
    ]
    sites += [_format_site(site, [r for r in rows if r.site == site]) for site in _site_names(rows)]
    stations: list[tuple[str, ...]] = [
        ("STATION", "SITE", "DEPLOYMENT", "HEALTH", "RUNTIME", "PROBLEM")
    ]
    stations += [_format_station(row) for row in shown]
    return format_columns(sites) + ("\n" + format_columns(stations) if shown else "")


def format_columns(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as aligned columns of text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _read_station_status(
    station: DesiredStation,
    latest: Mapping[str, LatestDeployment],
    devices: Mapping[str, Json],
    cloud: FleetClient,
) -> StationStatus:
    last = latest.get(station.name)
    device = devices.get(station.name, {})
    said = cloud.find_outcome(station.name, last.deployment) if last and device else {}
    health = device.get("status", "")
    return StationStatus(
        station=station.name,
        site=station.site,
        canary=station.canary,
        matches_file=last is not None and last.digest == station.digest,
        deployment=said.get("coreDeviceExecutionStatus", "QUEUED" if last else "NONE"),
        health=health or "UNKNOWN",
        runtime=device.get("runtime", "") or "",
        trouble=_describe_trouble(said, health, station.name, cloud),
    )


def _describe_trouble(
    said: Mapping[str, Any], health: str, station: str, cloud: FleetClient
) -> str:
    if not health:
        return "no core device of this name in the thing group"
    if health == "HEALTHY":
        return str(said.get("reason") or "")
    states = cloud.list_installed_components(station)
    ill = [entry for entry in states if entry.get("lifecycleState") not in HEALTHY_STATES]
    words = (f"{e['componentName']} {e.get('lifecycleState', 'UNKNOWN')}" for e in ill)
    return ", ".join(words) or str(said.get("reason") or "")


def _site_names(rows: Sequence[StationStatus]) -> list[str]:
    return list(dict.fromkeys(row.site for row in rows))


def _format_site(site: str, rows: Sequence[StationStatus]) -> tuple[str, ...]:
    count = Counter(_classify_row(row) for row in rows)
    unhealthy = sum(row.health != "HEALTHY" for row in rows)
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
    if row.deployment in SUCCEEDED_DEPLOYMENTS:
        return "done"
    return "in progress" if row.deployment in ("QUEUED", "IN_PROGRESS") else "failed"


def _format_station(row: StationStatus) -> tuple[str, ...]:
    name = f"{row.station} (canary)" if row.canary else row.station
    what = row.trouble or ("" if row.matches_file else _PENDING_REASONS[row.deployment == "NONE"])
    return name, row.site, row.deployment, row.health, row.runtime, what
