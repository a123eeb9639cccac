"""The thread behind the commissioning: its steps and its views, never while a part is in hand."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cv2

from capture.cameras import StationCameras
from capture.commissioning.calibrate import CalibrateStep, CalibrationStore
from capture.commissioning.frame_view import encode_small_picture
from capture.commissioning.inter_part_pause import InterPartPause
from capture.commissioning.live_view import LiveView, ViewAnnotations, next_round_s
from capture.commissioning.map_cameras import MapCamerasStep
from capture.commissioning.past_parts import PastPart, PastParts
from capture.commissioning.reference_store import ReferenceStore
from capture.commissioning.step import StepContext, StepHandler
from capture.commissioning.take_reference import TakeReferenceStep
from capture.configuration import CaptureConfiguration
from capture.sources.source import CameraFrame
from sightline.errors import SightlineError
from sightline.kernel.background import lower_priority
from sightline.kernel.command_execution import CommandExecution
from sightline.kernel.commands import refuse_expired
from sightline.kernel.component import ComponentContext
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.messages import CommandAccepted, PartCaptured
from sightline.messaging.topics import CAMERA_VIEW
from sightline.storage.station_folder import put_into_spool

log = logging.getLogger(__name__)
NOT_SHOWN = "live-view"
REFERENCE_LOST = "taken-reference"


class CommissioningWorker:
    """What is public is the main thread's; all else happens here, at a low priority."""

    def __init__(
        self,
        context: ComponentContext[CaptureConfiguration],
        cameras: StationCameras,
        commands: CommandExecution,
    ) -> None:
        self._context = context
        self._cameras = cameras
        self._commands = commands
        self._health = context.health
        self._thread = SupervisedThread("commissioning", self._run, context.health)
        self._view = LiveView(context.station_id, context.clock)
        self._pause = InterPartPause()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._product = ""
        step_context = StepContext(cameras, context.clock, context.station_id, context.work_folder)
        self._step_context = step_context
        self._past_parts = PastParts(context.station_id, context.configuration.ring_slots)
        self._reference_store = ReferenceStore(
            step_context.station_folder.references, self._report_reference
        )
        self._calibrations = CalibrationStore(step_context, context.health)
        self._map_cameras = MapCamerasStep(step_context, self._calibrations, context.health)
        self._map_cameras.restore_positions()
        self._steps: dict[str, StepHandler] = {
            "map_cameras": self._map_cameras,
            "calibrate": CalibrateStep(step_context, self._calibrations),
            "take_reference": TakeReferenceStep(
                step_context, self._past_parts, self._reference_store, lambda: self._product
            ),
        }

    def _report_reference(self, text: str) -> None:
        log.error("taken reference not readable", extra={"reason": text})
        self._health.raise_fault(REFERENCE_LOST, f"{text} Take the reference again, or forget it.")

    def submit(self, command: CommandAccepted, arguments: Any) -> None:
        """Have a step carried out; its reply follows when it is done."""
        self._work.put(partial(self._carry_out, command, arguments))

    def show_until(self, until_utc_ns: int) -> None:
        """Show what the cameras see, until then at least."""
        self._work.put(partial(self._view.keep_open_until, until_utc_ns))

    def on_part_triggered(self) -> None:
        """A part was triggered: let it go first."""
        self._pause.on_part_triggered()

    def on_part_captured(self, captured: PartCaptured) -> None:
        """A part's frames lie in the ring."""
        self._past_parts.append(PastPart(captured.part, captured.product, captured.frames))

    def on_cameras_changed(self) -> None:
        """Other cameras are configured: where each stands holds only as far as it fits them."""
        self._map_cameras.restore_positions()

    def note_product(self, product: str) -> None:
        """The line makes this product now."""
        self._product = product

    def with_reference(
        self, configuration: CaptureConfiguration, product: str
    ) -> CaptureConfiguration:
        """The configuration with what was taken as the product's reference."""
        return self._reference_store.apply(configuration, product)

    def reference_folders(self, configurations: Mapping[str, CaptureConfiguration]) -> set[str]:
        """Where the reference pictures of these products lie."""
        applied = (self.with_reference(found, name) for name, found in configurations.items())
        limits = (configuration.conditions.reference for configuration in applied)
        return {found.folder for found in limits if found is not None}

    def calibration_version(self) -> str:
        """The version of the scales that hold now, or nothing."""
        return self._calibrations.version()

    def close(self) -> None:
        """End the thread after the picture in hand."""
        self._ended.set()
        self._work.put(lambda: None)
        self._thread.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def _run(self) -> None:
        """Carry out steps; show views while somebody wants them."""
        lower_priority()
        wait_s: float | None = 0.0  # somebody may have wanted views before a failure
        while not self._ended.is_set():
            with contextlib.suppress(queue.Empty):
                work = self._work.get(timeout=wait_s)
                work()
                wait_s = 0.0
                continue
            began_s = time.monotonic()
            self._show_views()
            wait_s = next_round_s(began_s, time.monotonic()) if self._view.is_active else None

    def _carry_out(self, command: CommandAccepted, arguments: Any) -> None:
        try:
            refuse_expired(command, self._context.clock.utc_ns())  # while it waited here
            reply = self._steps[command.kind](arguments)
        except (SightlineError, OSError, cv2.error) as error:
            self._commands.finish(command.command_id, "refused", str(error))
        except Exception as error:  # whoever asked gets a reply, whatever it was
            text = f"An unforeseen error: {type(error).__name__}: {error}. Please report the log."
            self._commands.finish(command.command_id, "refused", text)
            raise
        else:
            if not self._reference_store.is_any_unknown():
                self._health.clear_fault(REFERENCE_LOST)
            self._commands.finish(command.command_id, "done", reply.text, reply.change)

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
        except (OSError, SightlineError) as error:
            self._health.count("views_not_shown")
            text = f"Cannot store the live picture of {frame.camera}: {error}"
            if self._health.raise_fault(NOT_SHOWN, text, "warning"):
                log.warning("not shown", extra={"camera": frame.camera, "error": str(error)})
            return
        self._health.clear_fault(NOT_SHOWN)
        is_published = self._context.publish(CAMERA_VIEW, view)
        self._health.count("views_shown" if is_published else "views_not_shown")
