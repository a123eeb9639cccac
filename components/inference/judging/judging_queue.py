"""The captured parts that wait for their verdict, in order: each is judged, or missed for a reason."""

from collections import deque
from collections.abc import Sequence

from inference.configuration import InferenceConfiguration
from inference.judging.part_judge import PartJudge
from inference.ledger.ledger_errors import LedgerError
from inference.ledger.part_sequence import is_new_part
from inference.ledger.verdict_ledger import Ledger
from inference.models.model_switch import ModelSwitch
from inference.scheduling.judging_pace import JudgingPace
from inference.scheduling.judging_watchdog import JudgingWatchdog
from inference.verdicts.rule_book import PartRules, RuleBook
from inference.verdicts.verdict_committer import NO_PICTURES, VerdictCommitter
from sightline.clock import boot_id
from sightline.kernel.component import ComponentContext
from sightline.messaging.messages import PartCaptured

MAX_UNJUDGED_PARTS = 512  # parts, before some of them are worked off
BEHIND_FAULT = "epoch-behind"


class JudgingQueue:
    """Decides which of the parts that wait is judged next; used by the component's main thread."""

    def __init__(
        self,
        context: ComponentContext[InferenceConfiguration],
        rule_book: RuleBook,
        ledger: Ledger,
        models: ModelSwitch,
        committer: VerdictCommitter,
        part_judge: PartJudge,
        watchdog: JudgingWatchdog,
    ) -> None:
        self.rule_book = rule_book
        self._health = context.health
        self._clock = context.clock
        self._boot_id = boot_id()
        self._ledger = ledger
        self._models = models
        self._committer = committer
        self._part_judge = part_judge
        self._watchdog = watchdog
        self._pace = JudgingPace()
        self._waiting: deque[PartCaptured] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, captured: PartCaptured) -> None:
        """The part waits, behind all others."""
        self._waiting.append(captured)

    def judge_next(self) -> None:
        """Of the parts that wait, give `missed` to those that cannot be judged, and judge the next one.

        LedgerError: the parts whose verdicts it concerns are not published, and filled later.
        """
        while self._waiting and not is_new_part(self._ledger.last_part, self._waiting[0].part):
            self._drop_known(self._waiting.popleft())
        if not self._waiting:
            return
        first = self._waiting[0]
        if self._committer.must_wait_for_settled(first.part, first):
            return
        missed: list[tuple[PartCaptured, str]] = []
        gives_up = self._pace.count_to_give_up(
            [captured.deadline_monotonic_ns for captured in self._waiting],
            self._clock.monotonic_ns(),
        )
        while self._waiting and len(missed) < MAX_UNJUDGED_PARTS:
            captured, started_ns = self._waiting[0], self._clock.monotonic_ns()
            if missed and not is_new_part(
                missed[-1][0].part, captured.part
            ):  # it came twice, or in disorder
                self._drop_known(self._waiting.popleft())
                gives_up -= 1
                continue
            reason = self._check_before_judging(captured, started_ns, gives_up > 0)
            rules = None if reason else self.rule_book.find_rules(captured)
            if rules is not None:
                reason = self._describe_missing_models(rules)
            if reason is None and rules is not None:
                self._commit_missed(missed)
                self._waiting.popleft()
                self._judge(captured, rules, started_ns)
                return
            gives_up -= 1
            missed.append((self._waiting.popleft(), reason or ""))
        self._commit_missed(missed)

    def _drop_known(self, captured: PartCaptured) -> None:
        self._health.count("parts_known_already")
        last = self._ledger.last_part
        if last is not None and captured.part.epoch < last.epoch:
            self._health.raise_fault(
                BEHIND_FAULT,
                f"Capture counts in epoch {captured.part.epoch}, but parts of epoch {last.epoch} were "
                "judged already. Its parts are rejected and not recorded: set the clock, and restart "
                "Capture.",
            )

    def _check_before_judging(
        self, captured: PartCaptured, now_ns: int, is_given_up: bool
    ) -> str | None:
        """Why no model sees this part, or None: what is known at once, for many of them are cheap."""
        if captured.boot_id != self._boot_id:
            return "captured before the machine restarted"
        if captured.unphotographed:
            return f"no picture was taken: {captured.unphotographed}"
        if not captured.frames:
            return "no camera delivered a picture"
        deadline_ns = captured.deadline_monotonic_ns
        if self._pace.is_too_late(now_ns, deadline_ns):
            self._pace.record_refused(now_ns, deadline_ns)
            if not self._models.missing_models():
                self._watchdog.record_missed()
            return "too late to be judged before the gate"
        if is_given_up:
            self._health.count("parts_given_up")
            return "skipped because of overload, so that later parts are judged in time"
        return None

    def _describe_missing_models(self, rules: PartRules) -> str | None:
        missing = self._models.missing_models(rules.models)
        return "no model " + ", ".join(missing) if missing else None

    def _commit_missed(self, missed: Sequence[tuple[PartCaptured, str]]) -> None:
        if not missed:
            return
        try:
            self._committer.commit_missed(missed)
        except LedgerError:
            for captured, _ in missed:
                self._committer.remember_refused(captured)
            raise

    def _judge(self, captured: PartCaptured, rules: PartRules, started_ns: int) -> None:
        self._health.clear_fault(BEHIND_FAULT)
        try:
            self._committer.fill_gap_before(captured.part, captured, NO_PICTURES)
            begun_ns = self._clock.monotonic_ns()
            was_seen = self._part_judge.judge_part(captured, rules, started_ns)
        except LedgerError:
            self._committer.remember_refused(captured)
            raise
        if was_seen:
            now_ns = self._clock.monotonic_ns()
            self._pace.record_judged(now_ns - begun_ns, now_ns)
