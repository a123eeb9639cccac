"""The component: a trigger in, a numbered part with its frames out, and its number again each second."""

import logging
from dataclasses import dataclass

import cv2
from msgspec.structs import replace

from capture.cameras import StationCameras
from capture.changeover import Changeover
from capture.commissioning.worker import CommissioningWorker
from capture.configuration import CaptureConfiguration, MessageTriggerConfiguration
from capture.deadline import travel_time_ns
from capture.frame_set import FrameSet, empty_frame_set
from capture.lateness import CapturePace, LatenessLimits, find_unphotographed_reason
from capture.numbering import NumberingState
from capture.part_counter import PartCounter
from capture.triggers.registry import open_trigger
from capture.triggers.trigger import TriggerEvent
from sightline.clock import boot_id
from sightline.errors import MessageError, TransportError
from sightline.kernel.commands import is_command_for
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.cpu_latency import CPU_LATENCY_DEVICE, CpuLatencyRequest
from sightline.kernel.malloc_tuning import retain_freed_memory
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import (
    CommandAccepted,
    CounterAnnounced,
    PartCaptured,
    PartsAnnounced,
    PartSettled,
    StationMessage,
)
from sightline.messaging.topics import (
    CAPTURE,
    COMMAND_CARRIED_OUT,
    PART_CAPTURED,
    PARTS_ANNOUNCED,
    MessageStream,
)

log = logging.getLogger(__name__)

NUMBERING_FILE = "numbering.record"
NOT_PUBLISHED = "messages-not-published"
PRODUCT_IN_DOUBT = "product-in-doubt"
UNPHOTOGRAPHED = "parts-unphotographed"
SECOND_NS = 1_000_000_000
UNPHOTOGRAPHED_SHOWN_NS = 10 * SECOND_NS
MAX_PENDING_PARTS = 64


@dataclass(frozen=True)
class UnseenCounter:
    """A counter that the PLC announced and no trigger has told; the trigger may be on its way."""

    announced: CounterAnnounced
    since_monotonic_ns: int


class CaptureComponent:
    """Numbers each part, takes its frames, and tells inference."""

    def __init__(self, context: ComponentContext[CaptureConfiguration]) -> None:
        self._context = context
        self._health = context.health
        self._clock = context.clock
        self._unseen_counter: UnseenCounter | None = None
        self._pending_parts: list[PartCaptured] = []
        self._pace = CapturePace()
        self._unphotographed_ends_ns: int | None = None
        self._cpu_latency = CpuLatencyRequest()
        if not self._cpu_latency.is_available:
            log.info(
                "processors may sleep between parts", extra={"not_opened": str(CPU_LATENCY_DEVICE)}
            )
        self._next_second_ns = self._clock.monotonic_ns()
        path = context.work_folder / NUMBERING_FILE
        self._counter = PartCounter(path, context.health, context.clock)
        state = self._counter.state
        self._changeover = Changeover(context, None if state is None else state.last)
        self._configuration = self._changeover.select_configuration()
        self._cameras = StationCameras(
            self._configuration, context.station_id, context.health, context.clock
        )
        self._cameras.expect(self._counter.last_number + 1)
        self._cameras.open()
        self._trigger = open_trigger(
            context.configuration.trigger, context.inbox, context.clock, context.health
        )
        self._trigger.start()
        self._commissioning = CommissioningWorker(context, self._cameras)
        self._select_configuration()
        self._commissioning.start()

    def handle(self, event: object) -> None:
        """Take a trigger, the PLC's announced counter, or a new configuration."""
        triggered = self._trigger.find_trigger(event)
        if triggered is not None:
            self._handle_trigger(triggered)
        elif isinstance(event, Delivery) and isinstance(event.message, CounterAnnounced):
            self._handle_counter(event.message, event.received_monotonic_ns)
        elif isinstance(event, Delivery) and isinstance(event.message, CommandAccepted):
            self._handle_command(event.message)
        elif isinstance(event, Delivery) and isinstance(event.message, PartSettled):
            self._counter.skip_epochs_before(event.message.up_to.epoch)
            self._counter.skip_numbers_up_to(event.message.up_to)
        elif isinstance(event, NewConfiguration):
            self._reconfigure(event)

    def tick(self) -> float:
        """Each second: look after the cameras, announce the last number; seconds until the next."""
        if len(self._pending_parts) >= MAX_PENDING_PARTS or self._context.inbox.depth() == 0:
            self._publish_pending_parts()
        self._adopt_unseen()
        now_ns = self._clock.monotonic_ns()
        self._cpu_latency.tick(now_ns)
        if now_ns >= self._next_second_ns:
            late_ns = now_ns - self._next_second_ns
            self._next_second_ns += SECOND_NS * (1 + late_ns // SECOND_NS)
            self._cameras.open()
            self._counter.tick()
            self._publish_pending_parts()
            self._clear_unphotographed_fault(now_ns)
            self._changeover.refresh_products()
            self._select_configuration()
            self._announce()
            folders = self._commissioning.reference_folders(
                self._changeover.configurations_by_product()
            )
            self._cameras.prefetch_references(folders)
        return max(0.0, (self._next_second_ns - now_ns) / 1e9)

    def close(self) -> None:
        """End the trigger, let the cameras go, remove the ring, leave the bus."""
        self._publish_pending_parts()
        self._commissioning.close()
        self._trigger.close()
        self._cameras.close()
        self._counter.close()
        self._cpu_latency.close()
        self._context.bus.close()

    def _handle_trigger(self, triggered: TriggerEvent) -> None:
        self._keep_awake(triggered)
        self._commissioning.on_part_triggered()
        self._select_configuration(triggered)
        way_ns = travel_time_ns(self._configuration, triggered.belt_speed_mps)
        why = find_unphotographed_reason(
            triggered, self._clock.monotonic_ns(), self._lateness_limits(way_ns)
        )
        deadline_ns = triggered.monotonic_ns
        if not triggered.untimed_reason:
            deadline_ns = triggered.earliest_monotonic_ns + way_ns
        numbering = self._counter.number_part(triggered, deadline_ns, store=not why)
        if numbering is None:
            self._health.count("parts_known_already")
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
            max_delay_ns=self._configuration.max_trigger_delay_ns,
            travel_ns=way_ns,
            finds_frames_late=self._cameras.finds_frames_late,
            capture_ns=self._pace.capture_ns,
        )

    def _skip_part(self, triggered: TriggerEvent, numbering: NumberingState, why: str) -> None:
        """A part that gets a number and no picture; it is told when no trigger waits any more."""
        self._health.count("parts_unphotographed")
        self._unphotographed_ends_ns = self._clock.monotonic_ns() + UNPHOTOGRAPHED_SHOWN_NS
        text = f"part {numbering.last_number} has no picture and is not ok: {why}"
        if self._health.raise_fault(UNPHOTOGRAPHED, text, "warning"):
            log.warning("no picture", extra={"reason": text})
        nothing = empty_frame_set(self._configuration.cameras, why)
        self._pending_parts.append(self._build_part_captured(triggered, numbering, nothing, why))

    def _publish_pending_parts(self, photographed: PartCaptured | None = None) -> None:
        """Tell of the parts that were numbered, in order, when the last number is on disk."""
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
                if self._publish(PART_CAPTURED, captured) and not captured.unphotographed:
                    self._health.count("parts_captured")
        self._cameras.expect(parts[-1].part.part_number + 1)

    def _clear_unphotographed_fault(self, now_ns: int) -> None:
        """Parts without picture are a fault for a while."""
        ends_ns = self._unphotographed_ends_ns
        if ends_ns is not None and now_ns >= ends_ns:
            self._unphotographed_ends_ns = None
            self._health.clear_fault(UNPHOTOGRAPHED)

    def _keep_awake(self, triggered: TriggerEvent) -> None:
        keep_ns = round(self._configuration.keep_awake_s * 1e9)
        if keep_ns > 0:
            self._cpu_latency.keep_awake_until(triggered.monotonic_ns + keep_ns)

    def _capture_part(self, triggered: TriggerEvent, numbering: NumberingState) -> PartCaptured:
        """The part's message, while its number is being stored."""
        began_ns = self._clock.monotonic_ns()
        seen = self._cameras.capture(numbering.last_number, triggered.monotonic_ns)
        self._pace.add(self._clock.monotonic_ns() - began_ns)
        captured = self._build_part_captured(triggered, numbering, seen)
        capture_ms = (captured.captured_monotonic_ns - triggered.monotonic_ns) / 1e6
        self._health.set_gauge("capture_ms", capture_ms)
        return captured

    def _build_part_captured(
        self, triggered: TriggerEvent, numbering: NumberingState, seen: FrameSet, why: str = ""
    ) -> PartCaptured:
        stamp = self._changeover.assign_attributes(triggered, numbering.last)
        conditions = seen.conditions
        if self._changeover.is_product_in_doubt:
            conditions = tuple(
                replace(found, out_of_range=(*found.out_of_range, PRODUCT_IN_DOUBT))
                for found in conditions
            )
        return PartCaptured(
            station_id=self._context.station_id,
            part=numbering.last,
            triggered_utc_ns=triggered.utc_ns,
            triggered_monotonic_ns=triggered.monotonic_ns,
            captured_monotonic_ns=self._clock.monotonic_ns(),
            deadline_monotonic_ns=numbering.deadline_monotonic_ns,
            boot_id=boot_id(),
            frames=seen.frames,
            missing_cameras=seen.missing_cameras,
            conditions=conditions,
            calibration_version=(
                self._commissioning.calibration_version() or self._configuration.calibration_version
            ),
            product=stamp.product,
            lot=stamp.lot,
            first_number=numbering.first_number,
            product_version=stamp.version,
            challenge=stamp.challenge,
            counted_by=numbering.counted_by,
            unphotographed=why,
            ended_before=numbering.ended_before,
            continues=numbering.continues,
        )

    def _select_configuration(self, triggered: TriggerEvent | None = None) -> None:
        """Let cameras, limits and deadline be those of the product that this part, or the last, is."""
        self._changeover.assign_positions(self._cameras.positions)
        fitted = self._commissioning.apply_product_reference(
            self._changeover.select_configuration(triggered),
            self._changeover.current_attributes().product,
        )
        if fitted != self._configuration:
            self._configuration = fitted
            self._cameras.configure(fitted)

    def _handle_command(self, command: CommandAccepted) -> None:
        """Between two parts, for here no part is in hand."""
        self._commissioning.submit(command)
        if is_command_for(command, CAPTURE):
            state = self._counter.state
            answer = self._changeover.handle_command(command, None if state is None else state.last)
            self._select_configuration()
            self._publish(COMMAND_CARRIED_OUT, answer)

    def _handle_counter(self, announced: CounterAnnounced, received_ns: int) -> None:
        if not isinstance(self._configuration.trigger, MessageTriggerConfiguration):
            return  # the parts are counted here; the PLC's counter means nothing to them
        if self._counter.state is None:
            self._adopt_counter(UnseenCounter(announced, received_ns))
        elif announced.counter == self._counter.last_number:
            self._unseen_counter = None
        elif self._unseen_counter is None:
            self._unseen_counter = UnseenCounter(announced, received_ns)

    def _adopt_unseen(self) -> None:
        unseen = self._unseen_counter
        if unseen is None or self._context.inbox.depth() > 0:
            return  # its trigger may wait in the inbox
        if self._clock.monotonic_ns() - unseen.since_monotonic_ns > SECOND_NS:
            self._unseen_counter = None
            self._adopt_counter(unseen)

    def _adopt_counter(self, unseen: UnseenCounter) -> None:
        before = self._counter.state
        deadline_ns = unseen.since_monotonic_ns + travel_time_ns(self._configuration, None)
        counter = unseen.announced.counter
        after = self._counter.adopt(counter, deadline_ns)
        if after is None:
            return
        if before is not None and before.epoch == after.epoch:
            self._health.count("parts_adopted", after.last_number - before.last_number)
            log.error("triggers were lost", extra={"up_to": after.last_number})
        if self._counter.wait_until_stored():
            self._announce()
        self._cameras.expect(after.last_number + 1)

    def _announce(self) -> None:
        stored = self._counter.stored
        if stored is not None:
            stamp = self._changeover.current_attributes()
            message = PartsAnnounced(
                station_id=self._context.station_id,
                last=stored.last,
                deadline_monotonic_ns=stored.deadline_monotonic_ns,
                boot_id=stored.boot_id,
                first_number=stored.first_number,
                product=stamp.product,
                product_version=stamp.version,
                lot=stamp.lot,
                counted_by=stored.counted_by,
                ended_before=stored.ended_before,
                continues=stored.continues,
            )
            self._publish(PARTS_ANNOUNCED, message)

    def _reconfigure(self, event: NewConfiguration) -> None:
        configuration = event.configuration
        assert isinstance(configuration, CaptureConfiguration)
        before = self._configuration
        self._changeover.configure(configuration)
        self._configuration = self._commissioning.apply_product_reference(
            self._changeover.select_configuration(), self._changeover.current_attributes().product
        )
        self._cameras.configure(self._configuration)
        if configuration.cameras != before.cameras:
            self._commissioning.on_cameras_changed()
        if configuration.trigger != before.trigger:
            self._unseen_counter = None
            self._trigger.close()
            context = self._context
            self._trigger = open_trigger(
                configuration.trigger, context.inbox, context.clock, context.health
            )
            self._trigger.start()

    def _publish(self, stream: MessageStream, message: StationMessage) -> bool:
        try:
            self._context.bus.publish(stream, message)
        except (TransportError, MessageError) as error:
            self._health.count("messages_not_published")
            if self._health.raise_fault(NOT_PUBLISHED, str(error), "warning"):
                log.warning("not published", extra={"stream": stream.name, "error": str(error)})
            return False
        self._health.clear_fault(NOT_PUBLISHED)
        return True


def build_capture_component(context: ComponentContext[CaptureConfiguration]) -> CaptureComponent:
    """The component with the configured cameras and trigger."""
    retain_freed_memory()
    cv2.setNumThreads(1)  # threads of its own would run beside the part in hand, at full priority
    return CaptureComponent(context)
