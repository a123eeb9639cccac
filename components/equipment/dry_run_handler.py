"""Drives a gate dry run: refuses it while production runs, orders its trials, and says what came of it."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Annotated, Protocol

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
from sightline.errors import CommandError
from sightline.kernel.commissioning_replies import StepDetails
from sightline.messaging.messages import CommandResult

log = logging.getLogger(__name__)
QUIET_NS = 10_000_000_000
MAX_REMEMBERED_TRIALS = 256  # more than the PLC keeps outcomes of


class DryRunArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """How many trials, ok and reject in turn."""

    parts: Annotated[int, Meta(ge=1, le=MAX_TRIALS)] = 4


class FinishCommand(Protocol):
    """Gives the reply to a command that was begun."""

    def __call__(
        self, command_id: str, result: CommandResult, text: str, change: StepDetails
    ) -> None: ...


class DryRunHandler:
    """Used by the component's main thread."""

    def __init__(self, clock: Clock, finish_command: FinishCommand) -> None:
        self._clock = clock
        self._finish_command = finish_command
        self._run: DryRun | None = None
        self._command_id = ""
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
        if production:
            self._finish("refused", "a part was counted meanwhile: the line is not at rest")

    def start(
        self, command_id: str, arguments: DryRunArguments, obstacle: str, production: bool
    ) -> None:
        """Begin a run; CommandError if it cannot be; `obstacle` says why the PLC cannot take one."""
        self._check_startable(obstacle, production)
        self._command_id = command_id
        self._run = DryRun(first_trial_number(self._clock.utc_ns()), arguments.parts)
        log.info("gate dry run", extra={"parts": arguments.parts})

    def advance(self, request: Callable[[WriteVerdict], None]) -> None:
        """Order the next trial when due; give the reply when all are through."""
        if self._run is None:
            return
        now_ns = self._clock.monotonic_ns()
        order = self._run.start_next_trial(now_ns)
        if order is not None:
            self._trial_numbers.append(order.part_number)
            request(order)
        elif self._run.is_over(now_ns):
            is_good, text = evaluate_trials(self._run.build_trials())
            self._finish("done" if is_good else "refused", text)

    def record_echo(self, part_number: int) -> None:
        """The PLC echoed a number, perhaps a trial's."""
        if self._run is not None:
            self._run.record_echo(part_number, self._clock.monotonic_ns())

    def record_outcomes(self, reading: OutcomesRead) -> None:
        """What the PLC's gate did, with trials among it."""
        if self._run is not None:
            now_ns = self._clock.monotonic_ns()
            for record in reading.records:
                self._run.record_outcome(record, now_ns)

    def record_link_down(self) -> None:
        """The PLC is away."""
        self._finish("refused", "the connection to the PLC was lost meanwhile")

    def _check_startable(self, obstacle: str, production: bool) -> None:
        if obstacle:
            raise CommandError(obstacle)
        if self._run is not None:
            raise CommandError("a dry run is already running: wait for its result")
        last_ns = self._last_part_ns
        quiet = last_ns is None or self._clock.monotonic_ns() - last_ns > QUIET_NS
        if production and not quiet:
            raise CommandError(
                "production runs: stop the line for 10 s, or pause the station, or set it to maintenance"
            )

    def _finish(self, result: CommandResult, text: str) -> None:
        """End the run, if there is one."""
        run, self._run = self._run, None
        if run is not None:
            details = StepDetails(trials=run.build_trials())
            self._finish_command(self._command_id, result, text, details)


def explain_no_dry_run(link_is_up: bool, takes_dry_runs: bool, counter: int | None) -> str:
    """Why the PLC can take no dry run; nothing if it can."""
    if not link_is_up:
        return "the PLC is not connected"
    if counter is not None and is_near_trial_numbers(counter):
        return f"the PLC's counter is at {counter}, among the numbers of dry runs: reset it first"
    if not takes_dry_runs:
        return "no register for the dry run is configured (dryRun of the link's nodes or registers)"
    return ""
