"""Carries out `gate_dry_run`: refuses it while production runs, drives it, and tells what came of it."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from equipment.dry_run import (
    MAX_TRIALS,
    DryRun,
    evaluate_trials,
    first_trial_number,
    is_near_trial_numbers,
    is_trial_number,
)
from equipment.links.link import OutcomesRead, WriteVerdict
from sightline.clock import Clock
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError, SightlineError
from sightline.kernel.commands import MAX_STORED_REPLIES, parse_arguments, refuse_expired
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import MessageBus
from sightline.messaging.messages import CommandAccepted, CommissioningStep, GateTrial
from sightline.messaging.topics import COMMISSIONING_STEP, EQUIPMENT
from sightline.text import truncate

log = logging.getLogger(__name__)
QUIET_NS = 10_000_000_000
DRY_RUN_KIND = "gate_dry_run"
DRY_RUN_NOT_PUBLISHED = "dry-run-not-told"
MAX_REMEMBERED_TRIALS = 256  # more than the PLC keeps outcomes of
MAX_RESULT_TEXT = 2000


class DryRunArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """How many trials, ok and reject in turn."""

    parts: Annotated[int, Meta(ge=1, le=MAX_TRIALS)] = 4


class DryRunHandler:
    """Used by the component's main thread; answers go to the cloud from a thread of their own."""

    def __init__(
        self, bus: MessageBus, clock: Clock, health: ComponentHealth, station_id: str
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._health = health
        self._station_id = station_id
        self._run: DryRun | None = None
        self._command: CommandAccepted | None = None
        self._seen_command_ids: deque[str] = deque(maxlen=MAX_STORED_REPLIES)
        self._trial_numbers: deque[int] = deque(maxlen=MAX_REMEMBERED_TRIALS)
        self._are_parts_near_trials = False
        self._last_part_ns: int | None = None

    def record_counter(self, counter: int) -> None:
        """Where the PLC's count stands: once among the trials' numbers, these may be parts'."""
        self._are_parts_near_trials = self._are_parts_near_trials or is_near_trial_numbers(counter)

    def is_trial(self, part_number: int) -> bool:
        """Whether the number is a trial's, of this run of the component or of one before, and no part's."""
        before = is_trial_number(part_number) and not self._are_parts_near_trials
        return before or part_number in self._trial_numbers

    def record_part(self, production: bool) -> None:
        """The PLC counted a part; in production that ends a run."""
        self._last_part_ns = self._clock.monotonic_ns()
        if production and self._run is not None:
            self._finish("failed", "a part was counted meanwhile: the line is not at rest")

    def handle_command(self, command: CommandAccepted, lacking: str, production: bool) -> None:
        """Begin a run, unless it cannot be; `lacking` says why the PLC cannot take one."""
        if command.kind != DRY_RUN_KIND or command.command_id in self._seen_command_ids:
            return
        self._seen_command_ids.append(command.command_id)
        try:
            refuse_expired(command, self._clock.utc_ns())
            asked = parse_arguments(command, DryRunArguments)
            self._check_startable(lacking, production)
        except SightlineError as error:
            self._publish_result(command, "failed", str(error))
            return
        self._command = command
        self._run = DryRun(first_trial_number(self._clock.utc_ns()), asked.parts)
        log.info("gate dry run", extra={"parts": asked.parts, "by": command.issued_by})

    def tick(self, request: Callable[[WriteVerdict], None]) -> None:
        """Order the next trial when due; tell the result when all are through."""
        if self._run is None:
            return
        now_ns = self._clock.monotonic_ns()
        order = self._run.next_request(now_ns)
        if order is not None:
            self._trial_numbers.append(order.part_number)
            request(order)
        elif self._run.is_over(now_ns):
            is_good, text = evaluate_trials(self._run.build_trials())
            self._finish("done" if is_good else "failed", text)

    def record_echo(self, part_number: int) -> bool:
        """Whether the echo is a trial's."""
        if self._run is not None:
            self._run.record_echo(part_number, self._clock.monotonic_ns())
        return self.is_trial(part_number)

    def record_outcomes(self, reading: OutcomesRead) -> None:
        """What the PLC's gate did, with trials among it."""
        if self._run is not None:
            now_ns = self._clock.monotonic_ns()
            for record in reading.records:
                self._run.record_outcome(record, now_ns)

    def handle_link_down(self) -> None:
        """The PLC is away."""
        if self._run is not None:
            self._finish("failed", "the connection to the PLC was lost meanwhile")

    def _check_startable(self, lacking: str, production: bool) -> None:
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

    def _finish(self, result: str, text: str) -> None:
        run, command, self._run, self._command = self._run, self._command, None, None
        if run is not None and command is not None:
            self._publish_result(command, result, text, run.build_trials())

    def _publish_result(
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
            text=truncate(text, MAX_RESULT_TEXT),
            trials=trials,
        )
        publish_in_background(lambda: self._publish(step))

    def _publish(self, step: CommissioningStep) -> None:
        try:
            self._bus.publish(COMMISSIONING_STEP, step)
            self._health.clear_fault(DRY_RUN_NOT_PUBLISHED)
        except Exception as error:  # its thread ends here, and nobody else would hear of it
            log.exception("the result of the dry run is not told")
            self._health.raise_fault(
                DRY_RUN_NOT_PUBLISHED,
                f"The result of the gate's dry run {step.command_id} could not be told "
                f"({type(error).__name__}: {error}). Start the dry run again.",
                "warning",
            )


def explain_no_dry_run(link_is_up: bool, takes_dry_runs: bool, counter: int | None) -> str:
    """Why the PLC can take no dry run; nothing if it can."""
    if not link_is_up:
        return "the PLC is away"
    if counter is not None and is_near_trial_numbers(counter):
        return f"the PLC's counter stands at {counter}, among the numbers of dry runs: set it back first"
    if not takes_dry_runs:
        return "no register for the dry run is configured (dryRun of the link's nodes or registers)"
    return ""


def publish_in_background(work: Callable[[], None]) -> None:
    """The main loop shows the PLC that it lives, and must not wait for the cloud."""
    threading.Thread(target=work, name="dry-run-result", daemon=True).start()
