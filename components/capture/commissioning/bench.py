"""The thread behind the commissioning: takes its commands and looks, never while a part is in hand."""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping

import cv2

from capture.cameras import Cameras
from capture.commissioning.calibrate import Calibrate, Calibrations
from capture.commissioning.live_view import LiveView, Marks, next_round_s
from capture.commissioning.map_cameras import MapCameras
from capture.commissioning.past_parts import PastPart, PastParts
from capture.commissioning.pause import Pause
from capture.commissioning.sight import small_picture
from capture.commissioning.step import Step, StepDone, Workbench
from capture.commissioning.take_reference import TakeReference
from capture.commissioning.taken_references import TakenReferences
from capture.configuration import CaptureConfiguration
from capture.sources.source import Frame
from sightline.background import lower_priority
from sightline.commands import ANSWERS_KEPT, refuse_late
from sightline.errors import MessageError, SightlineError, TransportError
from sightline.kept_thread import KeptThread
from sightline.messages import CommandAccepted, CommissioningStep, PartCaptured, StepResult
from sightline.runtime import Context
from sightline.station_folder import put_into_spool
from sightline.topics import CAMERA_VIEW, CAPTURE, COMMISSIONING_STEP

log = logging.getLogger(__name__)
NOT_SHOWN = "live-view"
REFERENCE_LOST = "taken-reference"


class Bench:
    """What is public is the main thread's; all else happens here, at a low priority."""

    def __init__(self, context: Context[CaptureConfiguration], cameras: Cameras) -> None:
        self._context = context
        self._cameras = cameras
        self._health = context.health
        self._thread = KeptThread("commissioning", self._run, context.health)
        self._view = LiveView(context.station_id, context.clock)
        self._pause = Pause()
        self._commands: queue.SimpleQueue[CommandAccepted | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._taken_ids: deque[str] = deque(maxlen=ANSWERS_KEPT)
        self._product = ""
        bench = Workbench(cameras, context.clock, context.station_id, context.work_folder)
        self._bench = bench
        self._past = PastParts(context.station_id, context.configuration.ring_slots)
        self._taken = TakenReferences(bench.folder.references, self._report_reference)
        self._calibrations = Calibrations(bench, context.health)
        self._map_cameras = MapCameras(bench, self._calibrations, context.health)
        self._map_cameras.take_kept()
        self._steps: dict[str, Step] = {
            "map_cameras": self._map_cameras,
            "calibrate": Calibrate(bench, self._calibrations),
            "take_reference": TakeReference(bench, self._past, self._taken, lambda: self._product),
        }

    def _report_reference(self, text: str) -> None:
        log.error("a taken reference is not known", extra={"reason": text})
        self._health.raise_fault(REFERENCE_LOST, f"{text} Take the reference again, or forget it.")

    def take(self, command: CommandAccepted) -> None:
        """Take a command that is for this component; a repeat of it changes nothing."""
        is_ours = command.kind == "live_view" or command.kind in self._steps
        if is_ours and command.command_id not in self._taken_ids:
            self._taken_ids.append(command.command_id)
            self._commands.put(command)

    def part_comes(self) -> None:
        """A part was triggered: let it go first."""
        self._pause.part_came()

    def part_captured(self, captured: PartCaptured) -> None:
        """A part's frames lie in the ring."""
        self._past.add(PastPart(captured.part, captured.product, captured.frames))

    def cameras_changed(self) -> None:
        """Other cameras are configured: where each stands holds only as far as it fits them."""
        self._map_cameras.take_kept()

    def fitted(self, configuration: CaptureConfiguration, product: str) -> CaptureConfiguration:
        """The configuration with what was taken as the product's reference."""
        self._product = product
        return self._taken.applied(configuration, product)

    def reference_folders(self, configurations: Mapping[str, CaptureConfiguration]) -> set[str]:
        """Where the reference pictures of these products lie."""
        applied = (self._taken.applied(found, name) for name, found in configurations.items())
        limits = (configuration.conditions.reference for configuration in applied)
        return {found.folder for found in limits if found is not None}

    def calibration_version(self) -> str:
        """The version of the scales that hold now, or nothing."""
        return self._calibrations.version()

    def close(self) -> None:
        """End the thread after the picture in hand."""
        self._ended.set()
        self._commands.put(None)
        self._thread.end()
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
                    self._carry_out(command)
                    wait_s = 0.0
                    continue
            began_s = time.monotonic()
            self._look()
            wait_s = next_round_s(began_s, time.monotonic()) if self._view.is_wanted else None

    def _carry_out(self, command: CommandAccepted) -> None:
        if command.kind == "live_view":
            self._view.allow(command.expires_utc_ns)
            return
        unforeseen: Exception | None = None
        try:
            refuse_late(command, self._context.clock.utc_ns())
            done, result = self._steps[command.kind](command.arguments), "done"
        except (SightlineError, OSError, cv2.error) as error:
            done, result = StepDone(str(error)), "failed"
        except Exception as error:  # noqa: BLE001 whoever asked gets an answer, whatever it was
            unforeseen = error
            done, result = StepDone(f"unforeseen: {type(error).__name__}: {error}"), "failed"
        if not self._taken.is_any_unknown():
            self._health.clear_fault(REFERENCE_LOST)
        log.info("commissioning", extra={"kind": command.kind, "result": result, "text": done.text})
        self._health.count(f"steps_{result}")
        with contextlib.suppress(TransportError, MessageError):
            self._context.bus.publish(COMMISSIONING_STEP, self._step(command, done, result))
        if unforeseen is not None:
            raise unforeseen

    def _step(self, command: CommandAccepted, done: StepDone, result: str) -> CommissioningStep:
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

    def _look(self) -> None:
        """One picture of each camera, if somebody wants it."""
        if not self._view.is_wanted:
            return
        for frame in self._cameras.latest():
            if not self._pause.wait(self._ended):
                return
            if isinstance(frame, Frame):
                self._show(frame)

    def _show(self, frame: Frame) -> None:
        device, conditions = self._cameras.device_at(frame.camera), self._cameras.measure(frame)
        marks = Marks(
            device=device,
            reference_version=self._taken.version(self._product),
            calibration=self._calibrations.of(frame.camera),
            calibration_version=self._calibrations.version(),
        )
        view = self._view.view(frame, conditions, marks)
        try:
            put_into_spool(
                self._bench.folder.evidence_spool, view.picture_key, small_picture(frame)
            )
            self._context.bus.publish(CAMERA_VIEW, view)
        except (OSError, SightlineError) as error:
            self._health.count("views_not_shown")
            if self._health.raise_fault(NOT_SHOWN, f"{frame.camera}: {error}", "warning"):
                log.warning("not shown", extra={"camera": frame.camera, "error": str(error)})
        else:
            self._health.count("views_shown")
            self._health.clear_fault(NOT_SHOWN)
