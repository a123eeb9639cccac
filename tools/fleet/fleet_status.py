"""How the fleet fares: each station's deployment, health and components, as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.fleet.desired_state import DesiredStation
from tools.fleet.fleet_client import FleetClient, LatestDeployment, map_concurrently

Json = dict[str, Any]
WELL_STATES = frozenset({"RUNNING", "FINISHED"})
_PENDING_REASONS = {True: "no deployment yet", False: "runs something else than the file asks for"}
SUCCEEDED_DEPLOYMENTS = frozenset({"SUCCEEDED", "COMPLETED"})


@dataclass(frozen=True)
class StationStatus:
    """One row; `wanted`: whether its last deployment is what the file asks for."""

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
        """What the file asks for runs, and runs well."""
        return (
            self.matches_file
            and self.deployment in SUCCEEDED_DEPLOYMENTS
            and self.health == "HEALTHY"
        )


def read_station_statuses(
    thing_group: str, stations: Sequence[DesiredStation], cloud: FleetClient
) -> list[StationStatus]:
    """The stations as the service knows them now."""
    latest, devices = cloud.list_latest_deployments(), cloud.list_core_devices(thing_group)
    return list(
        map_concurrently(
            lambda station: _read_station_status(station, latest, devices, cloud), stations
        )
    )


def format_status_table(rows: Sequence[StationStatus], everyone: bool) -> str:
    """A line for each site, then a line for each station that is not fine, or for everyone."""
    shown = [row for row in rows if everyone or not row.is_fine]
    sites: list[tuple[str, ...]] = [
        ("SITE", "STATIONS", "FINE", "TO DO", "ON THE WAY", "FAILED", "UNHEALTHY")
    ]
    sites += [_format_site(site, [r for r in rows if r.site == site]) for site in _site_names(rows)]
    stations: list[tuple[str, ...]] = [
        ("STATION", "SITE", "DEPLOYMENT", "HEALTH", "RUNTIME", "WHAT")
    ]
    stations += [_format_station(row) for row in shown]
    return format_columns(sites) + ("\n" + format_columns(stations) if shown else "")


def format_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as columns of text, each as wide as its widest cell."""
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
    ill = [entry for entry in states if entry.get("lifecycleState") not in WELL_STATES]
    words = (f"{e['componentName']} {e.get('lifecycleState', 'UNKNOWN')}" for e in ill)
    return ", ".join(words) or str(said.get("reason") or "")


def _site_names(rows: Sequence[StationStatus]) -> list[str]:
    return list(dict.fromkeys(row.site for row in rows))


def _format_site(site: str, rows: Sequence[StationStatus]) -> tuple[str, ...]:
    count = Counter(_classify_row(row) for row in rows)
    unhealthy = sum(row.health != "HEALTHY" for row in rows)
    fine = sum(row.is_fine for row in rows)
    figures = (len(rows), fine, count["to do"], count["on the way"], count["failed"], unhealthy)
    return (site, *(str(figure) for figure in figures))


def _classify_row(row: StationStatus) -> str:
    if not row.matches_file:
        return "to do"
    if row.deployment in SUCCEEDED_DEPLOYMENTS:
        return "done"
    return "on the way" if row.deployment in ("QUEUED", "IN_PROGRESS") else "failed"


def _format_station(row: StationStatus) -> tuple[str, ...]:
    name = f"{row.station} (canary)" if row.canary else row.station
    what = row.trouble or ("" if row.matches_file else _PENDING_REASONS[row.deployment == "NONE"])
    return name, row.site, row.deployment, row.health, row.runtime, what
