"""The thread behind the commissioning: takes its commands and looks, never while a part is in hand."""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping

import cv2

from capture.cameras import StationCameras
from capture.commissioning.calibrate import CalibrateStep, CalibrationStore
from capture.commissioning.frame_view import encode_small_picture
from capture.commissioning.inter_part_pause import InterPartPause
from capture.commissioning.live_view import LiveView, ViewAnnotations, next_round_s
from capture.commissioning.map_cameras import MapCamerasStep
from capture.commissioning.past_parts import PastPart, PastParts
from capture.commissioning.reference_store import ReferenceStore
from capture.commissioning.step import StepContext, StepDone, StepHandler
from capture.commissioning.take_reference import TakeReferenceStep
from capture.configuration import CaptureConfiguration
from capture.sources.source import CameraFrame
from sightline.errors import MessageError, SightlineError, TransportError
from sightline.kernel.background import lower_priority
from sightline.kernel.commands import MAX_STORED_REPLIES, refuse_expired
from sightline.kernel.component import ComponentContext
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.messages import (
    CommandAccepted,
    CommissioningStep,
    PartCaptured,
    StepResult,
)
from sightline.messaging.topics import CAMERA_VIEW, CAPTURE, COMMISSIONING_STEP
from sightline.storage.station_folder import put_into_spool

log = logging.getLogger(__name__)
NOT_SHOWN = "live-view"
REFERENCE_LOST = "taken-reference"


class CommissioningWorker:
    """What is public is the main thread's; all else happens here, at a low priority."""

    def __init__(
        self, context: ComponentContext[CaptureConfiguration], cameras: StationCameras
    ) -> None:
        self._context = context
        self._cameras = cameras
        self._health = context.health
        self._thread = SupervisedThread("commissioning", self._run, context.health)
        self._view = LiveView(context.station_id, context.clock)
        self._pause = InterPartPause()
        self._commands: queue.SimpleQueue[CommandAccepted | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._seen_command_ids: deque[str] = deque(maxlen=MAX_STORED_REPLIES)
        self._product = ""
        bench = StepContext(cameras, context.clock, context.station_id, context.work_folder)
        self._step_context = bench
        self._past_parts = PastParts(context.station_id, context.configuration.ring_slots)
        self._reference_store = ReferenceStore(
            bench.station_folder.references, self._report_reference
        )
        self._calibrations = CalibrationStore(bench, context.health)
        self._map_cameras = MapCamerasStep(bench, self._calibrations, context.health)
        self._map_cameras.restore_positions()
        self._steps: dict[str, StepHandler] = {
            "map_cameras": self._map_cameras,
            "calibrate": CalibrateStep(bench, self._calibrations),
            "take_reference": TakeReferenceStep(
                bench, self._past_parts, self._reference_store, lambda: self._product
            ),
        }

    def _report_reference(self, text: str) -> None:
        log.error("a taken reference is not known", extra={"reason": text})
        self._health.raise_fault(REFERENCE_LOST, f"{text} Take the reference again, or forget it.")

    def submit(self, command: CommandAccepted) -> None:
        """Take a command that is for this component; a repeat of it changes nothing."""
        is_ours = command.kind == "live_view" or command.kind in self._steps
        if is_ours and command.command_id not in self._seen_command_ids:
            self._seen_command_ids.append(command.command_id)
            self._commands.put(command)

    def on_part_triggered(self) -> None:
        """A part was triggered: let it go first."""
        self._pause.on_part_triggered()

    def on_part_captured(self, captured: PartCaptured) -> None:
        """A part's frames lie in the ring."""
        self._past_parts.append(PastPart(captured.part, captured.product, captured.frames))

    def on_cameras_changed(self) -> None:
        """Other cameras are configured: where each stands holds only as far as it fits them."""
        self._map_cameras.restore_positions()

    def apply_product_reference(
        self, configuration: CaptureConfiguration, product: str
    ) -> CaptureConfiguration:
        """The configuration with what was taken as the product's reference."""
        self._product = product
        return self._reference_store.apply(configuration, product)

    def reference_folders(self, configurations: Mapping[str, CaptureConfiguration]) -> set[str]:
        """Where the reference pictures of these products lie."""
        applied = (
            self._reference_store.apply(found, name) for name, found in configurations.items()
        )
        limits = (configuration.conditions.reference for configuration in applied)
        return {found.folder for found in limits if found is not None}

    def calibration_version(self) -> str:
        """The version of the scales that hold now, or nothing."""
        return self._calibrations.version()

    def close(self) -> None:
        """End the thread after the picture in hand."""
        self._ended.set()
        self._commands.put(None)
        self._thread.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def start(self) -> None:
        """Begin to take commands."""
        self._thread.start()

    def _run(self) -> None:
        """Take commands; look while somebody wants it."""
        lower_priority()
        wait_s: float | None = 0.0  # somebody may have wanted to look before a failure
        while not self._ended.is_set():
            with contextlib.suppress(queue.Empty):
                command = self._commands.get(timeout=wait_s)
                if command is not None:
                    self._execute(command)
                    wait_s = 0.0
                    continue
            began_s = time.monotonic()
            self._show_views()
            wait_s = next_round_s(began_s, time.monotonic()) if self._view.is_active else None

    def _execute(self, command: CommandAccepted) -> None:
        if command.kind == "live_view":
            self._view.keep_open_until(command.expires_utc_ns)
            return
        unforeseen: Exception | None = None
        try:
            refuse_expired(command, self._context.clock.utc_ns())
            done, result = self._steps[command.kind](command.arguments), "done"
        except (SightlineError, OSError, cv2.error) as error:
            done, result = StepDone(str(error)), "failed"
        except Exception as error:  # noqa: BLE001 whoever asked gets an answer, whatever it was
            unforeseen = error
            done, result = StepDone(f"unforeseen: {type(error).__name__}: {error}"), "failed"
        if not self._reference_store.is_any_unknown():
            self._health.clear_fault(REFERENCE_LOST)
        log.info("commissioning", extra={"kind": command.kind, "result": result, "text": done.text})
        self._health.count(f"steps_{result}")
        with contextlib.suppress(TransportError, MessageError):
            self._context.bus.publish(COMMISSIONING_STEP, self._build_result(command, done, result))
        if unforeseen is not None:
            raise unforeseen

    def _build_result(
        self, command: CommandAccepted, done: StepDone, result: str
    ) -> CommissioningStep:
        stated: StepResult = "done" if result == "done" else "failed"
        return CommissioningStep(
            station_id=self._context.station_id,
            command_id=command.command_id,
            kind=command.kind,
            component=CAPTURE,
            result=stated,
            at_utc_ns=self._context.clock.utc_ns(),
            text=done.text,
            version=done.version,
            calibrations=done.calibrations,
            positions=done.positions,
        )

    def _show_views(self) -> None:
        """One picture of each camera, if somebody wants it."""
        if not self._view.is_active:
            return
        for frame in self._cameras.latest():
            if not self._pause.wait(self._ended):
                return
            if isinstance(frame, CameraFrame):
                self._publish_view(frame)

    def _publish_view(self, frame: CameraFrame) -> None:
        device, conditions = self._cameras.device_at(frame.camera), self._cameras.measure(frame)
        marks = ViewAnnotations(
            device=device,
            reference_version=self._reference_store.version(self._product),
            calibration=self._calibrations.calibration_for(frame.camera),
            calibration_version=self._calibrations.version(),
        )
        view = self._view.build_view(frame, conditions, marks)
        try:
            put_into_spool(
                self._step_context.station_folder.evidence_spool,
                view.picture_key,
                encode_small_picture(frame),
            )
            self._context.bus.publish(CAMERA_VIEW, view)
        except (OSError, SightlineError) as error:
            self._health.count("views_not_shown")
            if self._health.raise_fault(NOT_SHOWN, f"{frame.camera}: {error}", "warning"):
                log.warning("not shown", extra={"camera": frame.camera, "error": str(error)})
        else:
            self._health.count("views_shown")
            self._health.clear_fault(NOT_SHOWN)
