"""The component: takes parts in order, gives each its one verdict, commits it, then tells it."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2

from inference.answers import ServingModel
from inference.challenges import Challenges
from inference.configuration import InferenceConfiguration
from inference.evidence import EvidenceWriter, keys_of
from inference.examiner import Examined, Examiner
from inference.judging_watch import JudgingWatch
from inference.ledger import Ledger
from inference.ledger_error import DISK, LedgerDamagedError, LedgerError
from inference.missing import is_new, part_after
from inference.model_switch import ModelSwitch
from inference.models import (
    ModelBuilding,
    ModelLoaded,
    ModelRefused,
    log_unexpected,
    reason_of,
)
from inference.orders import Orders
from inference.pace import Pace
from inference.policy import Judgement, crowding, judge_seen
from inference.registrar import NO_PICTURES, Registrar
from inference.rules import RuleBook, Rules
from inference.scales import Scales
from inference.shadow import sample_of
from inference.telling import tell
from inference.verdicts import judged, missed_captured, sight_of
from sightline.bus import Delivery
from sightline.clock import boot_id
from sightline.commands import is_for
from sightline.errors import FrameOverwrittenError, RestartNeededError
from sightline.journal import DurableText
from sightline.memory import keep_freed_memory
from sightline.messages import CommandAccepted, Part, PartCaptured, PartsAnnounced, PartSettled
from sightline.product_store import Products
from sightline.products import Policy
from sightline.runtime import Context, NewConfiguration
from sightline.station_folder import StationFolder
from sightline.topics import COMMAND_CARRIED_OUT, INFERENCE

log = logging.getLogger(__name__)
TICK_S = 0.1
LOOK_INTERVAL_NS = 1_000_000_000
FEW_EVENTS = 3  # in the inbox; while there are more, they are taken in first
MAX_WAITING = 512  # parts, before some of them are worked off
CHANGES_JUDGING = (CommandAccepted, NewConfiguration, ModelLoaded)
CROWDED = "too-many-detections"  # faults
DAMAGED = "ledger-damaged"
BEHIND = "epoch-behind"
UNFINDABLE = "labels-without-model"
ABSURD = "number-absurd"
MAX_NUMBER = 2**62


class Inspector:
    """The one birthplace of verdicts; everything here runs on the component's main thread."""

    def __init__(self, context: Context[InferenceConfiguration]) -> None:
        self._context = context
        self._health = context.health
        self._clock = context.clock
        self._boot_id = boot_id()
        self._announced: PartsAnnounced | None = None
        self._pace = Pace()
        self._watch = JudgingWatch(
            self._health, self._clock, DurableText(context.work_folder / "started-again")
        )
        self._ok_parts = 0
        self._waiting: deque[PartCaptured] = deque()
        self._finishing: list[EvidenceWriter] = []
        self._ledger = Ledger(
            context.work_folder / "ledger.sqlite",
            context.configuration.ledger_keeps_parts,
            self._report_damage,
            context.station_id,
        )
        notebook = self._ledger.notebook
        self._models = ModelSwitch(context, notebook)
        self._challenges = Challenges(
            notebook, context.configuration.challenge, self._health, self._clock
        )
        self._orders = Orders(notebook, self._challenges, self._clock)
        self._registrar = Registrar(context, self._ledger, self._challenges)
        self._next_look_ns = 0
        self._configure(context.configuration)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            PartCaptured: self._take_captured,
            PartsAnnounced: self._take_announced,
            PartSettled: self._take_settled,
            ModelLoaded: self._models.take,
            ModelRefused: self._models.refuse,
            ModelBuilding: self._models.tell_progress,
            CommandAccepted: self._take_command,
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
            self._work_off_all()
        self._unless_refused(partial(handler, subject))
        self._work_off_unless_more_come()

    def tick(self) -> float:
        """Judge what waits; close what was announced and never came; tell again what was not settled."""
        self._work_off_unless_more_come()
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_look_ns:
            self._next_look_ns = now_ns + LOOK_INTERVAL_NS
            self._challenges.watch()
            self._look_for_products()
        if self._waiting:
            is_on_hold = self._registrar.is_waiting_for_word
            return TICK_S if is_on_hold and not self._context.inbox.depth() else 0.0
        self._unless_refused(self._close_announced)
        self._unless_refused(self._registrar.tell_again)
        return TICK_S

    def close(self) -> None:
        """Judge what waits, write the pictures in hand, then leave."""
        self._work_off_all()
        self._models.close()
        self._evidence.finish()
        for writer in (*self._finishing, self._evidence):
            writer.close()
        self._ledger.close()
        self._examiner.close()
        self._context.bus.close()

    def _unless_refused(self, work: Callable[[], None]) -> None:
        """Do it; what the ledger's disk refuses changes nothing, and all of it comes again."""
        try:
            work()
        except LedgerDamagedError as error:
            self._begin_ledger_anew(error)
        except LedgerError as error:
            if self._health.raise_fault(DISK, str(error)):
                log.error("the ledger is not written", extra={"error": str(error)})

    def _begin_ledger_anew(self, error: LedgerDamagedError) -> None:
        """A damaged ledger is set aside; the publisher says from where on the new one judges."""
        log.error("the ledger is damaged", extra={"error": str(error)})
        try:
            self._ledger.begin_anew(str(error.__cause__))
            self._ledger.notebook.restore(self._challenges.open_holds, self._orders.thresholds)
            self._registrar.begin_anew()
        except LedgerError as second:
            self._health.raise_fault(DISK, str(second))

    def _report_damage(self, text: str) -> None:
        self._health.raise_fault(DAMAGED, text)
        log.error("damaged", extra={"problem": text})

    def _configure(self, configuration: InferenceConfiguration) -> None:
        folder = StationFolder(self._context.work_folder / configuration.station_folder)
        self._configuration = configuration
        self._scales = Scales(folder.calibration, self._health)
        self._examiner = Examiner(
            self._context.station_id, configuration.cameras, configuration.images_at_once
        )
        self._evidence = EvidenceWriter(folder.evidence_spool, configuration.evidence, self._health)
        products = Products(folder.products)
        self._rules = RuleBook(configuration, products, self._orders.thresholds, self._health)
        self._rules.look()
        self._challenges.configuration = configuration.challenge
        self._ledger.keeps_parts = configuration.ledger_keeps_parts
        self._wanted = self._rules.wanted()
        self._models.configure(configuration, self._wanted)

    def _look_for_products(self) -> None:
        """Bring up what products want; a part or a command may have made the store be read before."""
        self._rules.look()
        wanted = self._rules.wanted()
        if wanted != self._wanted:
            self._wanted = wanted
            self._models.configure(self._configuration, wanted)

    def _reconfigure(self, event: NewConfiguration) -> None:
        assert isinstance(event.configuration, InferenceConfiguration)
        self._evidence.finish()  # in its own time: parts do not wait for the disk
        self._finishing = [writer for writer in self._finishing if writer.is_writing]
        self._finishing.append(self._evidence)
        self._examiner.close()
        self._configure(event.configuration)

    def _take_command(self, command: CommandAccepted) -> None:
        if command.kind == "load_model":
            self._models.load(command)
        elif is_for(command, INFERENCE):
            last = self._ledger.last
            next_part = None if last is None else part_after(last)
            answer = self._orders.carry_out(command, self._rules.products, next_part)
            self._health.clear_fault(DISK)
            tell(self._context.bus, COMMAND_CARRIED_OUT, answer)

    def _take_captured(self, captured: PartCaptured) -> None:
        if self._can_count_all(captured.part, captured):
            self._waiting.append(captured)

    def _can_count_all(self, part: Part, told: PartCaptured | PartsAnnounced) -> bool:
        first = Part(part.epoch, told.first_number)
        return all(self._can_count(one) for one in (part, first, told.ended_before or part))

    def _can_count(self, part: Part) -> bool:
        """Whether a number is one that the ledger holds, and those after it; what is none is told."""
        if max(abs(part.epoch), abs(part.part_number)) <= MAX_NUMBER:
            return True
        self._health.raise_fault(
            ABSURD,
            f"Capture told of part {part.part_number} of epoch {part.epoch}, which no counter counts. "
            "It is not recorded. Check the PLC's counter.",
        )
        return False

    def _work_off_all(self) -> None:
        """All parts that wait, before what changes how those behind them are judged."""
        waiting = len(self._waiting) + 1
        while len(self._waiting) < waiting:
            waiting = len(self._waiting)
            self._unless_refused(self._work_off)

    def _work_off_unless_more_come(self) -> None:
        """First take in all that came, so that the newest part is known, then judge one."""
        if self._context.inbox.depth() <= FEW_EVENTS or len(self._waiting) >= MAX_WAITING:
            self._unless_refused(self._work_off)

    def _work_off(self) -> None:
        """Of the parts that wait, give `missed` to those that cannot be judged, and judge the next one."""
        while self._waiting and not is_new(self._ledger.last, self._waiting[0].part):
            self._tell_of_known(self._waiting.popleft())
        if not self._waiting:
            return
        first = self._waiting[0]
        if self._registrar.waits_for_word(first.part, first):
            return
        missed: list[tuple[PartCaptured, str]] = []
        gives_up = self._pace.to_give_up(
            [captured.deadline_monotonic_ns for captured in self._waiting],
            self._clock.monotonic_ns(),
        )
        while self._waiting and len(missed) < MAX_WAITING:
            captured, started_ns = self._waiting[0], self._clock.monotonic_ns()
            if missed and not is_new(
                missed[-1][0].part, captured.part
            ):  # told twice, or in disorder
                self._tell_of_known(self._waiting.popleft())
                gives_up -= 1
                continue
            reason = self._why_not_begun(captured, started_ns, gives_up > 0)
            rules = None if reason else self._rules.rules_of(captured)
            if rules is not None:
                reason = self._why_not_by(rules)
            if reason is None and rules is not None:
                self._miss_all(missed)
                self._waiting.popleft()
                self._judge_next(captured, rules, started_ns)
                return
            gives_up -= 1
            missed.append((self._waiting.popleft(), reason or ""))
        self._miss_all(missed)

    def _tell_of_known(self, captured: PartCaptured) -> None:
        self._health.count("parts_known_already")
        last = self._ledger.last
        if last is not None and captured.part.epoch < last.epoch:
            self._health.raise_fault(
                BEHIND,
                f"Capture counts in epoch {captured.part.epoch}, but parts of epoch {last.epoch} were "
                "judged already. Its parts are rejected and not recorded: set the clock, and restart "
                "Capture.",
            )

    def _why_not_begun(self, captured: PartCaptured, now_ns: int, is_given_up: bool) -> str | None:
        """Why nobody looks at this part, or None: what is known at once, for many of them are cheap."""
        if captured.boot_id != self._boot_id:
            return "captured before the last start of the machine"
        if captured.unphotographed:
            return f"no picture was taken: {captured.unphotographed}"
        if not captured.frames:
            return "no camera delivered a picture"
        deadline_ns = captured.deadline_monotonic_ns
        if self._pace.is_too_late(now_ns, deadline_ns):
            self._pace.refused(now_ns, deadline_ns)
            if not self._models.lacking():
                self._watch.missed()
            return "too late to be judged before the gate"
        if is_given_up:
            self._health.count("parts_given_up")
            return "given up, so that the parts behind it are judged in time"
        return None

    def _why_not_by(self, rules: Rules) -> str | None:
        lacking = self._models.lacking(rules.models)
        return "no model " + ", ".join(lacking) if lacking else None

    def _miss_all(self, missed: Sequence[tuple[PartCaptured, str]]) -> None:
        if not missed:
            return
        try:
            self._registrar.miss(missed)
        except LedgerError:
            for captured, _ in missed:
                self._registrar.refused(captured)
            raise

    def _judge_next(self, captured: PartCaptured, rules: Rules, started_ns: int) -> None:
        self._health.clear_fault(BEHIND)
        try:
            self._registrar.fill_up_to(captured.part, captured, NO_PICTURES)
            begun_ns = self._clock.monotonic_ns()
            was_looked_at = self._judge(captured, rules, started_ns)
        except LedgerError:
            self._registrar.refused(captured)
            raise
        if was_looked_at:
            now_ns = self._clock.monotonic_ns()
            self._pace.took(now_ns - begun_ns, now_ns)

    def _unfindable(self, models: Sequence[ServingModel], policy: Policy) -> list[str]:
        """The doubts about defects that no model knows: nobody looked for them."""
        known = {label for model in models for label in model.contract.labels}
        labels = [label for label in policy.defects if label not in known]
        if labels:
            self._health.raise_fault(
                UNFINDABLE,
                f"No model that serves can find {', '.join(labels)}, so no part is ok. Deploy a model "
                "that knows these labels, or take them out of the product's defects.",
            )
        else:
            self._health.clear_fault(UNFINDABLE)
        return [f"no model finds {label}" for label in labels]

    def _judge(self, captured: PartCaptured, rules: Rules, started_ns: int) -> bool:
        """Give the part its verdict; whether its pictures were looked at, in time or not."""
        models, policy = self._models.serving(rules.models), rules.policy
        examined = self._examined(captured, models, policy)
        if examined is None:
            return False
        doubts = (*rules.doubts, *self._unfindable(models, policy))
        sight = sight_of(captured, self._configuration.cameras, doubts)
        scales = self._scales.of(captured.calibration_version, sight.sizes)
        rejudge = partial(judge_seen, sight=sight, policy=policy, scales=scales)
        judgement = rejudge(examined.detections, examined.crowds)
        self._tell_of_crowds(crowding(examined.crowds, policy))
        now_ns = self._clock.monotonic_ns()
        if now_ns > captured.deadline_monotonic_ns:
            self._miss(captured, f"judged {judgement.verdict}, but after the part passed the gate")
            self._watch.missed()
            return True
        self._watch.judged()
        keeps = self._keeps_pictures(judgement, len(examined.frames))
        verdict = judged(
            captured,
            judgement,
            examined,
            models,
            policy=policy,
            evidence=(
                keys_of(captured.station_id, captured.part, list(examined.frames)) if keeps else ()
            ),
            queue_ms=(started_ns - captured.captured_monotonic_ns) / 1e6,
            now_utc_ns=self._clock.utc_ns(),
        )
        self._registrar.give([verdict], judgement.rejected_for)
        if keeps:
            half = judgement.verdict in ("ok", "empty")
            self._evidence.keep(captured.station_id, captured.part, examined.frames, half)
        if self._models.wants_sample():
            sample = sample_of(captured, examined, verdict, rejudge, policy.lowest_score())
            self._models.offer(sample)
        return True

    def _examined(
        self, captured: PartCaptured, models: Sequence[ServingModel], policy: Policy
    ) -> Examined | None:
        """What the models see; None where they could not, and the part is missed."""
        try:
            examined = self._examiner.examine(captured.frames, models, policy.lowest_score())
        except FrameOverwrittenError as error:
            self._miss(captured, f"pictures gone: {error}")
            return None
        except RestartNeededError:
            self._miss(captured, "models failed: the GPU does not answer")
            raise
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            log_unexpected(error)
            self._health.raise_fault("model-run", reason_of(error))
            self._miss(captured, f"models failed: {reason_of(error)}")
            self._watch.missed(models_failed=True)
            return None
        self._health.clear_fault("model-run")
        return examined

    def _tell_of_crowds(self, crowding: Sequence[str]) -> None:
        if not crowding:
            self._health.clear_fault(CROWDED)
            return
        self._health.count("parts_with_more_than_is_looked_at")
        told = "; ".join(crowding)
        self._health.raise_fault(CROWDED, f"{told}: such parts are never ok", "warning")

    def _keeps_pictures(self, judgement: Judgement, pictures: int) -> bool:
        each = self._configuration.evidence.keep_each_ok
        if judgement.verdict in ("ok", "empty"):
            self._ok_parts += 1
            sampled = each > 0 and self._ok_parts % each == 0
            if not judgement.keep_pictures and not sampled:
                return False
        return self._evidence.has_room(pictures)

    def _miss(self, captured: PartCaptured, reason: str) -> None:
        self._registrar.give([missed_captured(captured, reason, self._clock.utc_ns())])

    def _take_settled(self, settled: PartSettled) -> None:
        self._registrar.settle(settled.up_to)

    def _take_announced(self, announced: PartsAnnounced) -> None:
        if not self._can_count_all(announced.last, announced):
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
        if self._registrar.waits_for_word(end, announced):
            return
        self._registrar.fill_up_to(end, announced, "announced, but no pictures came in time")
        self._announced = None


def build_inference(context: Context[InferenceConfiguration]) -> Inspector:
    """The component from its context."""
    keep_freed_memory()
    cv2.setNumThreads(1)  # the models use the cores; OpenCV's own threads would only disturb them
    return Inspector(context)
