"""Rolls out a plan: canaries first, then the others at a growing rate while none fails.

It keeps no state: sent deployments are stored by the service, and a new plan continues the rollout.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tools.fleet.deployment_file import RolloutSettings
from tools.fleet.fleet_client import FleetClient, UnknownResourceError, map_concurrently
from tools.fleet.fleet_plan import FleetPlan, StationPlan, build_plan_request

SUCCEEDED_STATUSES = frozenset({"SUCCEEDED", "COMPLETED"})
UNSUCCESSFUL_STATUSES = frozenset({"FAILED", "TIMED_OUT", "CANCELED", "REJECTED"})
NOT_PROVISIONED = "NOT_THERE"  # this tool's own status for stations that the service does not know
POLL_INTERVAL_S = 5.0
MINUTE_S = 60.0
Json = dict[str, Any]
NotePrinter = Callable[[str], None]


class RolloutClock(Protocol):
    """The clock of a rollout, replaceable in tests."""

    def now_s(self) -> float:
        """A monotonic time in seconds."""

    def utc_s(self) -> float:
        """Seconds since 1970, as in the service's timestamps."""

    def wait(self, seconds: float) -> None:
        """Wait for this time."""


class SystemRolloutClock:
    """The machine's own clock."""

    def now_s(self) -> float:
        """The monotonic clock."""
        return time.monotonic()

    def utc_s(self) -> float:
        """The machine's time of day."""
        return time.time()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


@dataclass
class RolloutOutcome:
    """The stations' results; `silent` stations did not report within the timeout.

    Stations in `missing` are not provisioned: they block nothing and do not count as failed.
    `ended_utc_s` is when the last successful one ended.
    """

    sent: int = 0
    succeeded: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    ended_utc_s: float = 0.0
    stopped: str = ""

    def add(self, other: "RolloutOutcome") -> None:
        """Add another wave's outcome."""
        self.sent += other.sent
        self.succeeded += other.succeeded
        self.failed |= other.failed
        self.silent += other.silent
        self.missing |= other.missing
        self.ended_utc_s = max(self.ended_utc_s, other.ended_utc_s)
        self.stopped = self.stopped or other.stopped


@dataclass
class RolloutPace:
    """How many deployments may have been sent by now; the rate grows each minute without a failure."""

    rollout: RolloutSettings
    started_s: float
    rate: float = field(init=False)
    allowed: float = 1.0
    advanced_s: float = field(init=False)
    grown_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.rate = min(self.rollout.stations_per_minute, self.rollout.max_per_minute)
        self.advanced_s = self.grown_s = self.started_s

    def advance(self, now_s: float, failed_since: bool) -> None:
        """Advance to now: allow more, and raise the rate if none has failed."""
        self.allowed += self.rate * (now_s - self.advanced_s) / MINUTE_S
        self.advanced_s = now_s
        if failed_since:
            self.rate, self.grown_s = self.rollout.stations_per_minute, now_s
        elif now_s - self.grown_s >= MINUTE_S:
            faster = self.rate * self.rollout.growth_factor
            self.rate, self.grown_s = min(faster, self.rollout.max_per_minute), now_s


@dataclass(frozen=True)
class RunningDeployment:
    """A deployment sent to a station and not ended yet."""

    station: str
    deployment: str
    since_s: float


class RolloutWave:
    """One wave of stations: sends at the allowed pace, polls the results, and may stop."""

    def __init__(
        self, plan: FleetPlan, cloud: FleetClient, clock: RolloutClock, say: NotePrinter
    ) -> None:
        self._plan = plan
        self._cloud = cloud
        self._clock = clock
        self._print_note = say
        self._running: list[RunningDeployment] = []
        self._last_report = ""

    def run(
        self, entries: Sequence[StationPlan], rollout: RolloutSettings, strict: bool
    ) -> RolloutOutcome:
        """Send and wait until each has ended or timed out; `strict`: one failure stops the wave.

        Stations that already have the wanted deployment are only waited for.
        """
        outcome, pace = RolloutOutcome(), RolloutPace(rollout, self._clock.now_s())
        waiting = [entry for entry in entries if entry.state != "same"]
        self._running = [
            self._build_running_deployment(e, e.current) for e in entries if e.state == "same"
        ]
        while (waiting and not outcome.stopped) or self._running:
            failed_before = len(outcome.failed)
            while waiting and not outcome.stopped and outcome.sent < pace.allowed:
                self._send_deployment(waiting.pop(0), outcome)
            self._poll_outcomes(outcome, rollout.station_timeout_minutes * MINUTE_S)
            outcome.stopped = outcome.stopped or _find_stop_reason(outcome, rollout, strict)
            self._report(_describe_outcome(outcome, len(self._running) + len(waiting)))
            if self._running or (waiting and not outcome.stopped):
                self._clock.wait(POLL_INTERVAL_S)
            pace.advance(self._clock.now_s(), failed_since=len(outcome.failed) > failed_before)
        return outcome

    def _report(self, words: str) -> None:
        if words != self._last_report:
            self._print_note(words)
        self._last_report = words

    def _build_running_deployment(self, entry: StationPlan, deployment: str) -> RunningDeployment:
        return RunningDeployment(entry.station.name, deployment, self._clock.now_s())

    def _send_deployment(self, entry: StationPlan, outcome: RolloutOutcome) -> None:
        request = build_plan_request(entry, self._plan.thing_group, self._cloud.location)
        try:
            self._running.append(
                self._build_running_deployment(entry, self._cloud.create_deployment(request))
            )
            outcome.sent += 1
        except UnknownResourceError as error:
            outcome.missing[entry.station.name] = str(error)

    def _find_outcome(self, running: RunningDeployment) -> Json:
        try:
            return self._cloud.find_outcome(running.station, running.deployment)
        except UnknownResourceError as error:
            return {"coreDeviceExecutionStatus": NOT_PROVISIONED, "reason": str(error)}

    def _poll_outcomes(self, outcome: RolloutOutcome, timeout_s: float) -> None:
        polled, self._running = self._running, []
        for running, answer in zip(
            polled, map_concurrently(self._find_outcome, polled), strict=True
        ):
            status = answer.get("coreDeviceExecutionStatus", "")
            if status in SUCCEEDED_STATUSES:
                outcome.succeeded.append(running.station)
                ended_utc_s = answer["modifiedTimestamp"].timestamp()
                outcome.ended_utc_s = max(outcome.ended_utc_s, ended_utc_s)
            elif status in UNSUCCESSFUL_STATUSES:
                outcome.failed[running.station] = (
                    f"{status}: {answer.get('reason') or 'no reason given'}"
                )
            elif status == NOT_PROVISIONED:
                outcome.missing[running.station] = answer["reason"]
            elif self._clock.now_s() - running.since_s >= timeout_s:
                outcome.silent.append(running.station)
            else:
                self._running.append(running)


def roll_out(
    plan: FleetPlan,
    cloud: FleetClient,
    clock: RolloutClock,
    say: NotePrinter,
    rollout: RolloutSettings | None = None,
) -> RolloutOutcome:
    """Roll out to the canaries, check that they stay healthy for a pause, then to all others."""
    entries = plan.stations
    given = rollout or entries[0].station.rollout
    wave = RolloutWave(plan, cloud, clock, say)
    canaries = [entry for entry in entries if entry.station.canary]
    others = [entry for entry in plan.pending if not entry.station.canary]
    outcome = RolloutOutcome()
    if canaries:
        outcome.add(wave.run(canaries, given, strict=True))
        if others and not outcome.stopped:
            _pause_after_canaries(outcome.ended_utc_s, given, clock, say)
            there = [entry for entry in canaries if entry.station.name not in outcome.missing]
            outcome.stopped = _find_unhealthy_canaries(there, cloud, plan.thing_group)
    if not outcome.stopped:
        outcome.add(wave.run(others, given, strict=False))
    return outcome


def _pause_after_canaries(
    ended_utc_s: float, rollout: RolloutSettings, clock: RolloutClock, say: NotePrinter
) -> None:
    """Wait for the rest of the pause; none if the canaries have had the change long enough."""
    passed_s = max(0.0, clock.utc_s() - ended_utc_s)  # the clocks may differ
    left_s = rollout.canary_pause_minutes * MINUTE_S - passed_s
    if left_s > 0:
        say(f"canaries succeeded; waiting {left_s / MINUTE_S:.1f} min before the other stations")
        clock.wait(left_s)


def _find_unhealthy_canaries(
    canaries: Sequence[StationPlan], cloud: FleetClient, thing_group: str
) -> str:
    if not canaries:
        return "no canary is provisioned"
    devices = cloud.list_core_devices(thing_group)
    ill = [
        f"{entry.station.name} {devices.get(entry.station.name, {}).get('status', 'unknown')}"
        for entry in canaries
        if devices.get(entry.station.name, {}).get("status") != "HEALTHY"
    ]
    return f"canaries are not healthy: {', '.join(ill)}" if ill else ""


def _find_stop_reason(outcome: RolloutOutcome, rollout: RolloutSettings, strict: bool) -> str:
    if strict and (outcome.failed or outcome.silent):
        return f"canaries failed or did not report: {', '.join([*outcome.failed, *outcome.silent])}"
    ended = len(outcome.failed) + len(outcome.succeeded)
    share = len(outcome.failed) / ended if ended else 0.0
    if ended >= rollout.stop_after_stations and share > rollout.stop_at_failed_share:
        return f"{len(outcome.failed)} of {ended} stations failed"
    return ""


def _describe_outcome(outcome: RolloutOutcome, waiting: int) -> str:
    ended = f"succeeded {len(outcome.succeeded)}, failed {len(outcome.failed)}"
    return f"sent {outcome.sent}, {ended}, no report {len(outcome.silent)}, pending {waiting}"
