"""The component: receives parts in order, gives each its one verdict, commits it, then publishes it."""

import logging
from functools import partial

import cv2

from inference.configuration import InferenceConfiguration
from inference.judging.judging_queue import MAX_UNJUDGED_PARTS, JudgingQueue
from inference.judging.part_judge import PartJudge
from inference.ledger.ledger_errors import LEDGER_FAULT, LedgerDamagedError, LedgerError
from inference.ledger.part_sequence import part_after
from inference.ledger.verdict_ledger import Ledger
from inference.ledger.verdict_replay import CHECK_INTERVAL_S as REPLAY_INTERVAL_S
from inference.models.model_loader import (
    LoadModel,
    ModelBuildProgress,
    ModelLoaded,
    ModelRefused,
    build_load_request,
)
from inference.models.model_switch import ModelSwitch
from inference.scheduling.judging_watchdog import JudgingWatchdog
from inference.verdicts.challenge_tracker import AcknowledgeHold, ChallengeTracker
from inference.verdicts.rule_book import RuleBook
from inference.verdicts.threshold_changes import SetThreshold
from inference.verdicts.verdict_committer import VerdictCommitter
from sightline.clock import boot_id
from sightline.kernel.component import (
    Component,
    ComponentContext,
    Reply,
    command,
    every,
    on,
    on_error,
)
from sightline.kernel.malloc_tuning import retain_freed_memory
from sightline.messaging.messages import (
    CommandAccepted,
    Part,
    PartCaptured,
    PartsAnnounced,
    PartSettled,
)
from sightline.storage.journal import DurableText
from sightline.storage.product_store import ProductStoreReader
from sightline.storage.station_folder import StationFolder

log = logging.getLogger(__name__)
CHECK_INTERVAL_S = 0.1
MAX_EVENTS_BEFORE_JUDGING = 3  # in the inbox; while there are more, they are handled first
DAMAGED_FAULT = "ledger-damaged"
ABSURD_NUMBER_FAULT = "number-absurd"
MAX_PART_NUMBER = 2**62


class InferenceComponent(Component[InferenceConfiguration]):
    """The one birthplace of verdicts; everything here runs on the component's main thread."""

    def __init__(self, context: ComponentContext[InferenceConfiguration]) -> None:
        super().__init__(context)
        self._boot_id = boot_id()
        self._announced: PartsAnnounced | None = None
        self._ledger = Ledger(
            context.work_folder / "ledger.sqlite",
            context.configuration.max_ledger_parts,
            self._report_damage,
            context.station_id,
            clock=self.clock,
            written=partial(self.health.clear_fault, LEDGER_FAULT),
        )
        state_store = self._ledger.state_store
        self._thresholds = state_store.load_thresholds()
        self._challenges = ChallengeTracker(
            state_store, context.configuration.challenge, self.health, self.clock
        )
        self._committer = VerdictCommitter(context, self._ledger, self._challenges)
        self._models = ModelSwitch(context)
        watchdog = JudgingWatchdog(
            self.health, self.clock, DurableText(context.work_folder / "started-again")
        )
        self._part_judge = PartJudge(context, self._models, self._committer, watchdog)
        self._rule_book = self._open_rule_book()
        self._queue = JudgingQueue(
            context,
            self._rule_book,
            self._ledger,
            self._models,
            self._committer,
            self._part_judge,
            watchdog,
        )
        self._require_models()
        self._execution = self.accept_commands(state_store, self._find_next_part)

    @on(PartCaptured)
    def part_captured(self, captured: PartCaptured) -> None:
        """A part waits for its verdict, which it gets at once unless others wait before it."""
        if self._check_numbers(captured.part, captured):
            self._queue.append(captured)
            self._judge_unless_busy()

    @on(PartsAnnounced)
    def parts_announced(self, announced: PartsAnnounced) -> None:
        """Capture says which number it gave last: all up to it get a verdict when their time is over."""
        if not self._check_numbers(announced.last, announced):
            return
        self._announced = announced
        self.close_announced()

    @on(PartSettled)
    def part_settled(self, settled: PartSettled) -> None:
        """All parts up to this one are durable elsewhere."""
        self._committer.mark_settled(settled.up_to)

    @on(ModelLoaded)
    def model_loaded(self, event: ModelLoaded) -> None:
        """A model was proven: it serves from the next part on."""
        self._judge_all_waiting()
        trial = self._models.switch_to(event)
        if trial is not None:
            self._execution.finish(event.command_id, "done", trial)

    @on(ModelRefused)
    def model_refused(self, event: ModelRefused) -> None:
        """A model cannot serve; the one in force stays."""
        if self._models.refuse(event):
            self._execution.finish(event.command_id, "refused", event.error)

    @on(ModelBuildProgress)
    def model_build_progressed(self, event: ModelBuildProgress) -> None:
        """An engine is being built for this machine."""
        self._models.report_progress(event)

    @command("set_threshold", SetThreshold)
    def set_threshold(self, arguments: SetThreshold, next_part: Part | None) -> Reply:
        """Other score tiers for a label of a product, until its next version."""
        return self._rule_book.build_threshold_reply(arguments)

    @command("acknowledge_hold", AcknowledgeHold)
    def acknowledge_hold(self, arguments: AcknowledgeHold, next_part: Part | None) -> Reply:
        """A person releases a hold."""
        return self._challenges.build_release_reply(arguments)

    @command("load_model", LoadModel)
    def load_model(self, arguments: LoadModel, next_part: Part | None) -> None:
        """Another model of the store; the reply follows when it serves or is refused."""
        self._models.request_load(build_load_request(arguments, self.current_command.command_id))

    @on_error(LedgerError)
    def ledger_failed(self, error: LedgerError) -> None:
        """What the ledger's disk refuses changes nothing, and all of it comes again."""
        if self.health.raise_fault(LEDGER_FAULT, str(error)):
            log.error("cannot write the ledger", extra={"error": str(error)})

    @on_error(LedgerDamagedError)
    def ledger_damaged(self, error: LedgerDamagedError) -> None:
        """A damaged ledger is set aside; the publisher says from where on the new one judges."""
        log.error("the ledger is damaged", extra={"error": str(error)})
        try:
            self._ledger.replace_damaged(str(error.__cause__))
            self._ledger.state_store.store_again(self._challenges.open_holds, self._thresholds)
            self._committer.use_new_ledger()
        except LedgerError as second:
            self.health.raise_fault(LEDGER_FAULT, str(second))

    @every(seconds=1)
    def refresh_products(self) -> None:
        """Load the models that products want; a part or a command may have made the store be read before."""
        self._challenges.check_due()
        self._rule_book.refresh_products()
        if self._rule_book.required_models() != self._required_models:
            self._require_models()

    @every(seconds=CHECK_INTERVAL_S)
    def close_announced(self) -> None:
        """Give `missed` to the parts that were announced, never captured, and are past their deadline."""
        announced = self._announced
        if announced is None or self._queue:
            return
        same_boot = announced.boot_id == self._boot_id
        if same_boot and self.clock.monotonic_ns() <= announced.deadline_monotonic_ns:
            return
        end = part_after(announced.last)
        if self._committer.must_wait_for_settled(end, announced):
            return
        self._committer.fill_gap_before(
            end, announced, "announced, but no pictures arrived in time"
        )
        self._announced = None

    @every(seconds=CHECK_INTERVAL_S)
    def mark_more_settled(self) -> None:
        """Mark what is durable elsewhere, some at a time."""
        if not self._queue:
            self._ledger.mark_more_settled()

    @every(seconds=REPLAY_INTERVAL_S)
    def publish_unsettled(self) -> None:
        """Publish again the verdicts that the publisher has not settled in time."""
        if not self._queue:
            self._committer.publish_unsettled()

    def between_events(self) -> float | None:
        """Judge what still waits, one part at a time."""
        with self.foreseen_errors():
            self._judge_unless_busy()
        if not self._queue:
            return None
        waits_for_publisher = self._committer.is_waiting_for_settled
        return CHECK_INTERVAL_S if waits_for_publisher and not self.context.inbox.depth() else 0.0

    def execute_command(self, accepted: CommandAccepted) -> None:
        """Carry out a command; it holds for the parts behind those that wait.

        They are judged before the kernel names the part from which on it holds.
        """
        self._judge_all_waiting()
        super().execute_command(accepted)

    def reconfigure(self, before: InferenceConfiguration) -> None:
        """The parts that wait are judged by the configuration before."""
        self._judge_all_waiting()
        self._part_judge.reconfigure(self.configuration)
        self._challenges.configuration = self.configuration.challenge
        self._ledger.max_parts = self.configuration.max_ledger_parts
        self._rule_book = self._queue.rule_book = self._open_rule_book()
        self._require_models()

    def close(self) -> None:
        """Judge what waits, write the pictures in hand, then leave."""
        self._judge_all_waiting()
        self._models.close()
        self._part_judge.close()
        self._ledger.close()
        self.context.bus.close()

    def _judge_unless_busy(self) -> None:
        """First handle all that came, so that the newest part is known, then judge one."""
        if (
            self.context.inbox.depth() <= MAX_EVENTS_BEFORE_JUDGING
            or len(self._queue) >= MAX_UNJUDGED_PARTS
        ):
            self._queue.judge_next()

    def _judge_all_waiting(self) -> None:
        """All parts that wait, before what changes how those behind them are judged."""
        waiting = len(self._queue) + 1
        while len(self._queue) < waiting:
            waiting = len(self._queue)
            with self.foreseen_errors():
                self._queue.judge_next()

    def _find_next_part(self) -> Part | None:
        last = self._ledger.last_part
        return None if last is None else part_after(last)

    def _check_numbers(self, part: Part, message: PartCaptured | PartsAnnounced) -> bool:
        first = Part(part.epoch, message.first_number)
        return all(self._check_number(one) for one in (part, first, message.ended_before or part))

    def _check_number(self, part: Part) -> bool:
        """Whether the ledger holds a number, and those after it; what is none is a fault."""
        if max(abs(part.epoch), abs(part.part_number)) <= MAX_PART_NUMBER:
            return True
        self.health.raise_fault(
            ABSURD_NUMBER_FAULT,
            f"Capture reported part {part.part_number} of epoch {part.epoch}, which no counter reaches. "
            "It is not recorded. Check the PLC's counter.",
        )
        return False

    def _open_rule_book(self) -> RuleBook:
        folder = StationFolder(self.context.work_folder / self.configuration.station_folder)
        products = ProductStoreReader(folder.products)
        rule_book = RuleBook(self.configuration, products, self._thresholds, self.health)
        rule_book.refresh_products()
        return rule_book

    def _require_models(self) -> None:
        self._required_models = self._rule_book.required_models()
        self._models.configure(self.configuration, self._required_models)

    def _report_damage(self, text: str) -> None:
        self.health.raise_fault(DAMAGED_FAULT, text)
        log.error("the ledger is damaged", extra={"problem": text})


def build_inference_component(
    context: ComponentContext[InferenceConfiguration],
) -> InferenceComponent:
    """The component from its context."""
    retain_freed_memory()
    cv2.setNumThreads(1)  # the models use the cores; OpenCV's own threads would only disturb them
    return InferenceComponent(context)
