"""Sends deployments to single things at the roll-out's pace and waits for each: only while they retire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.fleet.deployment_file import RolloutSettings
from tools.fleet.fleet_client import FleetClient
from tools.fleet.rollout_clock import RolloutClock
from tools.fleet.service_calls import UnknownResourceError, map_concurrently

Json = dict[str, Any]
MINUTE_S, POLL_INTERVAL_S = 60.0, 5.0
SUCCEEDED_STATUSES = frozenset({"SUCCEEDED", "COMPLETED"})
UNSUCCESSFUL_STATUSES = frozenset({"FAILED", "TIMED_OUT", "CANCELED", "REJECTED"})


@dataclass
class ThingWaveOutcome:
    """The things by what came of their deployment."""

    sent: int = 0
    succeeded: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)


class ThingWave:
    """One wave; a failure stops it, what is on its way is waited for."""

    def __init__(
        self,
        rollout: RolloutSettings,
        cloud: FleetClient,
        clock: RolloutClock,
        check: Callable[[], None],
    ) -> None:
        self._rollout, self._cloud, self._clock, self._check = rollout, cloud, clock, check
        self._running: dict[str, tuple[str, float]] = {}

    def run(self, requests: Mapping[str, Json], sent: Mapping[str, str]) -> ThingWaveOutcome:
        """Send each thing's request, `stationsPerMinute` a minute, and wait until all have ended.

        `sent` has deployments from before that are waited for, too, by thing.
        """
        self._running = {thing: (name, self._clock.now_s()) for thing, name in sent.items()}
        outcome, waiting, started_s = ThingWaveOutcome(), list(requests), self._clock.now_s()
        while (waiting and not outcome.failed) or self._running:
            passed_s = self._clock.now_s() - started_s
            allowed = 1 + self._rollout.stations_per_minute * passed_s / MINUTE_S
            while waiting and not outcome.failed and outcome.sent < allowed:
                self._send(waiting.pop(0), requests, outcome)
            self._poll(outcome)
            if self._running or (waiting and not outcome.failed):
                self._clock.wait(POLL_INTERVAL_S)
        return outcome

    def _send(self, thing: str, requests: Mapping[str, Json], outcome: ThingWaveOutcome) -> None:
        self._check()
        answer = self._cloud.create_deployment(requests[thing])
        self._running[thing] = (answer["deploymentId"], self._clock.now_s())
        outcome.sent += 1

    def _poll(self, outcome: ThingWaveOutcome) -> None:
        polled, self._running = self._running, {}
        answers = map_concurrently(self._find_outcome, [(t, d) for t, (d, _) in polled.items()])
        for (thing, (deployment, since_s)), answer in zip(polled.items(), answers, strict=True):
            status = answer.get("coreDeviceExecutionStatus", "")
            timeout_s = self._rollout.station_timeout_minutes * MINUTE_S
            if status in SUCCEEDED_STATUSES:
                outcome.succeeded.append(thing)
            elif status in UNSUCCESSFUL_STATUSES:
                outcome.failed[thing] = f"{status}: {answer.get('reason') or 'no reason given'}"
            elif self._clock.now_s() - since_s >= timeout_s:
                outcome.silent.append(thing)
            else:
                self._running[thing] = (deployment, since_s)

    def _find_outcome(self, running: tuple[str, str]) -> Json:
        try:
            return self._cloud.find_outcome(*running)
        except UnknownResourceError:  # no core device of this name yet
            return {}
