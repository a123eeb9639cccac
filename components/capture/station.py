"""The component: a trigger in, a numbered part with its frames out, and its number again each second."""

import logging
from dataclasses import dataclass

import cv2
from msgspec.structs import replace

from capture.cameras import Cameras
from capture.commissioning.bench import Bench
from capture.configuration import CaptureConfiguration, MessageTriggerConfiguration
from capture.deadline import travel_ns
from capture.frameset import FrameSet, nothing_seen
from capture.lateness import CapturePace, Lateness, why_unphotographed
from capture.line import Line
from capture.numbering import Numbering
from capture.part_counter import PartCounter
from capture.triggers.registry import open_trigger
from capture.triggers.trigger import Triggered
from sightline.bus import Delivery
from sightline.clock import boot_id
from sightline.commands import is_for
from sightline.errors import MessageError, TransportError
from sightline.memory import keep_freed_memory
from sightline.messages import (
    CommandAccepted,
    CounterAnnounced,
    Message,
    PartCaptured,
    PartsAnnounced,
    PartSettled,
)
from sightline.runtime import Context, NewConfiguration
from sightline.topics import (
    CAPTURE,
    COMMAND_CARRIED_OUT,
    PART_CAPTURED,
    PARTS_ANNOUNCED,
    Stream,
)
from sightline.wakefulness import DEVICE, Wakefulness

log = logging.getLogger(__name__)

NUMBERING_FILE = "numbering.record"
NOT_PUBLISHED = "messages-not-published"
PRODUCT_IN_DOUBT = "product-in-doubt"
UNPHOTOGRAPHED = "parts-unphotographed"
SECOND_NS = 1_000_000_000
UNPHOTOGRAPHED_SHOWN_NS = 10 * SECOND_NS
MAX_UNTOLD = 64


@dataclass(frozen=True)
class Unseen:
    """A counter that the PLC announced and no trigger has told; the trigger may be on its way."""

    announced: CounterAnnounced
    since_monotonic_ns: int


class Capture:
    """Numbers each part, takes its frames, and tells inference."""

    def __init__(self, context: Context[CaptureConfiguration]) -> None:
        self._context = context
        self._health = context.health
        self._clock = context.clock
        self._unseen: Unseen | None = None
        self._untold: list[PartCaptured] = []
        self._pace = CapturePace()
        self._unphotographed_ends_ns: int | None = None
        self._wakefulness = Wakefulness()
        if not self._wakefulness.possible:
            log.info("processors may sleep between parts", extra={"not_opened": str(DEVICE)})
        self._next_second_ns = self._clock.monotonic_ns()
        path = context.work_folder / NUMBERING_FILE
        self._counter = PartCounter(path, context.health, context.clock)
        state = self._counter.state
        self._line = Line(context, None if state is None else state.last)
        self._configuration = self._line.fitted()
        self._cameras = Cameras(
            self._configuration, context.station_id, context.health, context.clock
        )
        self._cameras.expect(self._counter.last_number + 1)
        self._cameras.open()
        self._trigger = open_trigger(
            context.configuration.trigger, context.inbox, context.clock, context.health
        )
        self._trigger.start()
        self._bench = Bench(context, self._cameras)
        self._fit()
        self._bench.start()

    def handle(self, event: object) -> None:
        """Take a trigger, the PLC's announced counter, or a new configuration."""
        triggered = self._trigger.triggered(event)
        if triggered is not None:
            self._capture(triggered)
        elif isinstance(event, Delivery) and isinstance(event.message, CounterAnnounced):
            self._hear(event.message, event.received_monotonic_ns)
        elif isinstance(event, Delivery) and isinstance(event.message, CommandAccepted):
            self._carry_out(event.message)
        elif isinstance(event, Delivery) and isinstance(event.message, PartSettled):
            self._counter.leave_epochs_before(event.message.up_to.epoch)
            self._counter.leave_numbers_up_to(event.message.up_to)
        elif isinstance(event, NewConfiguration):
            self._reconfigure(event)

    def tick(self) -> float:
        """Each second: look after the cameras, announce the last number; seconds until the next."""
        if len(self._untold) >= MAX_UNTOLD or self._context.inbox.depth() == 0:
            self._tell_untold()
        self._adopt_unseen()
        now_ns = self._clock.monotonic_ns()
        self._wakefulness.look(now_ns)
        if now_ns >= self._next_second_ns:
            late_ns = now_ns - self._next_second_ns
            self._next_second_ns += SECOND_NS * (1 + late_ns // SECOND_NS)
            self._cameras.open()
            self._counter.tick()
            self._tell_untold()
            self._rest(now_ns)
            self._line.look()
            self._fit()
            self._announce()
            folders = self._bench.reference_folders(self._line.configurations())
            self._cameras.foresee_references(folders)
        return max(0.0, (self._next_second_ns - now_ns) / 1e9)

    def close(self) -> None:
        """End the trigger, let the cameras go, remove the ring, leave the bus."""
        self._tell_untold()
        self._bench.close()
        self._trigger.close()
        self._cameras.close()
        self._counter.close()
        self._wakefulness.close()
        self._context.bus.close()

    def _capture(self, triggered: Triggered) -> None:
        self._keep_awake(triggered)
        self._bench.part_comes()
        self._fit(triggered)
        way_ns = travel_ns(self._configuration, triggered.belt_speed_mps)
        why = why_unphotographed(triggered, self._clock.monotonic_ns(), self._lateness(way_ns))
        deadline_ns = triggered.monotonic_ns
        if not triggered.untimed:
            deadline_ns = triggered.earliest_monotonic_ns + way_ns
        numbering = self._counter.take(triggered, deadline_ns, store=not why)
        if numbering is None:
            self._health.count("parts_known_already")
            return
        self._unseen = None
        if why:
            self._pass_over(triggered, numbering, why)
            return
        captured = self._captured(triggered, numbering)
        self._tell_untold(captured)
        self._bench.part_captured(captured)

    def _lateness(self, way_ns: int) -> Lateness:
        return Lateness(
            max_delay_ns=self._configuration.max_trigger_delay_ns,
            way_ns=way_ns,
            finds_late=self._cameras.finds_late,
            capture_ns=self._pace.capture_ns,
        )

    def _pass_over(self, triggered: Triggered, numbering: Numbering, why: str) -> None:
        """A part that gets a number and no picture; it is told when no trigger waits any more."""
        self._health.count("parts_unphotographed")
        self._unphotographed_ends_ns = self._clock.monotonic_ns() + UNPHOTOGRAPHED_SHOWN_NS
        text = f"part {numbering.last_number} has no picture and is not ok: {why}"
        if self._health.raise_fault(UNPHOTOGRAPHED, text, "warning"):
            log.warning("no picture", extra={"reason": text})
        nothing = nothing_seen(self._configuration.cameras, why)
        self._untold.append(self._message(triggered, numbering, nothing, why))

    def _tell_untold(self, photographed: PartCaptured | None = None) -> None:
        """Tell of the parts that were numbered, in order, when the last number is on disk."""
        parts = self._untold if photographed is None else [*self._untold, photographed]
        if not parts:
            return
        self._untold = []
        if photographed is None:
            self._counter.begin_to_store()
        if self._counter.settle():
            for captured in parts:
                if self._publish(PART_CAPTURED, captured) and not captured.unphotographed:
                    self._health.count("parts_captured")
        self._cameras.expect(parts[-1].part.part_number + 1)

    def _rest(self, now_ns: int) -> None:
        """Parts without picture are a fault for a while."""
        ends_ns = self._unphotographed_ends_ns
        if ends_ns is not None and now_ns >= ends_ns:
            self._unphotographed_ends_ns = None
            self._health.clear_fault(UNPHOTOGRAPHED)

    def _keep_awake(self, triggered: Triggered) -> None:
        keep_ns = round(self._configuration.keep_awake_s * 1e9)
        if keep_ns > 0:
            self._wakefulness.keep_until(triggered.monotonic_ns + keep_ns)

    def _captured(self, triggered: Triggered, numbering: Numbering) -> PartCaptured:
        """The part's message, while its number is being stored."""
        began_ns = self._clock.monotonic_ns()
        seen = self._cameras.capture(numbering.last_number, triggered.monotonic_ns)
        self._pace.add(self._clock.monotonic_ns() - began_ns)
        captured = self._message(triggered, numbering, seen)
        capture_ms = (captured.captured_monotonic_ns - triggered.monotonic_ns) / 1e6
        self._health.gauge("capture_ms", capture_ms)
        return captured

    def _message(
        self, triggered: Triggered, numbering: Numbering, seen: FrameSet, why: str = ""
    ) -> PartCaptured:
        stamp = self._line.stamp(triggered, numbering.last)
        conditions = seen.conditions
        if self._line.is_product_in_doubt:
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
                self._bench.calibration_version() or self._configuration.calibration_version
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

    def _fit(self, triggered: Triggered | None = None) -> None:
        """Let cameras, limits and deadline be those of the product that this part, or the last, is."""
        self._line.place(self._cameras.positions)
        fitted = self._bench.fitted(self._line.fitted(triggered), self._line.now().product)
        if fitted != self._configuration:
            self._configuration = fitted
            self._cameras.configure(fitted)

    def _carry_out(self, command: CommandAccepted) -> None:
        """Between two parts, for here no part is in hand."""
        self._bench.take(command)
        if is_for(command, CAPTURE):
            state = self._counter.state
            answer = self._line.carry_out(command, None if state is None else state.last)
            self._fit()
            self._publish(COMMAND_CARRIED_OUT, answer)

    def _hear(self, announced: CounterAnnounced, received_ns: int) -> None:
        if not isinstance(self._configuration.trigger, MessageTriggerConfiguration):
            return  # the parts are counted here; the PLC's counter means nothing to them
        if self._counter.state is None:
            self._adopt(Unseen(announced, received_ns))
        elif announced.counter == self._counter.last_number:
            self._unseen = None
        elif self._unseen is None:
            self._unseen = Unseen(announced, received_ns)

    def _adopt_unseen(self) -> None:
        unseen = self._unseen
        if unseen is None or self._context.inbox.depth() > 0:
            return  # its trigger may wait in the inbox
        if self._clock.monotonic_ns() - unseen.since_monotonic_ns > SECOND_NS:
            self._unseen = None
            self._adopt(unseen)

    def _adopt(self, unseen: Unseen) -> None:
        before = self._counter.state
        deadline_ns = unseen.since_monotonic_ns + travel_ns(self._configuration, None)
        counter = unseen.announced.counter
        after = self._counter.adopt(counter, deadline_ns)
        if after is None:
            return
        if before is not None and before.epoch == after.epoch:
            self._health.count("parts_adopted", after.last_number - before.last_number)
            log.error("triggers were lost", extra={"up_to": after.last_number})
        if self._counter.settle():
            self._announce()
        self._cameras.expect(after.last_number + 1)

    def _announce(self) -> None:
        stored = self._counter.stored
        if stored is not None:
            stamp = self._line.now()
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
        self._line.configure(configuration)
        self._configuration = self._bench.fitted(self._line.fitted(), self._line.now().product)
        self._cameras.configure(self._configuration)
        if configuration.cameras != before.cameras:
            self._bench.cameras_changed()
        if configuration.trigger != before.trigger:
            self._unseen = None
            self._trigger.close()
            context = self._context
            self._trigger = open_trigger(
                configuration.trigger, context.inbox, context.clock, context.health
            )
            self._trigger.start()

    def _publish(self, stream: Stream, message: Message) -> bool:
        try:
            self._context.bus.publish(stream, message)
        except (TransportError, MessageError) as error:
            self._health.count("messages_not_published")
            if self._health.raise_fault(NOT_PUBLISHED, str(error), "warning"):
                log.warning("not published", extra={"stream": stream.name, "error": str(error)})
            return False
        self._health.clear_fault(NOT_PUBLISHED)
        return True


def build_capture(context: Context[CaptureConfiguration]) -> Capture:
    """The component with the configured cameras and trigger."""
    keep_freed_memory()
    cv2.setNumThreads(1)  # threads of its own would run beside the part in hand, at full priority
    return Capture(context)
