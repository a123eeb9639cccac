"""Plans what would change on each station."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tools.fleet.deployment_requests import AwsLocation, build_station_deployment
from tools.fleet.desired_state import DesiredStation
from tools.fleet.fleet_client import FleetClient, LatestDeployment, map_concurrently
from tools.fleet.merge_tree import flatten_leaves
from tools.fleet.station_checks import StationChecker

Json = dict[str, Any]
PlanState = Literal["new", "changed", "again", "same"]
Progress = Callable[[str, int, int], None]
MAX_SHOWN_NAMES = 3
FAILED_DEPLOYMENT_STATUSES = frozenset({"FAILED", "CANCELED"})


@dataclass(frozen=True)
class StationPlan:
    """The plan of one station; `again` repeats a failed deployment, `changes` has one line per change."""

    station: DesiredStation
    state: PlanState
    changes: tuple[str, ...] = ()
    current: str = ""


@dataclass(frozen=True)
class FleetPlan:
    """The plan of the fleet; nothing may be sent while something is `refused`."""

    thing_group: str
    stations: tuple[StationPlan, ...]
    refused: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def pending(self) -> tuple[StationPlan, ...]:
        """The stations that get a deployment, canaries first."""
        return tuple(entry for entry in self.stations if entry.state != "same")

    def build_requests(self, place: AwsLocation) -> list[Json]:
        """Build the requests, in order."""
        return [build_plan_request(entry, self.thing_group, place) for entry in self.pending]


def build_plan_request(entry: StationPlan, thing_group: str, place: AwsLocation) -> Json:
    """Build the CreateDeployment request of one station."""
    return build_station_deployment(entry.station, thing_group, place, entry.current)


def build_fleet_plan(
    thing_group: str,
    stations: Sequence[DesiredStation],
    checker: StationChecker,
    cloud: FleetClient | None,
    progress: Progress = lambda *_: None,
) -> FleetPlan:
    """Check every station and compare it with its latest deployment; without a cloud all are new.

    A station whose latest deployment has the wanted digest is not queried.
    """
    verdicts = []
    for number, station in enumerate(stations, 1):
        verdicts.append(checker.check(station))
        progress("checking", number, len(stations))
    latest = cloud.list_latest_deployments() if cloud else {}
    plans = []
    for entry in map_concurrently(lambda station: _plan_station(station, latest, cloud), stations):
        plans.append(entry)
        progress("comparing", len(plans), len(stations))
    return FleetPlan(
        thing_group,
        tuple(plans),
        _group_messages(stations, [verdict.refused for verdict in verdicts]),
        _group_messages(stations, [verdict.unchecked for verdict in verdicts]),
    )


def _group_messages(
    stations: Sequence[DesiredStation], lines: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    by_line: dict[str, list[str]] = {}
    for station, said in zip(stations, lines, strict=True):
        for line in said:
            by_line.setdefault(line, []).append(station.name)
    return tuple(f"{_format_names(names)} {line}" for line, names in by_line.items())


def _format_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN_NAMES} more" if len(names) > MAX_SHOWN_NAMES else ""
    return ", ".join(names[:MAX_SHOWN_NAMES]) + more


def _plan_station(
    station: DesiredStation, latest: Mapping[str, LatestDeployment], cloud: FleetClient | None
) -> StationPlan:
    last = latest.get(station.name)
    if last is None or cloud is None:
        return StationPlan(station, "new", tuple(_describe_additions(station)))
    if last.digest == station.digest:
        if last.status in FAILED_DEPLOYMENT_STATUSES:
            words = f"the latest deployment is {last.status.lower()}"
            return StationPlan(station, "again", (words,), last.deployment)
        return StationPlan(station, "same", (), last.deployment)
    wanted = build_station_deployment(station, "", cloud.location)
    changes = tuple(describe_changes(cloud.get_deployment(last.deployment), wanted))
    return StationPlan(station, "changed" if changes else "same", changes, last.deployment)


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The differences between two deployments, one line each: versions, configuration, policies."""
    old, new = before.get("components") or {}, after["components"]
    lines = [f"- {name} {old[name]['componentVersion']}" for name in old if name not in new]
    lines += [f"+ {name} {new[name]['componentVersion']}" for name in new if name not in old]
    for name in (name for name in new if name in old):
        was, becomes = old[name]["componentVersion"], new[name]["componentVersion"]
        if was != becomes:
            lines.append(f"{name} {was} -> {becomes}")
        lines += _leaf_changes(f"{name} ", _parse_leaves(old[name]), _parse_leaves(new[name]))
        lines += _reset_changes(name, old[name], new[name])
    for part in ("deploymentPolicies", "iotJobConfiguration"):
        found, wanted = (
            flatten_leaves(before.get(part) or {}),
            flatten_leaves(after.get(part) or {}),
        )
        ours = {key: found[key] for key in wanted if key in found}  # the service adds defaults
        lines += _leaf_changes(f"{part} ", ours, wanted)
    return lines


def _reset_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    was, becomes = (
        _configuration_update(old).get("reset") or [],
        _configuration_update(new).get("reset") or [],
    )
    return [] if was == becomes else [f"{name} reset: {json.dumps(was)} -> {json.dumps(becomes)}"]


def _leaf_changes(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    for pointer in sorted({*old, *new}):
        if old.get(pointer) != new.get(pointer) or (pointer in old) != (pointer in new):
            yield f"{place}{pointer}: {_describe_value(old, pointer)} -> {_describe_value(new, pointer)}"


def _describe_value(values: Mapping[str, Any], pointer: str) -> str:
    return json.dumps(values[pointer]) if pointer in values else "default"


def _parse_leaves(component: Mapping[str, Any]) -> Json:
    return flatten_leaves(json.loads(_configuration_update(component).get("merge") or "{}"))


def _configuration_update(component: Mapping[str, Any]) -> Json:
    return component.get("configurationUpdate") or {}


def _describe_additions(station: DesiredStation) -> Iterable[str]:
    names = (f"{name} {component.version}" for name, component in station.components.items())
    return (f"+ {', '.join(names)}",)
