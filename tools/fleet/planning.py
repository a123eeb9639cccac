"""What would change, station by station."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tools.fleet.checks import Checker
from tools.fleet.cloud import Cloud, Latest, all_of
from tools.fleet.desired import DesiredStation
from tools.fleet.requests import Place, create_deployment
from tools.fleet.trees import leaves

Json = dict[str, Any]
State = Literal["new", "changed", "again", "same"]
Progress = Callable[[str, int, int], None]
SHOWN_NAMES = 3
NOT_STANDING = frozenset({"FAILED", "CANCELED"})


@dataclass(frozen=True)
class StationPlan:
    """One station: `again` is what did not come through the last time; `changes` says it in lines."""

    station: DesiredStation
    state: State
    changes: tuple[str, ...] = ()
    current: str = ""


@dataclass(frozen=True)
class Plan:
    """The whole fleet; nothing may be sent while something is `refused`."""

    thing_group: str
    stations: tuple[StationPlan, ...]
    refused: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def to_do(self) -> tuple[StationPlan, ...]:
        """Those that get a deployment, canaries first."""
        return tuple(entry for entry in self.stations if entry.state != "same")

    def requests(self, place: Place) -> list[Json]:
        """What would be sent, in order."""
        return [request_for(entry, self.thing_group, place) for entry in self.to_do]


def request_for(entry: StationPlan, thing_group: str, place: Place) -> Json:
    """The CreateDeployment of one station."""
    return create_deployment(entry.station, thing_group, place, entry.current)


def make_plan(
    thing_group: str,
    stations: Sequence[DesiredStation],
    checker: Checker,
    cloud: Cloud | None,
    progress: Progress = lambda *_: None,
) -> Plan:
    """Check every station, then compare it with what was deployed last; without a cloud all are new.

    A station whose last deployment carries the wanted digest is not asked for.
    """
    verdicts = []
    for number, station in enumerate(stations, 1):
        verdicts.append(checker.check(station))
        progress("checking", number, len(stations))
    latest = cloud.latest() if cloud else {}
    plans = []
    for entry in all_of(lambda station: _plan_one(station, latest, cloud), stations):
        plans.append(entry)
        progress("comparing", len(plans), len(stations))
    return Plan(
        thing_group,
        tuple(plans),
        _said_once(stations, [verdict.refused for verdict in verdicts]),
        _said_once(stations, [verdict.unchecked for verdict in verdicts]),
    )


def _said_once(
    stations: Sequence[DesiredStation], lines: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    by_line: dict[str, list[str]] = {}
    for station, said in zip(stations, lines, strict=True):
        for line in said:
            by_line.setdefault(line, []).append(station.name)
    return tuple(f"{_listed(names)} {line}" for line, names in by_line.items())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _plan_one(
    station: DesiredStation, latest: Mapping[str, Latest], cloud: Cloud | None
) -> StationPlan:
    last = latest.get(station.name)
    if last is None or cloud is None:
        return StationPlan(station, "new", tuple(_additions(station)))
    if last.digest == station.digest:
        if last.status in NOT_STANDING:
            words = f"the last deployment {last.status.lower()}"
            return StationPlan(station, "again", (words,), last.deployment)
        return StationPlan(station, "same", (), last.deployment)
    wanted = create_deployment(station, "", cloud.place)
    changes = tuple(changed(cloud.deployment(last.deployment), wanted))
    return StationPlan(station, "changed" if changes else "same", changes, last.deployment)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two deployments, a line each: versions, configuration, policies."""
    old, new = before.get("components") or {}, after["components"]
    lines = [f"- {name} {old[name]['componentVersion']}" for name in old if name not in new]
    lines += [f"+ {name} {new[name]['componentVersion']}" for name in new if name not in old]
    for name in (name for name in new if name in old):
        was, becomes = old[name]["componentVersion"], new[name]["componentVersion"]
        if was != becomes:
            lines.append(f"{name} {was} -> {becomes}")
        lines += _leaf_changes(f"{name} ", _merge_of(old[name]), _merge_of(new[name]))
        lines += _reset_changes(name, old[name], new[name])
    for part in ("deploymentPolicies", "iotJobConfiguration"):
        found, wanted = leaves(before.get(part) or {}), leaves(after.get(part) or {})
        ours = {key: found[key] for key in wanted if key in found}  # the service adds defaults
        lines += _leaf_changes(f"{part} ", ours, wanted)
    return lines


def _reset_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    was, becomes = _update_of(old).get("reset") or [], _update_of(new).get("reset") or []
    return [] if was == becomes else [f"{name} reset: {json.dumps(was)} -> {json.dumps(becomes)}"]


def _leaf_changes(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    for pointer in sorted({*old, *new}):
        if old.get(pointer) != new.get(pointer) or (pointer in old) != (pointer in new):
            yield f"{place}{pointer}: {_word(old, pointer)} -> {_word(new, pointer)}"


def _word(values: Mapping[str, Any], pointer: str) -> str:
    return json.dumps(values[pointer]) if pointer in values else "default"


def _merge_of(component: Mapping[str, Any]) -> Json:
    return leaves(json.loads(_update_of(component).get("merge") or "{}"))


def _update_of(component: Mapping[str, Any]) -> Json:
    return component.get("configurationUpdate") or {}


def _additions(station: DesiredStation) -> Iterable[str]:
    names = (f"{name} {component.version}" for name, component in station.components.items())
    return (f"+ {', '.join(names)}",)
