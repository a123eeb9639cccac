"""The component: a trigger in, a numbered part with its frames out, and its number again each second."""

import logging
from dataclasses import dataclass

import cv2
from msgspec.structs import replace

from capture.cameras import StationCameras
from capture.changeover import (
    ChallengePartArguments,
    Changeover,
    ChangeProductArguments,
    LotEndArguments,
    LotStartArguments,
    PlannedChange,
)
from capture.commissioning.calibrate import CalibrateArguments
from capture.commissioning.take_reference import TakeReferenceArguments
from capture.commissioning.worker import CommissioningWorker
from capture.configuration import CaptureConfiguration, MessageTriggerConfiguration
from capture.deadline import travel_time_ns
from capture.frame_set import FrameSet, empty_frame_set
from capture.lateness import CapturePace, LatenessLimits, find_unphotographed_reason
from capture.numbering import NumberingState
from capture.part_counter import PartCounter
from capture.triggers.gpio import EdgeSeen
from capture.triggers.interval import IntervalElapsed
from capture.triggers.registry import open_trigger
from capture.triggers.trigger import TriggerEvent
from sightline.clock import boot_id
from sightline.kernel.command_execution import NO_REPLY, Reply
from sightline.kernel.commissioning_replies import BackgroundPublisher, CommissioningReplies
from sightline.kernel.component import Component, ComponentContext, command, every, on
from sightline.kernel.cpu_latency import CPU_LATENCY_DEVICE, CpuLatencyRequest
from sightline.kernel.malloc_tuning import retain_freed_memory
from sightline.messaging.messages import (
    CommandArgument,
    CommandKind,
    CounterAnnounced,
    Part,
    PartCaptured,
    PartsAnnounced,
    PartSettled,
    PartTriggered,
)
from sightline.messaging.topics import CAPTURE, PART_CAPTURED, PARTS_ANNOUNCED

log = logging.getLogger(__name__)

NUMBERING_FILE = "numbering.record"
PRODUCT_IN_DOUBT = "product-in-doubt"
UNPHOTOGRAPHED = "parts-unphotographed"
SECOND_NS = 1_000_000_000
UNPHOTOGRAPHED_SHOWN_NS = 10 * SECOND_NS
MAX_PENDING_PARTS = 64
CHANGEOVER_COMMANDS: tuple[CommandKind, ...] = (
    "change_product",
    "lot_start",
    "lot_end",
    "challenge_part",
)
COMMISSIONING_COMMANDS: tuple[CommandKind, ...] = (
    "map_cameras",
    "calibrate",
    "take_reference",
    "live_view",
)


@dataclass(frozen=True)
class UnseenCounter:
    """A counter that the PLC announced and no trigger has named; the trigger may be on its way."""

    announced: CounterAnnounced
    since_monotonic_ns: int


class CaptureComponent(Component[CaptureConfiguration]):
    """Numbers each part, captures its frames, and publishes it to inference."""

    def __init__(self, context: ComponentContext[CaptureConfiguration]) -> None:
        super().__init__(context)
        self._unseen_counter: UnseenCounter | None = None
        self._pending_parts: list[PartCaptured] = []
        self._pace = CapturePace()
        self._unphotographed_ends_ns: int | None = None
        self._cpu_latency = CpuLatencyRequest()
        if not self._cpu_latency.is_available:
            log.info(
                "cannot keep the processors awake between parts",
                extra={"not_opened": str(CPU_LATENCY_DEVICE)},
            )
        path = context.work_folder / NUMBERING_FILE
        self._counter = PartCounter(path, context.health, context.clock)
        state = self._counter.state
        self._changeover = Changeover(context, None if state is None else state.last)
        self._product_configuration = self._changeover.configuration
        self._cameras = StationCameras(
            self._product_configuration, context.station_id, context.health, context.clock
        )
        self._cameras.expect(self._counter.last_number + 1)
        self._cameras.open()
        self._trigger = open_trigger(
            context.configuration.trigger, context.inbox, context.clock, context.health
        )
        self._trigger.start()
        self._step_publisher = BackgroundPublisher(context.publisher, context.health)
        self._commissioning = self._build_commissioning()
        self.accept_commands(self._changeover, self._find_next_part, kinds=CHANGEOVER_COMMANDS)
        self._apply_product()
        self._commissioning.start()

    def _build_commissioning(self) -> CommissioningWorker:
        commands = self.accept_commands(
            CommissioningReplies(CAPTURE, self.health, self.clock),
            kinds=COMMISSIONING_COMMANDS,
            publisher=self._step_publisher,
        )
        return CommissioningWorker(self.context, self._cameras, commands)

    @on(PartTriggered, EdgeSeen, IntervalElapsed)
    def trigger_received(self, event: PartTriggered | EdgeSeen | IntervalElapsed) -> None:
        """The PLC, a sensor or the interval; it is a part's trigger if that source is configured."""
        triggered = self._trigger.find_trigger(event, self.received_monotonic_ns)
        if triggered is not None:
            self._part_triggered(triggered)

    def handle_other(self, event: object) -> None:
        """An event of a trigger source that is not built in."""
        triggered = self._trigger.find_trigger(event, self.received_monotonic_ns)
        if triggered is not None:
            self._part_triggered(triggered)
        else:
            super().handle_other(event)

    @on(CounterAnnounced)
    def counter_announced(self, announced: CounterAnnounced) -> None:
        """The PLC's counter: its part may be numbered already, its trigger be on the way, or lost."""
        if not isinstance(self.configuration.trigger, MessageTriggerConfiguration):
            return  # the parts are counted here; the PLC's counter means nothing to them
        unseen = UnseenCounter(announced, self.received_monotonic_ns)
        if self._counter.state is None:
            self._adopt_counter(unseen)
        elif announced.counter == self._counter.last_number:
            self._unseen_counter = None
        elif self._unseen_counter is None:
            self._unseen_counter = unseen

    @on(PartSettled)
    def parts_settled(self, settled: PartSettled) -> None:
        """Parts have records: no number up to there is given again."""
        self._counter.skip_epochs_before(settled.up_to.epoch)
        self._counter.skip_numbers_up_to(settled.up_to)

    @command("change_product", ChangeProductArguments)
    def change_product(self, arguments: ChangeProductArguments, next_part: Part | None) -> Reply:
        """Between two parts, for here no part is in hand."""
        return self._reply_to(self._changeover.change_product(arguments))

    @command("lot_start", LotStartArguments)
    def start_lot(self, arguments: LotStartArguments, next_part: Part | None) -> Reply:
        """From the next part on."""
        return self._reply_to(self._changeover.change_lot(arguments.lot))

    @command("lot_end", LotEndArguments)
    def end_lot(self, arguments: LotEndArguments, next_part: Part | None) -> Reply:
        """From the next part on."""
        return self._reply_to(self._changeover.change_lot(""))

    @command("challenge_part", ChallengePartArguments)
    def plan_challenge(self, arguments: ChallengePartArguments, next_part: Part | None) -> Reply:
        """The next part, or the one that is named."""
        return self._reply_to(self._changeover.plan_challenge(arguments, next_part))

    def _reply_to(self, planned: PlannedChange) -> Reply:
        return Reply(planned.text, planned.state, self._apply_product)

    @command("map_cameras")
    def map_cameras(self, arguments: dict[str, CommandArgument], next_part: Part | None) -> None:
        """The arguments name a camera for each position; the reply follows, as of all these steps."""
        self._commissioning.submit(self.current_command, arguments)

    @command("calibrate", CalibrateArguments)
    def calibrate(self, arguments: CalibrateArguments, next_part: Part | None) -> None:
        """A camera's scale, by the printed target."""
        self._commissioning.submit(self.current_command, arguments)

    @command("take_reference", TakeReferenceArguments)
    def take_reference(self, arguments: TakeReferenceArguments, next_part: Part | None) -> None:
        """A part that went by becomes its product's reference."""
        self._commissioning.submit(self.current_command, arguments)

    @command("live_view")
    def show_live_view(
        self, arguments: dict[str, CommandArgument], next_part: Part | None
    ) -> Reply:
        """What the cameras see, until the command's end; the views are the reply."""
        self._commissioning.show_until(self.current_command.expires_utc_ns)
        return NO_REPLY

    def between_events(self) -> None:
        """When no trigger waits: publish parts without picture, adopt a counter whose trigger is lost."""
        if len(self._pending_parts) >= MAX_PENDING_PARTS or self.context.inbox.depth() == 0:
            self._publish_pending_parts()
        self._adopt_unseen()

    @every(seconds=1)
    def open_cameras(self) -> None:
        """Open cameras and ring again that were away."""
        self._cameras.open()

    @every(seconds=1)
    def refresh_products(self) -> None:
        """Put into force products that were deployed, references taken and cameras mapped meanwhile."""
        self._changeover.refresh_products()
        self._apply_product()
        configurations = self._changeover.configurations_by_product()
        self._cameras.prefetch_references(self._commissioning.reference_folders(configurations))

    @every(seconds=1)
    def announce_last_part(self) -> None:
        """Announce the last number that is stored; the parts up to it are published before."""
        self._counter.tick()
        self._publish_pending_parts()
        self._announce()

    @every(seconds=1)
    def rest_after_parts(self) -> None:
        """Let the processors sleep, and a fault of parts without picture go, some time after the last."""
        now_ns = self.clock.monotonic_ns()
        self._cpu_latency.tick(now_ns)
        ends_ns = self._unphotographed_ends_ns
        if ends_ns is not None and now_ns >= ends_ns:
            self._unphotographed_ends_ns = None
            self.health.clear_fault(UNPHOTOGRAPHED)

    def reconfigure(self, before: CaptureConfiguration) -> None:
        """Cameras, limits, product and trigger, from the next part on."""
        self._changeover.configure(self.configuration)
        self._apply_product()
        if self.configuration.cameras != before.cameras:
            self._commissioning.on_cameras_changed()
        if self.configuration.trigger != before.trigger:
            self._unseen_counter = None
            self._trigger.close()
            self._trigger = open_trigger(
                self.configuration.trigger, self.context.inbox, self.clock, self.health
            )
            self._trigger.start()

    def close(self) -> None:
        """End the trigger, let the cameras go, remove the ring, leave the bus."""
        self._publish_pending_parts()
        self._commissioning.close()
        self._step_publisher.close()
        self._trigger.close()
        self._cameras.close()
        self._counter.close()
        self._cpu_latency.close()
        self.context.bus.close()

    def _part_triggered(self, triggered: TriggerEvent) -> None:
        self._keep_awake(triggered)
        self._commissioning.on_part_triggered()
        self._changeover.note_trigger(triggered)
        self._apply_product()
        way_ns = travel_time_ns(self._product_configuration, triggered.belt_speed_mps)
        why = find_unphotographed_reason(
            triggered, self.clock.monotonic_ns(), self._lateness_limits(way_ns)
        )
        deadline_ns = triggered.monotonic_ns
        if not triggered.untimed_reason:
            deadline_ns = triggered.earliest_monotonic_ns + way_ns
        numbering = self._counter.number_part(triggered, deadline_ns, store=not why)
        if numbering is None:
            self.health.count("parts_known_already")
            return
        self._unseen_counter = None
        if why:
            self._skip_part(triggered, numbering, why)
            return
        captured = self._capture_part(triggered, numbering)
        self._publish_pending_parts(captured)
        self._commissioning.on_part_captured(captured)

    def _lateness_limits(self, way_ns: int) -> LatenessLimits:
        return LatenessLimits(
            max_delay_ns=self._product_configuration.max_trigger_delay_ns,
            travel_ns=way_ns,
            finds_frames_late=self._cameras.finds_frames_late,
            capture_ns=self._pace.capture_ns,
        )

    def _skip_part(self, triggered: TriggerEvent, numbering: NumberingState, why: str) -> None:
        """A part that gets a number and no picture; it is published when no trigger waits any more."""
        self.health.count("parts_unphotographed")
        self._unphotographed_ends_ns = self.clock.monotonic_ns() + UNPHOTOGRAPHED_SHOWN_NS
        text = f"Part {numbering.last_number} has no picture and is not ok: {why}"
        if self.health.raise_fault(UNPHOTOGRAPHED, text, "warning"):
            log.warning("no picture", extra={"reason": text})
        nothing = empty_frame_set(self._product_configuration.cameras, why)
        self._pending_parts.append(self._build_part_captured(triggered, numbering, nothing, why))

    def _publish_pending_parts(self, photographed: PartCaptured | None = None) -> None:
        """Publish the parts that were numbered, in order, when the last number is on disk."""
        parts = (
            self._pending_parts if photographed is None else [*self._pending_parts, photographed]
        )
        if not parts:
            return
        self._pending_parts = []
        if photographed is None:
            self._counter.start_storing()
        if self._counter.wait_until_stored():
            for captured in parts:
                if self.publish(PART_CAPTURED, captured) and not captured.unphotographed:
                    self.health.count("parts_captured")
        self._cameras.expect(parts[-1].part.part_number + 1)

    def _keep_awake(self, triggered: TriggerEvent) -> None:
        keep_ns = round(self._product_configuration.keep_awake_s * 1e9)
        if keep_ns > 0:
            self._cpu_latency.keep_awake_until(triggered.monotonic_ns + keep_ns)

    def _capture_part(self, triggered: TriggerEvent, numbering: NumberingState) -> PartCaptured:
        """The part's message, while its number is being stored."""
        began_ns = self.clock.monotonic_ns()
        seen = self._cameras.capture(numbering.last_number, triggered.monotonic_ns)
        self._pace.add(self.clock.monotonic_ns() - began_ns)
        captured = self._build_part_captured(triggered, numbering, seen)
        capture_ms = (captured.captured_monotonic_ns - triggered.monotonic_ns) / 1e6
        self.health.set_gauge("capture_ms", capture_ms)
        return captured

    def _build_part_captured(
        self, triggered: TriggerEvent, numbering: NumberingState, seen: FrameSet, why: str = ""
    ) -> PartCaptured:
        attributes = self._changeover.assign_attributes(triggered, numbering.last)
        conditions = seen.conditions
        if self._changeover.is_product_in_doubt:
            conditions = tuple(
                replace(found, out_of_range=(*found.out_of_range, PRODUCT_IN_DOUBT))
                for found in conditions
            )
        return PartCaptured(
            station_id=self.context.station_id,
            part=numbering.last,
            triggered_utc_ns=triggered.utc_ns,
            triggered_monotonic_ns=triggered.monotonic_ns,
            captured_monotonic_ns=self.clock.monotonic_ns(),
            deadline_monotonic_ns=numbering.deadline_monotonic_ns,
            boot_id=boot_id(),
            frames=seen.frames,
            missing_cameras=seen.missing_cameras,
            conditions=conditions,
            calibration_version=(
                self._commissioning.calibration_version()
                or self._product_configuration.calibration_version
            ),
            product=attributes.product,
            lot=attributes.lot,
            first_number=numbering.first_number,
            product_version=attributes.version,
            challenge=attributes.challenge,
            counted_by=numbering.counted_by,
            unphotographed=why,
            ended_before=numbering.ended_before,
            continues=numbering.continues,
        )

    def _apply_product(self) -> None:
        """Let cameras, limits and deadline be those of the product of this part, or of the last."""
        self._changeover.assign_positions(self._cameras.positions)
        product = self._changeover.attributes.product
        self._commissioning.note_product(product)
        configuration = self._commissioning.with_reference(self._changeover.configuration, product)
        if configuration != self._product_configuration:
            self._product_configuration = configuration
            self._cameras.configure(configuration)

    def _find_next_part(self) -> Part | None:
        """The part that comes next, as far as it can be known."""
        state = self._counter.state
        return None if state is None else Part(state.epoch, state.last_number + 1)

    def _adopt_unseen(self) -> None:
        unseen = self._unseen_counter
        if unseen is None or self.context.inbox.depth() > 0:
            return  # its trigger may wait in the inbox
        if self.clock.monotonic_ns() - unseen.since_monotonic_ns > SECOND_NS:
            self._unseen_counter = None
            self._adopt_counter(unseen)

    def _adopt_counter(self, unseen: UnseenCounter) -> None:
        before = self._counter.state
        deadline_ns = unseen.since_monotonic_ns + travel_time_ns(self._product_configuration, None)
        counter = unseen.announced.counter
        after = self._counter.adopt(counter, deadline_ns)
        if after is None:
            return
        if before is not None and before.epoch == after.epoch:
            self.health.count("parts_adopted", after.last_number - before.last_number)
            log.error("triggers were lost", extra={"up_to": after.last_number})
        if self._counter.wait_until_stored():
            self._announce()
        self._cameras.expect(after.last_number + 1)

    def _announce(self) -> None:
        stored = self._counter.stored
        if stored is not None:
            attributes = self._changeover.attributes
            message = PartsAnnounced(
                station_id=self.context.station_id,
                last=stored.last,
                deadline_monotonic_ns=stored.deadline_monotonic_ns,
                boot_id=stored.boot_id,
                first_number=stored.first_number,
                product=attributes.product,
                product_version=attributes.version,
                lot=attributes.lot,
                counted_by=stored.counted_by,
                ended_before=stored.ended_before,
                continues=stored.continues,
            )
            self.publish(PARTS_ANNOUNCED, message)


def build_capture_component(context: ComponentContext[CaptureConfiguration]) -> CaptureComponent:
    """The component with the configured cameras and trigger."""
    retain_freed_memory()
    cv2.setNumThreads(1)  # threads of its own would run beside the part in hand, at full priority
    return CaptureComponent(context)
