"""The thread behind the commissioning: takes its commands and looks, never while a part is in hand."""

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable

import cv2
from msgspec.structs import replace

from capture.cameras import Cameras
from capture.commissioning.live_view import LiveView, next_round_s
from capture.commissioning.pause import Pause
from capture.commissioning.positions import PositionsError, checked, load, store
from capture.commissioning.sight import small_picture
from capture.configuration import CaptureConfiguration
from capture.sources.source import Frame
from sightline.errors import SightlineError, TransportError
from sightline.journal import DurableText
from sightline.messages import CommandAccepted, CommissioningStep
from sightline.runtime import Context
from sightline.station_folder import StationFolder, put_into_spool
from sightline.topics import CAMERA_VIEW, CAPTURE, COMMISSIONING_STEP

log = logging.getLogger(__name__)
NICENESS = 10
NOT_SHOWN = "live-view"
WRONG_POSITIONS = "camera-positions"
KINDS = frozenset({"live_view", "map_cameras", "calibrate", "take_reference"})


class Bench(threading.Thread):
    """`take` and `part_came` are the main thread's; all else happens here, at a low priority."""

    def __init__(self, context: Context[CaptureConfiguration], cameras: Cameras) -> None:
        super().__init__(name="commissioning", daemon=True)
        self._context = context
        self._cameras = cameras
        self._health = context.health
        self._view = LiveView(context.station_id, context.clock)
        self._pause = Pause()
        self._commands: queue.SimpleQueue[CommandAccepted | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._last_sequence = 0
        self._steps: dict[str, Callable[[CommandAccepted], CommissioningStep]] = {
            "map_cameras": self._map_cameras,
        }
        self._take_kept_positions()

    def take(self, command: CommandAccepted) -> None:
        """Take a command that is for this component; a repeat of it changes nothing."""
        if command.kind in KINDS and command.sequence > self._last_sequence:
            self._last_sequence = command.sequence
            self._commands.put(command)

    def part_came(self) -> None:
        """A part was triggered: let it go first."""
        self._pause.part_came()

    def close(self) -> None:
        """End the thread after the picture in hand."""
        self._ended.set()
        self._commands.put(None)
        if self.is_alive():
            self.join(timeout=5)

    def run(self) -> None:
        """Take commands; look while somebody wants it."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        wait_s: float | None = None
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
        try:
            step = self._steps[command.kind](command)
        except (SightlineError, OSError, cv2.error) as error:
            step = self.step(command, "failed", str(error))
        with contextlib.suppress(TransportError):
            self._context.bus.publish(COMMISSIONING_STEP, step)

    def step(self, command: CommandAccepted, result: str, text: str) -> CommissioningStep:
        """The answer to a command."""
        return CommissioningStep(
            station_id=self._context.station_id,
            command_id=command.command_id,
            kind=command.kind,
            component=CAPTURE,
            result="done" if result == "done" else "failed",
            at_utc_ns=self._context.clock.utc_ns(),
            text=text,
        )

    def _map_cameras(self, command: CommandAccepted) -> CommissioningStep:
        cameras = self._cameras.configuration.cameras
        names = {self._cameras.name_of(camera): camera for camera in cameras}
        wanted = {at: names.get(str(name), name) for at, name in command.arguments.items()}
        assignment = checked(wanted, cameras)
        store(self._kept_positions(), assignment)
        self._cameras.place(assignment)
        full = {position: assignment.device_of(position) for position in cameras}
        told = ", ".join(f"{at}: {self._cameras.device_at(at)}" for at in cameras)
        return replace(self.step(command, "done", f"From the next part on {told}"), positions=full)

    def _take_kept_positions(self) -> None:
        try:
            kept = load(self._kept_positions(), self._cameras.configuration.cameras)
        except (PositionsError, OSError) as error:
            self._health.raise_fault(WRONG_POSITIONS, str(error))
            log.error("the cameras stand as configured", extra={"error": str(error)})
        else:
            self._cameras.place(kept)

    def _kept_positions(self) -> DurableText:
        return DurableText(self._folder().positions)

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
        view = self._view.view(
            frame, self._cameras.device_at(frame.camera), self._cameras.measure(frame)
        )
        try:
            put_into_spool(self._folder().evidence_spool, view.picture_key, small_picture(frame))
            self._context.bus.publish(CAMERA_VIEW, view)
        except (OSError, SightlineError) as error:
            self._health.count("views_not_shown")
            if self._health.raise_fault(NOT_SHOWN, f"{frame.camera}: {error}", "warning"):
                log.warning("not shown", extra={"camera": frame.camera, "error": str(error)})
        else:
            self._health.count("views_shown")
            self._health.clear_fault(NOT_SHOWN)

    def _folder(self) -> StationFolder:
        configuration = self._cameras.configuration
        return StationFolder(self._context.work_folder / configuration.station_folder)
