"""Carries out `gate_dry_run`: refuses it while production runs, drives it, and tells what came of it."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from equipment.dry_run import MAX_TRIALS, DryRun, first_number, is_among_trials, is_in_reach, judged
from equipment.links.link import OutcomesRead, VerdictOrder
from sightline.bus import Bus
from sightline.clock import Clock
from sightline.commands import ANSWERS_KEPT, arguments_of, refuse_late
from sightline.configuration import Configuration
from sightline.errors import CommandError, SightlineError
from sightline.health import Health
from sightline.messages import CommandAccepted, CommissioningStep, GateTrial
from sightline.texts import cut
from sightline.topics import COMMISSIONING_STEP, EQUIPMENT

log = logging.getLogger(__name__)
QUIET_NS = 10_000_000_000
KIND = "gate_dry_run"
NOT_TOLD = "dry-run-not-told"
TRIALS_KEPT = 256  # more than the PLC keeps outcomes of
LONGEST_TEXT = 2000


class DryRunArguments(Configuration, frozen=True, kw_only=True):
    """How many trials, ok and reject in turn."""

    parts: Annotated[int, Meta(ge=1, le=MAX_TRIALS)] = 4


class DryRunDesk:
    """Used by the component's main thread; answers go to the cloud from a thread of their own."""

    def __init__(self, bus: Bus, clock: Clock, health: Health, station_id: str) -> None:
        self._bus = bus
        self._clock = clock
        self._health = health
        self._station_id = station_id
        self._run: DryRun | None = None
        self._command: CommandAccepted | None = None
        self._taken_ids: deque[str] = deque(maxlen=ANSWERS_KEPT)
        self._trial_numbers: deque[int] = deque(maxlen=TRIALS_KEPT)
        self._are_parts_in_reach = False
        self._last_part_ns: int | None = None

    def see_counter(self, counter: int) -> None:
        """Where the PLC's count stands: once among the trials' numbers, these may be parts'."""
        self._are_parts_in_reach = self._are_parts_in_reach or is_in_reach(counter)

    def is_trial(self, part_number: int) -> bool:
        """Whether the number is a trial's, of this run of the component or of one before, and no part's."""
        before = is_among_trials(part_number) and not self._are_parts_in_reach
        return before or part_number in self._trial_numbers

    def part_came(self, production: bool) -> None:
        """The PLC counted a part; in production that ends a run."""
        self._last_part_ns = self._clock.monotonic_ns()
        if production and self._run is not None:
            self._end("failed", "a part was counted meanwhile: the line is not at rest")

    def take(self, command: CommandAccepted, lacking: str, production: bool) -> None:
        """Begin a run, unless it cannot be; `lacking` says why the PLC cannot take one."""
        if command.kind != KIND or command.command_id in self._taken_ids:
            return
        self._taken_ids.append(command.command_id)
        try:
            refuse_late(command, self._clock.utc_ns())
            asked = arguments_of(command, DryRunArguments)
            self._refuse_now(lacking, production)
        except SightlineError as error:
            self._tell(command, "failed", str(error))
            return
        self._command = command
        self._run = DryRun(first_number(self._clock.utc_ns()), asked.parts)
        log.info("gate dry run", extra={"parts": asked.parts, "by": command.issued_by})

    def tick(self, request: Callable[[VerdictOrder], None]) -> None:
        """Order the next trial when due; tell the result when all are through."""
        if self._run is None:
            return
        now_ns = self._clock.monotonic_ns()
        order = self._run.next_order(now_ns)
        if order is not None:
            self._trial_numbers.append(order.part_number)
            request(order)
        elif self._run.is_over(now_ns):
            is_good, text = judged(self._run.told())
            self._end("done" if is_good else "failed", text)

    def see_echo(self, part_number: int) -> bool:
        """Whether the echo is a trial's."""
        if self._run is not None:
            self._run.see_echo(part_number, self._clock.monotonic_ns())
        return self.is_trial(part_number)

    def see_outcomes(self, reading: OutcomesRead) -> None:
        """What the PLC's gate did, with trials among it."""
        if self._run is not None:
            now_ns = self._clock.monotonic_ns()
            for record in reading.records:
                self._run.see_outcome(record, now_ns)

    def link_lost(self) -> None:
        """The PLC is away."""
        if self._run is not None:
            self._end("failed", "the connection to the PLC was lost meanwhile")

    def _refuse_now(self, lacking: str, production: bool) -> None:
        if lacking:
            raise CommandError(lacking)
        if self._run is not None:
            raise CommandError("a dry run is under way")
        last_ns = self._last_part_ns
        quiet = last_ns is None or self._clock.monotonic_ns() - last_ns > QUIET_NS
        if production and not quiet:
            raise CommandError(
                "production runs: stop the line for 10 s, or pause the station, or set it to maintenance"
            )

    def _end(self, result: str, text: str) -> None:
        run, command, self._run, self._command = self._run, self._command, None, None
        if run is not None and command is not None:
            self._tell(command, result, text, run.told())

    def _tell(
        self, command: CommandAccepted, result: str, text: str, trials: tuple[GateTrial, ...] = ()
    ) -> None:
        log.info("gate dry run", extra={"result": result, "text": text})
        step = CommissioningStep(
            station_id=self._station_id,
            command_id=command.command_id,
            kind=command.kind,
            component=EQUIPMENT,
            result="done" if result == "done" else "failed",
            at_utc_ns=self._clock.utc_ns(),
            text=cut(text, LONGEST_TEXT),
            trials=trials,
        )
        in_background(lambda: self._publish(step))

    def _publish(self, step: CommissioningStep) -> None:
        try:
            self._bus.publish(COMMISSIONING_STEP, step)
            self._health.clear_fault(NOT_TOLD)
        except Exception as error:  # its thread ends here, and nobody else would hear of it
            log.exception("the result of the dry run is not told")
            self._health.raise_fault(
                NOT_TOLD,
                f"The result of the gate's dry run {step.command_id} could not be told "
                f"({type(error).__name__}: {error}). Start the dry run again.",
                "warning",
            )


def why_none(link_is_up: bool, takes_dry_runs: bool, counter: int | None) -> str:
    """Why the PLC can take no dry run; nothing if it can."""
    if not link_is_up:
        return "the PLC is away"
    if counter is not None and is_in_reach(counter):
        return f"the PLC's counter stands at {counter}, among the numbers of dry runs: set it back first"
    if not takes_dry_runs:
        return "no register for the dry run is configured (dryRun of the link's nodes or registers)"
    return ""


def in_background(work: Callable[[], None]) -> None:
    """The main loop shows the PLC that it lives, and must not wait for the cloud."""
    threading.Thread(target=work, name="dry-run-result", daemon=True).start()
