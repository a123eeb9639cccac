"""Watches the stations of groups that are being rolled out: the job's result, and their health after it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tools.fleet.deployment_file import RolloutSettings
from tools.fleet.fleet_client import CoreDevice, FleetClient
from tools.fleet.fleet_plan import UNSUCCESSFUL_EXECUTIONS
from tools.fleet.rollout_clock import RolloutClock
from tools.fleet.service_calls import UnknownResourceError, map_concurrently
from tools.fleet.thing_groups import JobExecution

MINUTE_S = 60.0
SUCCEEDED, IN_PROGRESS, QUEUED = "SUCCEEDED", "IN_PROGRESS", "QUEUED"
CANCELED_EXECUTIONS = frozenset({"CANCELED", "REMOVED"})
UNHEALTHY = "UNHEALTHY"
BROKEN_STATES = frozenset({"BROKEN", "ERRORED"})


@dataclass
class GroupRun:
    """A group's deployment while it is watched; `waited_since_s` is when a station was first waited for."""

    group: str
    deployment: str
    job: str
    members: frozenset[str]
    waited_since_s: dict[str, float] = field(default_factory=dict)


@dataclass
class WatchedStations:
    """The stations by what came of their deployment.

    `silent` did not report in time, `spared` will not get it because it was canceled, `missing` have no
    core device yet.
    """

    succeeded: dict[str, datetime | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    ill: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    spared: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)

    @property
    def ended_utc_s(self) -> float:
        """When the last station succeeded; 0 if none did."""
        times = [moment.timestamp() for moment in self.succeeded.values() if moment]
        return max(times, default=0.0)


class StationWatch:
    """Polls the jobs of some groups and the core devices of the kind."""

    def __init__(
        self,
        kind: str,
        runs: Sequence[GroupRun],
        rollout: RolloutSettings,
        cloud: FleetClient,
        clock: RolloutClock,
    ) -> None:
        self._kind, self._runs, self._rollout = kind, runs, rollout
        self._cloud, self._clock = cloud, clock
        self.devices: Mapping[str, CoreDevice] = {}
        self._asked_all_s = 0.0

    def poll(self) -> WatchedStations:
        """Ask once: three requests for each group under way, and each minute for all stations' health."""
        found = WatchedStations()
        self._read_health()
        running = [run for run in self._runs if run.job]
        executions = map_concurrently(
            lambda run: self._cloud.things.list_executions(run.job), running
        )
        for run, by_thing in zip(running, executions, strict=True):
            for thing in sorted(run.members):
                self._classify(run, thing, by_thing.get(thing), found)
            if run.members & {*found.pending, *found.spared, *found.failed}:
                self._check_abort(run, found)
        found.ill = find_ill_stations(found.succeeded, self.devices)
        return found

    def _read_health(self) -> None:
        if self.devices and self._clock.now_s() - self._asked_all_s < MINUTE_S:
            groups = [run.group for run in self._runs]
            for devices in map_concurrently(self._cloud.list_core_devices, groups):
                self.devices = {**self.devices, **devices}
        else:
            self.read_all_health()

    def read_all_health(self) -> Mapping[str, CoreDevice]:
        """Ask for the health of all stations of the kind, 100 with each request."""
        self.devices = self._cloud.list_core_devices(self._kind)
        self._asked_all_s = self._clock.now_s()
        return self.devices

    def _classify(
        self, run: GroupRun, thing: str, execution: JobExecution | None, found: WatchedStations
    ) -> None:
        status = execution.status if execution else ""
        if execution and status == SUCCEEDED:
            found.succeeded[thing] = execution.updated
        elif status in UNSUCCESSFUL_EXECUTIONS:
            found.failed[thing] = f"{status}: {self._find_reason(thing, run.deployment)}"
        elif thing not in self.devices:
            found.missing.append(thing)
        elif status in CANCELED_EXECUTIONS or self._is_overdue(run, thing, status):
            found.silent.append(thing)
        else:
            found.pending.append(thing)

    def _is_overdue(self, run: GroupRun, thing: str, status: str) -> bool:
        """A station that was notified gets stationTimeoutMinutes; the job's pace comes before."""
        now_s = self._clock.now_s()
        allowed_s = self._rollout.station_timeout_minutes * MINUTE_S
        if not status:
            allowed_s += len(run.members) / self._rollout.stations_per_minute * MINUTE_S
        since_s = run.waited_since_s.setdefault(f"{thing} {status and QUEUED}", now_s)
        return now_s - since_s >= allowed_s

    def _check_abort(self, run: GroupRun, found: WatchedStations) -> None:
        job = self._cloud.things.describe_job(run.job)
        if job.get("status") == "CANCELED":
            found.aborted.append(run.group)
            found.spared += [thing for thing in found.pending if thing in run.members]
            found.pending = [thing for thing in found.pending if thing not in run.members]

    def _find_reason(self, thing: str, deployment: str) -> str:
        try:
            answer = self._cloud.find_outcome(thing, deployment)
        except UnknownResourceError:
            answer = {}
        return str(answer.get("reason") or "no reason given")


def find_ill_stations(
    succeeded: Mapping[str, datetime | None],
    devices: Mapping[str, CoreDevice],
    even_if_old: bool = False,
) -> dict[str, str]:
    """Stations that are not healthy after their deployment succeeded.

    A status from before the deployment's end does not count, unless `even_if_old`: no newer one came.
    """
    found = {}
    for thing, ended in succeeded.items():
        device = devices.get(thing)
        if device is None or device.status != UNHEALTHY:
            continue
        if even_if_old or not ended or not device.reported or device.reported >= ended:
            found[thing] = UNHEALTHY
    return found


def describe_broken_components(things: Iterable[str], cloud: FleetClient) -> dict[str, str]:
    """The components of each station that are broken, in words; only stations that have some."""
    names = list(things)
    answers = map_concurrently(lambda thing: _list_broken(thing, cloud), names)
    return {name: words for name, words in zip(names, answers, strict=True) if words}


def _list_broken(thing: str, cloud: FleetClient) -> str:
    try:
        states = [
            f"{entry['componentName']} {entry['lifecycleState']}"
            for entry in cloud.list_installed_components(thing)
            if entry.get("lifecycleState") in BROKEN_STATES
        ]
    except UnknownResourceError:
        return ""
    return ", ".join(states)
