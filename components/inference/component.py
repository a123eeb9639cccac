"""The component: takes parts in order, gives each its one verdict, commits it, then tells it."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2

from inference.configuration import InferenceConfiguration
from inference.evidence_writer import EvidenceWriter, build_evidence_pictures
from inference.ledger.ledger_errors import LEDGER_FAULT, LedgerDamagedError, LedgerError
from inference.ledger.part_sequence import is_new_part, part_after
from inference.ledger.verdict_ledger import Ledger
from inference.models.model_loader import (
    ModelBuildProgress,
    ModelLoaded,
    ModelRefused,
    describe_model_error,
    log_unexpected_error,
)
from inference.models.model_switch import ModelSwitch
from inference.models.shadow_trial import build_trial_sample
from inference.prediction.part_inference import PartInference, PartPredictions
from inference.publishing import publish_or_log
from inference.scheduling.judging_pace import JudgingPace
from inference.scheduling.judging_watchdog import JudgingWatchdog
from inference.verdicts.camera_scales import CameraScales
from inference.verdicts.challenge_tracker import ChallengeTracker
from inference.verdicts.command_handler import JudgingCommandHandler
from inference.verdicts.rule_book import PartRules, RuleBook
from inference.verdicts.verdict_committer import NO_PICTURES, VerdictCommitter
from inference.verdicts.verdict_messages import (
    build_missed_verdict,
    build_verdict,
    build_view_coverage,
)
from sightline.clock import boot_id
from sightline.errors import FrameOverwrittenError, RestartNeededError
from sightline.kernel.commands import is_command_for
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.malloc_tuning import retain_freed_memory
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import (
    CommandAccepted,
    Part,
    PartCaptured,
    PartsAnnounced,
    PartSettled,
)
from sightline.messaging.topics import COMMAND_CARRIED_OUT, INFERENCE
from sightline.storage.journal import DurableText
from sightline.storage.product_store import ProductStoreReader
from sightline.storage.products import VerdictPolicy
from sightline.storage.station_folder import StationFolder
from sightline.vision.model_outputs import ServingModel
from sightline.vision.part_judging import ReasonedVerdict, find_overflow_doubts, measure_and_judge

log = logging.getLogger(__name__)
TICK_S = 0.1
PRODUCT_CHECK_INTERVAL_NS = 1_000_000_000
MAX_EVENTS_BEFORE_JUDGING = 3  # in the inbox; while there are more, they are taken in first
MAX_UNJUDGED_PARTS = 512  # parts, before some of them are worked off
CHANGES_JUDGING = (CommandAccepted, NewConfiguration, ModelLoaded)
OVERFLOW_FAULT = "too-many-detections"  # faults
DAMAGED_FAULT = "ledger-damaged"
BEHIND_FAULT = "epoch-behind"
UNFINDABLE_FAULT = "labels-without-model"
ABSURD_NUMBER_FAULT = "number-absurd"
MAX_PART_NUMBER = 2**62


class InferenceComponent:
    """The one birthplace of verdicts; everything here runs on the component's main thread."""

    def __init__(self, context: ComponentContext[InferenceConfiguration]) -> None:
        self._context = context
        self._health = context.health
        self._clock = context.clock
        self._boot_id = boot_id()
        self._announced: PartsAnnounced | None = None
        self._judging_pace = JudgingPace()
        self._watchdog = JudgingWatchdog(
            self._health, self._clock, DurableText(context.work_folder / "started-again")
        )
        self._ok_parts = 0
        self._waiting: deque[PartCaptured] = deque()
        self._finishing_writers: list[EvidenceWriter] = []
        self._ledger = Ledger(
            context.work_folder / "ledger.sqlite",
            context.configuration.max_ledger_parts,
            self._report_damage,
            context.station_id,
        )
        notebook = self._ledger.state_store
        self._models = ModelSwitch(context, notebook)
        self._challenges = ChallengeTracker(
            notebook, context.configuration.challenge, self._health, self._clock
        )
        self._command_handler = JudgingCommandHandler(notebook, self._challenges, self._clock)
        self._committer = VerdictCommitter(context, self._ledger, self._challenges)
        self._next_product_check_ns = 0
        self._configure(context.configuration)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            PartCaptured: self._handle_captured,
            PartsAnnounced: self._handle_announced,
            PartSettled: self._handle_settled,
            ModelLoaded: self._models.handle_loaded,
            ModelRefused: self._models.handle_refused,
            ModelBuildProgress: self._models.handle_progress,
            CommandAccepted: self._handle_command,
            NewConfiguration: self._reconfigure,
        }

    def handle(self, event: object) -> None:
        """Take a message or an event of the model loader."""
        subject = event.message if isinstance(event, Delivery) else event
        handler = self._handlers.get(type(subject))
        if handler is None:
            log.warning("unknown event", extra={"event": repr(event)})
            return
        if isinstance(subject, CHANGES_JUDGING):
            self._judge_all_waiting()
        self._run_with_ledger_fault(partial(handler, subject))
        self._judge_unless_busy()

    def tick(self) -> float:
        """Judge what waits; close what was announced and never came; tell again what was not settled."""
        self._judge_unless_busy()
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_product_check_ns:
            self._next_product_check_ns = now_ns + PRODUCT_CHECK_INTERVAL_NS
            self._challenges.check_due()
            self._refresh_products()
        if self._waiting:
            is_on_hold = self._committer.is_waiting_for_settled
            return TICK_S if is_on_hold and not self._context.inbox.depth() else 0.0
        self._run_with_ledger_fault(self._close_announced)
        self._run_with_ledger_fault(self._committer.publish_again)
        return TICK_S

    def close(self) -> None:
        """Judge what waits, write the pictures in hand, then leave."""
        self._judge_all_waiting()
        self._models.close()
        self._evidence_writer.finish()
        for writer in (*self._finishing_writers, self._evidence_writer):
            writer.close()
        self._ledger.close()
        self._part_inference.close()
        self._context.bus.close()

    def _run_with_ledger_fault(self, work: Callable[[], None]) -> None:
        """Do it; what the ledger's disk refuses changes nothing, and all of it comes again."""
        try:
            work()
        except LedgerDamagedError as error:
            self._replace_damaged_ledger(error)
        except LedgerError as error:
            if self._health.raise_fault(LEDGER_FAULT, str(error)):
                log.error("the ledger is not written", extra={"error": str(error)})

    def _replace_damaged_ledger(self, error: LedgerDamagedError) -> None:
        """A damaged ledger is set aside; the publisher says from where on the new one judges."""
        log.error("the ledger is damaged", extra={"error": str(error)})
        try:
            self._ledger.replace_damaged(str(error.__cause__))
            self._ledger.state_store.store_again(
                self._challenges.open_holds, self._command_handler.thresholds
            )
            self._committer.use_new_ledger()
        except LedgerError as second:
            self._health.raise_fault(LEDGER_FAULT, str(second))

    def _report_damage(self, text: str) -> None:
        self._health.raise_fault(DAMAGED_FAULT, text)
        log.error("damaged", extra={"problem": text})

    def _configure(self, configuration: InferenceConfiguration) -> None:
        folder = StationFolder(self._context.work_folder / configuration.station_folder)
        self._configuration = configuration
        self._camera_scales = CameraScales(folder.calibration, self._health)
        self._part_inference = PartInference(
            self._context.station_id, configuration.cameras, configuration.images_at_once
        )
        self._evidence_writer = EvidenceWriter(
            folder.evidence_spool, configuration.evidence, self._health
        )
        products = ProductStoreReader(folder.products)
        self._rule_book = RuleBook(
            configuration, products, self._command_handler.thresholds, self._health
        )
        self._rule_book.refresh_products()
        self._challenges.configuration = configuration.challenge
        self._ledger.max_parts = configuration.max_ledger_parts
        self._required_models = self._rule_book.required_models()
        self._models.configure(configuration, self._required_models)

    def _refresh_products(self) -> None:
        """Bring up what products want; a part or a command may have made the store be read before."""
        self._rule_book.refresh_products()
        wanted = self._rule_book.required_models()
        if wanted != self._required_models:
            self._required_models = wanted
            self._models.configure(self._configuration, wanted)

    def _reconfigure(self, event: NewConfiguration) -> None:
        assert isinstance(event.configuration, InferenceConfiguration)
        self._evidence_writer.finish()  # in its own time: parts do not wait for the disk
        self._finishing_writers = [
            writer for writer in self._finishing_writers if writer.is_writing
        ]
        self._finishing_writers.append(self._evidence_writer)
        self._part_inference.close()
        self._configure(event.configuration)

    def _handle_command(self, command: CommandAccepted) -> None:
        if command.kind == "load_model":
            self._models.handle_load_command(command)
        elif is_command_for(command, INFERENCE):
            last = self._ledger.last_part
            next_part = None if last is None else part_after(last)
            answer = self._command_handler.execute_command(
                command, self._rule_book.products, next_part
            )
            self._health.clear_fault(LEDGER_FAULT)
            publish_or_log(self._context.bus, COMMAND_CARRIED_OUT, answer)

    def _handle_captured(self, captured: PartCaptured) -> None:
        if self._check_numbers(captured.part, captured):
            self._waiting.append(captured)

    def _check_numbers(self, part: Part, told: PartCaptured | PartsAnnounced) -> bool:
        first = Part(part.epoch, told.first_number)
        return all(self._check_number(one) for one in (part, first, told.ended_before or part))

    def _check_number(self, part: Part) -> bool:
        """Whether a number is one that the ledger holds, and those after it; what is none is told."""
        if max(abs(part.epoch), abs(part.part_number)) <= MAX_PART_NUMBER:
            return True
        self._health.raise_fault(
            ABSURD_NUMBER_FAULT,
            f"Capture told of part {part.part_number} of epoch {part.epoch}, which no counter counts. "
            "It is not recorded. Check the PLC's counter.",
        )
        return False

    def _judge_all_waiting(self) -> None:
        """All parts that wait, before what changes how those behind them are judged."""
        waiting = len(self._waiting) + 1
        while len(self._waiting) < waiting:
            waiting = len(self._waiting)
            self._run_with_ledger_fault(self._judge_waiting)

    def _judge_unless_busy(self) -> None:
        """First take in all that came, so that the newest part is known, then judge one."""
        if (
            self._context.inbox.depth() <= MAX_EVENTS_BEFORE_JUDGING
            or len(self._waiting) >= MAX_UNJUDGED_PARTS
        ):
            self._run_with_ledger_fault(self._judge_waiting)

    def _judge_waiting(self) -> None:
        """Of the parts that wait, give `missed` to those that cannot be judged, and judge the next one."""
        while self._waiting and not is_new_part(self._ledger.last_part, self._waiting[0].part):
            self._report_known(self._waiting.popleft())
        if not self._waiting:
            return
        first = self._waiting[0]
        if self._committer.must_wait_for_settled(first.part, first):
            return
        missed: list[tuple[PartCaptured, str]] = []
        gives_up = self._judging_pace.count_to_give_up(
            [captured.deadline_monotonic_ns for captured in self._waiting],
            self._clock.monotonic_ns(),
        )
        while self._waiting and len(missed) < MAX_UNJUDGED_PARTS:
            captured, started_ns = self._waiting[0], self._clock.monotonic_ns()
            if missed and not is_new_part(
                missed[-1][0].part, captured.part
            ):  # told twice, or in disorder
                self._report_known(self._waiting.popleft())
                gives_up -= 1
                continue
            reason = self._check_before_judging(captured, started_ns, gives_up > 0)
            rules = None if reason else self._rule_book.find_rules(captured)
            if rules is not None:
                reason = self._describe_missing_models(rules)
            if reason is None and rules is not None:
                self._commit_missed(missed)
                self._waiting.popleft()
                self._judge_next(captured, rules, started_ns)
                return
            gives_up -= 1
            missed.append((self._waiting.popleft(), reason or ""))
        self._commit_missed(missed)

    def _report_known(self, captured: PartCaptured) -> None:
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
        """Why nobody looks at this part, or None: what is known at once, for many of them are cheap."""
        if captured.boot_id != self._boot_id:
            return "captured before the last start of the machine"
        if captured.unphotographed:
            return f"no picture was taken: {captured.unphotographed}"
        if not captured.frames:
            return "no camera delivered a picture"
        deadline_ns = captured.deadline_monotonic_ns
        if self._judging_pace.is_too_late(now_ns, deadline_ns):
            self._judging_pace.record_refused(now_ns, deadline_ns)
            if not self._models.missing_models():
                self._watchdog.record_missed()
            return "too late to be judged before the gate"
        if is_given_up:
            self._health.count("parts_given_up")
            return "given up, so that the parts behind it are judged in time"
        return None

    def _describe_missing_models(self, rules: PartRules) -> str | None:
        lacking = self._models.missing_models(rules.models)
        return "no model " + ", ".join(lacking) if lacking else None

    def _commit_missed(self, missed: Sequence[tuple[PartCaptured, str]]) -> None:
        if not missed:
            return
        try:
            self._committer.commit_missed(missed)
        except LedgerError:
            for captured, _ in missed:
                self._committer.remember_refused(captured)
            raise

    def _judge_next(self, captured: PartCaptured, rules: PartRules, started_ns: int) -> None:
        self._health.clear_fault(BEHIND_FAULT)
        try:
            self._committer.fill_gap_before(captured.part, captured, NO_PICTURES)
            begun_ns = self._clock.monotonic_ns()
            was_looked_at = self._judge_captured(captured, rules, started_ns)
        except LedgerError:
            self._committer.remember_refused(captured)
            raise
        if was_looked_at:
            now_ns = self._clock.monotonic_ns()
            self._judging_pace.record_judged(now_ns - begun_ns, now_ns)

    def _check_defect_labels(
        self, models: Sequence[ServingModel], policy: VerdictPolicy
    ) -> list[str]:
        """The doubts about defects that no model knows: nobody looked for them."""
        known = {label for model in models for label in model.contract.labels}
        labels = [label for label in policy.defects if label not in known]
        if labels:
            self._health.raise_fault(
                UNFINDABLE_FAULT,
                f"No model that serves can find {', '.join(labels)}, so no part is ok. Deploy a model "
                "that knows these labels, or take them out of the product's defects.",
            )
        else:
            self._health.clear_fault(UNFINDABLE_FAULT)
        return [f"no model finds {label}" for label in labels]

    def _judge_captured(self, captured: PartCaptured, rules: PartRules, started_ns: int) -> bool:
        """Give the part its verdict; whether its pictures were looked at, in time or not."""
        models, policy = self._models.serving_models(rules.models), rules.policy
        examined = self._predict_part(captured, models, policy)
        if examined is None:
            return False
        doubts = (*rules.doubts, *self._check_defect_labels(models, policy))
        sight = build_view_coverage(captured, self._configuration.cameras, doubts)
        scales = self._camera_scales.find_scales(captured.calibration_version, sight.frame_sizes)
        rejudge = partial(measure_and_judge, coverage=sight, policy=policy, scales=scales)
        judgement = rejudge(examined.detections, examined.overflows)
        self._report_overflows(find_overflow_doubts(examined.overflows, policy))
        now_ns = self._clock.monotonic_ns()
        if now_ns > captured.deadline_monotonic_ns:
            self._commit_missed_part(
                captured, f"judged {judgement.verdict}, but after the part passed the gate"
            )
            self._watchdog.record_missed()
            return True
        self._watchdog.record_judged()
        keeps = self._decide_keep_pictures(judgement, len(examined.frames))
        verdict = build_verdict(
            captured,
            judgement,
            examined,
            models,
            policy=policy,
            evidence=(
                build_evidence_pictures(captured.station_id, captured.part, list(examined.frames))
                if keeps
                else ()
            ),
            queue_ms=(started_ns - captured.captured_monotonic_ns) / 1e6,
            now_utc_ns=self._clock.utc_ns(),
        )
        self._committer.commit_and_publish([verdict], judgement.rejecting_labels)
        if keeps:
            half = judgement.verdict in ("ok", "empty")
            self._evidence_writer.queue_pictures(
                captured.station_id, captured.part, examined.frames, half
            )
        if self._models.accepts_sample():
            sample = build_trial_sample(captured, examined, verdict, rejudge, policy.min_score())
            self._models.offer_sample(sample)
        return True

    def _predict_part(
        self, captured: PartCaptured, models: Sequence[ServingModel], policy: VerdictPolicy
    ) -> PartPredictions | None:
        """What the models see; None where they could not, and the part is missed."""
        try:
            examined = self._part_inference.predict_part(
                captured.frames, models, policy.min_score()
            )
        except FrameOverwrittenError as error:
            self._commit_missed_part(captured, f"pictures gone: {error}")
            return None
        except RestartNeededError:
            self._commit_missed_part(captured, "models failed: the GPU does not answer")
            raise
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            log_unexpected_error(error)
            self._health.raise_fault("model-run", describe_model_error(error))
            self._commit_missed_part(captured, f"models failed: {describe_model_error(error)}")
            self._watchdog.record_missed(models_failed=True)
            return None
        self._health.clear_fault("model-run")
        return examined

    def _report_overflows(self, crowding: Sequence[str]) -> None:
        if not crowding:
            self._health.clear_fault(OVERFLOW_FAULT)
            return
        self._health.count("parts_with_more_than_is_looked_at")
        told = "; ".join(crowding)
        self._health.raise_fault(OVERFLOW_FAULT, f"{told}: such parts are never ok", "warning")

    def _decide_keep_pictures(self, judgement: ReasonedVerdict, pictures: int) -> bool:
        each = self._configuration.evidence.keep_each_ok
        if judgement.verdict in ("ok", "empty"):
            self._ok_parts += 1
            sampled = each > 0 and self._ok_parts % each == 0
            if not judgement.keep_pictures and not sampled:
                return False
        return self._evidence_writer.check_room(pictures)

    def _commit_missed_part(self, captured: PartCaptured, reason: str) -> None:
        self._committer.commit_and_publish(
            [build_missed_verdict(captured, reason, self._clock.utc_ns())]
        )

    def _handle_settled(self, settled: PartSettled) -> None:
        self._committer.mark_settled(settled.up_to)

    def _handle_announced(self, announced: PartsAnnounced) -> None:
        if not self._check_numbers(announced.last, announced):
            return
        self._announced = announced
        if not self._waiting:
            self._close_announced()

    def _close_announced(self) -> None:
        announced = self._announced
        if announced is None:
            return
        same_boot = announced.boot_id == self._boot_id
        if same_boot and self._clock.monotonic_ns() <= announced.deadline_monotonic_ns:
            return
        end = part_after(announced.last)
        if self._committer.must_wait_for_settled(end, announced):
            return
        self._committer.fill_gap_before(end, announced, "announced, but no pictures came in time")
        self._announced = None


def build_inference_component(
    context: ComponentContext[InferenceConfiguration],
) -> InferenceComponent:
    """The component from its context."""
    retain_freed_memory()
    cv2.setNumThreads(1)  # the models use the cores; OpenCV's own threads would only disturb them
    return InferenceComponent(context)
