"""Back to what a station ran before."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tools.fleet.cloud import Cloud, NotThereError, all_of
from tools.fleet.planning import NOT_STANDING, changed
from tools.fleet.requests import again
from tools.fleet.rollout import ENDED_BADLY

Json = dict[str, Any]


@dataclass(frozen=True)
class WayBack:
    """One station: the request that brings it back, or why there is none."""

    station: str
    request: Json | None
    words: str
    changes: tuple[str, ...] = ()


def ways_back(cloud: Cloud, stations: Iterable[str]) -> list[WayBack]:
    """For each station, the deployment before the last that came through."""
    return list(all_of(lambda station: _way_back(cloud, station), stations))


def earlier(history: Sequence[Json], failed: Collection[str] = ()) -> Json | None:
    """Of a history, newest first: the last one before the newest that came through and was not undone.

    `failed` has the ids of those that did not come through on the station.
    """
    newest, before = history[0], history[1:]
    undone = _goes_back_to(newest)
    passed = not undone
    for entry in before:
        if entry["deploymentId"] == undone:
            passed = True  # what was gone back to: the next step back is before it
            continue
        standing = (
            entry.get("deploymentStatus") not in NOT_STANDING
            and entry["deploymentId"] not in failed
        )
        if passed and standing and not _goes_back_to(entry):
            return entry
    return None


def _goes_back_to(entry: Json) -> str:
    return str(entry.get("deploymentName") or "").partition(" back to ")[2]


def _way_back(cloud: Cloud, station: str) -> WayBack:
    history = cloud.history(station)
    if not history:
        return WayBack(station, None, "never had a deployment")
    try:
        said = list(cloud.outcomes(station))
    except NotThereError as error:
        return WayBack(station, None, f"not provisioned ({error})")
    failed = {
        entry["deploymentId"] for entry in said if entry["coreDeviceExecutionStatus"] in ENDED_BADLY
    }
    found = earlier(history, failed)
    if found is None:
        return WayBack(station, None, "has no earlier deployment that came through")
    content = cloud.deployment(found["deploymentId"])
    request = again(content, history[0]["deploymentId"])
    now = cloud.deployment(history[0]["deploymentId"])
    lines = tuple(changed(now, request))
    return WayBack(station, request, f"back to {found['deploymentId']}", lines)
