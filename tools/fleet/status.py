"""How the fleet fares: each station's deployment, health and components, as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.fleet.cloud import Cloud, Latest, all_of
from tools.fleet.desired import DesiredStation

Json = dict[str, Any]
FINE = frozenset({"RUNNING", "FINISHED"})
_WHY_TO_DO = {True: "no deployment yet", False: "runs something else than the file asks for"}
UP_TO_DATE = frozenset({"SUCCEEDED", "COMPLETED"})


@dataclass(frozen=True)
class StationStatus:
    """One row; `wanted`: whether its last deployment is what the file asks for."""

    station: str
    site: str
    canary: bool
    wanted: bool
    deployment: str
    health: str
    runtime: str
    trouble: str

    @property
    def is_fine(self) -> bool:
        """What the file asks for runs, and runs well."""
        return self.wanted and self.deployment in UP_TO_DATE and self.health == "HEALTHY"


def status_of(
    thing_group: str, stations: Sequence[DesiredStation], cloud: Cloud
) -> list[StationStatus]:
    """The stations as the service knows them now."""
    latest, devices = cloud.latest(), cloud.devices(thing_group)
    return list(all_of(lambda station: _row(station, latest, devices, cloud), stations))


def table(rows: Sequence[StationStatus], everyone: bool) -> str:
    """A line for each site, then a line for each station that is not fine, or for everyone."""
    shown = [row for row in rows if everyone or not row.is_fine]
    sites: list[tuple[str, ...]] = [
        ("SITE", "STATIONS", "FINE", "TO DO", "ON THE WAY", "FAILED", "UNHEALTHY")
    ]
    sites += [_site(site, [r for r in rows if r.site == site]) for site in _sites(rows)]
    stations: list[tuple[str, ...]] = [
        ("STATION", "SITE", "DEPLOYMENT", "HEALTH", "RUNTIME", "WHAT")
    ]
    stations += [_station(row) for row in shown]
    return columns(sites) + ("\n" + columns(stations) if shown else "")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as columns of text, each as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(
    station: DesiredStation, latest: Mapping[str, Latest], devices: Mapping[str, Json], cloud: Cloud
) -> StationStatus:
    last = latest.get(station.name)
    device = devices.get(station.name, {})
    said = cloud.outcome(station.name, last.deployment) if last and device else {}
    health = device.get("status", "")
    return StationStatus(
        station=station.name,
        site=station.site,
        canary=station.canary,
        wanted=last is not None and last.digest == station.digest,
        deployment=said.get("coreDeviceExecutionStatus", "QUEUED" if last else "NONE"),
        health=health or "UNKNOWN",
        runtime=device.get("runtime", "") or "",
        trouble=_trouble(said, health, station.name, cloud),
    )


def _trouble(said: Mapping[str, Any], health: str, station: str, cloud: Cloud) -> str:
    if not health:
        return "no core device of this name in the thing group"
    if health == "HEALTHY":
        return str(said.get("reason") or "")
    states = cloud.components(station)
    ill = [entry for entry in states if entry.get("lifecycleState") not in FINE]
    words = (f"{e['componentName']} {e.get('lifecycleState', 'UNKNOWN')}" for e in ill)
    return ", ".join(words) or str(said.get("reason") or "")


def _sites(rows: Sequence[StationStatus]) -> list[str]:
    return list(dict.fromkeys(row.site for row in rows))


def _site(site: str, rows: Sequence[StationStatus]) -> tuple[str, ...]:
    count = Counter(_kind(row) for row in rows)
    unhealthy = sum(row.health != "HEALTHY" for row in rows)
    fine = sum(row.is_fine for row in rows)
    figures = (len(rows), fine, count["to do"], count["on the way"], count["failed"], unhealthy)
    return (site, *(str(figure) for figure in figures))


def _kind(row: StationStatus) -> str:
    if not row.wanted:
        return "to do"
    if row.deployment in UP_TO_DATE:
        return "done"
    return "on the way" if row.deployment in ("QUEUED", "IN_PROGRESS") else "failed"


def _station(row: StationStatus) -> tuple[str, ...]:
    name = f"{row.station} (canary)" if row.canary else row.station
    what = row.trouble or ("" if row.wanted else _WHY_TO_DO[row.deployment == "NONE"])
    return name, row.site, row.deployment, row.health, row.runtime, what
