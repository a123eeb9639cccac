"""The gate's dry run: parts that nobody counted go through the hand-shake, one after the other.

A trial's number is far above the PLC's counter; the PLC takes it into its gate's logic only if no counted
part is under way. Pure: orders and answers are handed out and in, with the time.
"""

from dataclasses import dataclass, field
from typing import Literal

from equipment.links.link import GateRecord, WriteVerdict
from sightline.messaging.messages import GateAction, GateTrial

FIRST_TRIAL_NUMBER = 4_000_000_000
TRIAL_NUMBER_COUNT = 294_000_000
TRIAL_NUMBER_CLEARANCE = 1_000_000
MAX_TRIALS = 20
TRIAL_WRITE_WITHIN_NS = 1_000_000_000
ECHO_TIMEOUT_NS = 3_000_000_000
TRIAL_TIMEOUT_NS = 15_000_000_000
TrialVerdict = Literal["ok", "reject"]
EXPECTED_ACTIONS: dict[TrialVerdict, GateAction] = {"ok": "passed", "reject": "rejected"}


def is_trial_number(number: int) -> bool:
    """Whether the number could be a trial's; the last ones below the counter's top never are."""
    return FIRST_TRIAL_NUMBER <= number < FIRST_TRIAL_NUMBER + TRIAL_NUMBER_COUNT + MAX_TRIALS


def is_near_trial_numbers(counter: int) -> bool:
    """Whether the PLC counts so high that a trial's number could soon be a part's, or just was one."""
    return counter >= FIRST_TRIAL_NUMBER - TRIAL_NUMBER_CLEARANCE


def first_trial_number(utc_ns: int) -> int:
    """A number for the first trial of a run that begins now; none of the last weeks had it."""
    return FIRST_TRIAL_NUMBER + utc_ns // 10_000_000 % TRIAL_NUMBER_COUNT


@dataclass
class _TrialProgress:
    number: int
    ordered: TrialVerdict
    ordered_ns: int
    echo_ns: int | None = None
    acted_ns: int | None = None
    record: GateRecord | None = None

    def to_message(self, place: int) -> GateTrial:
        """The trial as the message has it."""
        return GateTrial(
            number=place,
            ordered=self.ordered,
            echoed=None if self.echo_ns is None else place,
            acted=None if self.record is None else self.record.action,
            order_to_echo_ms=_ms(self.ordered_ns, self.echo_ns),
            order_to_act_ms=_ms(self.ordered_ns, self.acted_ns),
            cause="" if self.record is None else self.record.cause,
        )


@dataclass
class DryRun:
    """One run of so many trials, ok and reject in turn."""

    first: int
    trial_count: int
    trials: list[_TrialProgress] = field(default_factory=list)

    def start_next_trial(self, now_ns: int) -> WriteVerdict | None:
        """Start the next trial, once the one before is through; its order, or None."""
        if self.trials and not self._is_through(self.trials[-1]):
            return None
        place = len(self.trials)
        if place >= self.trial_count:
            return None
        ordered: TrialVerdict = "ok" if place % 2 == 0 else "reject"
        self.trials.append(_TrialProgress(self.first + place, ordered, now_ns))
        verdict: Literal["ok", "defect"] = "ok" if ordered == "ok" else "defect"
        number = self.first + place
        return WriteVerdict(number, verdict, now_ns + TRIAL_WRITE_WITHIN_NS, dry_run=True)

    def record_echo(self, part_number: int, now_ns: int) -> None:
        """The PLC echoed a number."""
        for trial in self.trials:
            if trial.number == part_number and trial.echo_ns is None:
                trial.echo_ns = now_ns

    def record_outcome(self, record: GateRecord, now_ns: int) -> None:
        """The PLC's gate acted."""
        for trial in self.trials:
            if trial.number == record.part_number and trial.record is None:
                trial.record, trial.acted_ns = record, now_ns

    def is_over(self, now_ns: int) -> bool:
        """Whether all trials are through, or one is out of time, which ends the run."""
        if not self.trials:
            return False
        last = self.trials[-1]
        if self._is_through(last):
            return len(self.trials) == self.trial_count
        allowed_ns = ECHO_TIMEOUT_NS if last.echo_ns is None else TRIAL_TIMEOUT_NS
        return now_ns - last.ordered_ns > allowed_ns

    def build_trials(self) -> tuple[GateTrial, ...]:
        """All trials so far, counted from 1."""
        return tuple(trial.to_message(place) for place, trial in enumerate(self.trials, start=1))

    @staticmethod
    def _is_through(trial: _TrialProgress) -> bool:
        return trial.record is not None and trial.echo_ns is not None


def evaluate_trials(trials: tuple[GateTrial, ...]) -> tuple[bool, str]:
    """Whether the gate did what it was to do each time, and in words."""
    wrong = [text for trial in trials if (text := _describe_failure(trial))]
    if wrong:
        return False, "; ".join(wrong)
    echoes = [t.order_to_echo_ms for t in trials if t.order_to_echo_ms is not None]
    return True, (
        f"{len(trials)} trials: each echoed (within {max(echoes):.0f} ms), "
        "the gate opened for each ok and for nothing else"
    )


def _describe_failure(trial: GateTrial) -> str:
    what = f"trial {trial.number} ({trial.ordered})"
    if trial.echoed is None and trial.acted is None:
        return f"{what}: the PLC did not take it; are parts on the belt, or does its program have no dry run?"
    if trial.echoed is None:
        return f"{what}: no echo, and the gate {trial.acted} it ({trial.cause})"
    if trial.acted is None:
        return f"{what}: the PLC echoed it, but reported no outcome"
    if trial.acted != EXPECTED_ACTIONS[trial.ordered]:
        return f"{what}: the gate {trial.acted} it ({trial.cause})"
    return ""


def _ms(from_ns: int, to_ns: int | None) -> float | None:
    return None if to_ns is None else round((to_ns - from_ns) / 1e6, 1)
