"""Rolls out a plan: canaries, a pause, then group by group, as far as failures and health allow.

Within a group the IoT job keeps the pace and aborts itself; this tool goes from group to group, watches
the stations that have the change, and cancels what is under way if they fail or fall ill. It keeps no
state: a new plan continues the rollout.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.fleet.deployment_file import RolloutSettings
from tools.fleet.fleet_client import FleetClient
from tools.fleet.fleet_plan import FleetPlan, GroupPlan, WavePlan
from tools.fleet.rollout_clock import RolloutClock
from tools.fleet.service_calls import ExistingResourceError, FleetError, UnknownResourceError
from tools.fleet.settings_version import publish_settings
from tools.fleet.station_watch import (
    GroupRun,
    StationWatch,
    WatchedStations,
    describe_broken_components,
    find_ill_stations,
)
from tools.fleet.thing_migration import ThingMigration
from tools.fleet.thing_wave import ThingWave, ThingWaveOutcome

POLL_INTERVAL_S, PAUSE_POLL_S, MINUTE_S = 10.0, 30.0, 60.0
Json = dict[str, Any]
NotePrinter = Callable[[str], None]


@dataclass
class RolloutOutcome:
    """The stations' results; `silent` did not report, `missing` have no core device: neither is a failure."""

    sent: int = 0
    succeeded: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    spared: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    stopped: str = ""

    def add(self, found: WatchedStations) -> None:
        """Add a wave's stations."""
        self.succeeded += [thing for thing in found.succeeded if thing not in found.ill]
        self.failed |= found.failed | found.ill
        self.silent += found.silent
        self.spared += found.spared
        self.missing += found.missing


@dataclass
class JoiningPace:
    """How many stations may join by now: a job does not hold back the things that join its group."""

    rollout: RolloutSettings
    minute_began_s: float
    rate: float = field(init=False)
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.rate = self.left = self.rollout.stations_per_minute

    def take(self, now_s: float, wanted: int) -> int:
        """Take as many of the wanted as this minute still has; each minute has growthFactor times more."""
        while now_s - self.minute_began_s >= MINUTE_S:
            self.minute_began_s += MINUTE_S
            self.rate = min(self.rate * self.rollout.growth_factor, self.rollout.max_per_minute)
            self.left = self.rate
        taken = min(wanted, int(self.left))
        self.left -= taken
        return taken


class Rollout:
    """A roll-out under way."""

    def __init__(
        self,
        plan: FleetPlan,
        rollout: RolloutSettings,
        cloud: FleetClient,
        clock: RolloutClock,
        say: NotePrinter,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan, self._settings = plan, rollout
        self._cloud, self._clock, self._print_note = cloud, clock, say
        self._check_lock = check
        self._outcome = RolloutOutcome()
        self._earlier: WatchedStations = WatchedStations()
        self._last_report = ""

    def run(self) -> RolloutOutcome:
        """Create what is missing, then go from wave to wave until the end or a reason to stop."""
        self._check_lock()
        for creation in self._plan.creations:
            self._create_group(creation)
        if self._plan.settings is not None and self._plan.settings.is_new:
            publish_settings(self._plan.settings, self._cloud, self._clock)
        waves = self._plan.waves
        for number, wave in enumerate(waves):
            later = waves[number + 1 :]
            guarded = [w for w in later if wave.wave.site in ("", w.wave.site)]  # by these canaries
            is_more = wave.wave.is_canary and any(w.is_pending for w in guarded)
            if not wave.is_pending and not is_more:
                continue
            self._run_wave(wave, is_more)
            if self._outcome.stopped:
                return self._outcome
        for departure in self._plan.departures:
            self._check_lock()
            self._cloud.things.remove(departure.build_request())
        return self._outcome

    def _run_wave(self, wave: WavePlan, is_more: bool) -> None:
        if not self._bridge(wave):
            return
        runs = [self._send_group(entry) for entry in wave.groups]
        watch = StationWatch(self._plan.kind, runs, self._settings, self._cloud, self._clock)
        found = self._watch_wave(wave, watch)
        if is_more and not self._outcome.stopped:
            self._pause(wave, watch, found)
        self._close_wave(wave, runs, watch, found)

    def _bridge(self, wave: WavePlan) -> bool:
        """Bring things' own deployments to the file's versions; False if that stops the roll-out."""
        place, found = self._cloud.location, _migrations(wave)
        settled = {m.station.name: m.build_retirement(place) for m in found if m.is_settled}
        bridged = {
            m.station.name: m.build_bridge(place)
            for m in found
            if m.needs_bridge and not m.is_settled and m.station.name in _members(wave)
        }
        joining = {move.thing for entry in wave.groups for move in entry.moves}
        ready = {  # bridged before, but perhaps while the station was away
            m.station.name: m.deployment
            for m in found
            if not m.needs_bridge and not m.is_settled and m.station.name in joining
        }
        retired = self._run_things(settled, "retiring")
        return retired and self._run_things(bridged, "bridging", ready)

    def _run_things(
        self, requests: dict[str, Json], what: str, sent: Mapping[str, str] | None = None
    ) -> bool:
        if not requests and not sent:
            return True
        self._print_note(f"{what} {len({**requests, **(sent or {})})} deployments of single things")
        wave = ThingWave(self._settings, self._cloud, self._clock, self._check_lock)
        outcome: ThingWaveOutcome = wave.run(requests, sent or {})
        self._outcome.sent += outcome.sent
        self._outcome.failed |= outcome.failed
        words = "its own deployment has not succeeded yet; run this again when it is connected"
        self._outcome.held |= dict.fromkeys(outcome.silent, words)
        if outcome.failed:
            self._outcome.stopped = f"{what} failed on {', '.join(outcome.failed)}"
        return not outcome.failed

    def _send_group(self, entry: GroupPlan) -> GroupRun:
        members = entry.members - set(self._outcome.held)
        if entry.request is None:
            return GroupRun(entry.group.name, entry.current, entry.job, members)
        self._check_lock()
        answer = self._cloud.create_deployment(entry.request)
        self._outcome.sent += 1
        self._print_note(f"{entry.group.name}: deployment {answer['deploymentId']}")
        return GroupRun(
            entry.group.name, answer["deploymentId"], answer.get("iotJobId", ""), members
        )

    def _watch_wave(self, wave: WavePlan, watch: StationWatch) -> WatchedStations:
        """Let stations join at the roll-out's pace, for each then gets the deployment, and watch all."""
        moves = [m for e in wave.groups for m in e.moves if m.thing not in self._outcome.held]
        pace = JoiningPace(self._settings, self._clock.now_s())
        while True:
            allowed = pace.take(self._clock.now_s(), len(moves))
            joining, moves = moves[:allowed], moves[allowed:]
            if joining:
                self._check_lock()
            for move in joining:
                self._cloud.things.move(move.build_request())
            found = watch.poll()
            self._report(wave, found)
            self._outcome.stopped = self._find_stop_reason(wave, watch, found)
            if self._outcome.stopped or not (found.pending or moves):
                return found
            self._clock.wait(POLL_INTERVAL_S)

    def _find_stop_reason(self, wave: WavePlan, watch: StationWatch, found: WatchedStations) -> str:
        earlier_ill = find_ill_stations(self._earlier.succeeded, watch.devices)
        bad = {**found.failed, **found.ill, **earlier_ill}
        if wave.wave.is_canary:
            bad |= dict.fromkeys(found.silent, "no report")
            named = (f"{thing} ({words})" for thing, words in bad.items())
            if bad:
                return f"canaries: {', '.join(named)}"
        if found.aborted:
            return f"the job of {', '.join(found.aborted)} was aborted after too many failures"
        if wave.wave.is_canary:
            return ""
        return self._judge_share({**self._outcome.failed, **bad}, found)

    def _judge_share(self, bad: dict[str, str], found: WatchedStations) -> str:
        ended = len({*bad, *self._outcome.succeeded, *found.succeeded})
        share = len(bad) / ended if ended else 0.0
        if not bad or ended < self._settings.stop_after_stations:
            return ""
        if share >= self._settings.stop_at_failed_share:
            return f"{len(bad)} of {ended} stations failed or are not healthy"
        return ""

    def _pause(self, wave: WavePlan, watch: StationWatch, found: WatchedStations) -> None:
        """Watch the canaries until the last one has had the change for canaryPauseMinutes."""
        there = found.succeeded.keys() & watch.devices.keys()
        if not there and self._is_anybody_else_there(watch):
            self._outcome.stopped = "no canary is provisioned"
            return
        end_s = self._find_pause_end_s(found)
        if end_s > self._clock.now_s():
            left = (end_s - self._clock.now_s()) / MINUTE_S
            self._print_note(f"{wave.wave.title}: succeeded; watching them for {left:.1f} min")
        while not self._outcome.stopped and self._clock.now_s() < end_s:
            self._clock.wait(min(PAUSE_POLL_S, end_s - self._clock.now_s()))
            found.ill = find_ill_stations(found.succeeded, watch.read_all_health())
            self._outcome.stopped = self._find_stop_reason(wave, watch, found)
        if not self._outcome.stopped:
            self._check_canaries(watch, found)

    def _find_pause_end_s(self, found: WatchedStations) -> float:
        passed_s = max(0.0, self._clock.utc_s() - found.ended_utc_s)  # the clocks may differ
        return self._clock.now_s() + self._settings.canary_pause_minutes * MINUTE_S - passed_s

    def _is_anybody_else_there(self, watch: StationWatch) -> bool:
        return any(thing in watch.devices for entry in self._plan.groups for thing in entry.members)

    def _check_canaries(self, watch: StationWatch, found: WatchedStations) -> None:
        """At the end of the pause: their last status counts however old it is, and so do their components."""
        found.ill = find_ill_stations(found.succeeded, watch.devices, even_if_old=True)
        found.ill |= describe_broken_components(found.succeeded, self._cloud)
        named = (f"{thing} {words}" for thing, words in found.ill.items())
        if found.ill:
            self._outcome.stopped = f"canaries are not healthy: {', '.join(named)}"

    def _close_wave(
        self, wave: WavePlan, runs: Sequence[GroupRun], watch: StationWatch, found: WatchedStations
    ) -> None:
        if not self._outcome.stopped:
            found.ill |= find_ill_stations(found.succeeded, watch.devices, even_if_old=True)
        found.ill |= describe_broken_components(found.ill, self._cloud)
        self._outcome.add(found)
        self._earlier.succeeded |= found.succeeded
        if self._outcome.stopped:
            self._cancel(runs)
            return
        self._outcome.stopped = self._judge_share(self._outcome.failed, found)
        settled = [
            m for m in _migrations(wave) if not m.is_settled and m.station.name in found.succeeded
        ]
        place = self._cloud.location
        self._run_things({m.station.name: m.build_retirement(place) for m in settled}, "retiring")

    def _cancel(self, runs: Iterable[GroupRun]) -> None:
        """Whoever has not received the deployment shall not receive it, nor a station that joins later."""
        for run in runs:
            try:
                self._cloud.cancel_deployment(run.deployment)
                self._print_note(f"{run.group}: canceled {run.deployment} for stations without it")
            except (ExistingResourceError, UnknownResourceError, FleetError) as error:
                self._print_note(f"{run.group}: {run.deployment} was not canceled: {error}")

    def _create_group(self, creation: Json) -> None:
        try:
            self._cloud.things.create_group(creation)
        except ExistingResourceError:
            return

    def _report(self, wave: WavePlan, found: WatchedStations) -> None:
        words = (
            f"{wave.wave.title}: succeeded {len(found.succeeded)}, failed {len(found.failed)}, "
            f"not healthy {len(found.ill)}, no report {len(found.silent)}, pending {len(found.pending)}"
        )
        if words != self._last_report:
            self._print_note(words)
        self._last_report = words


def _migrations(wave: WavePlan) -> list[ThingMigration]:
    return [migration for entry in wave.groups for migration in entry.migrations]


def _members(wave: WavePlan) -> frozenset[str]:
    return frozenset().union(*(entry.members for entry in wave.groups))
