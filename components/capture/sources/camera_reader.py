"""One camera, read in a thread of its own, and opened again with back-off when it fails."""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping

from capture.sources.camera_device import (
    CameraDevice,
    OpenDevice,
    RawFrame,
    StreamFormat,
    pixels_of,
    refuse_other_format,
)
from capture.sources.controls import ExposureTime, set_controls, verify_controls
from capture.sources.matching import Window, choose, frames_lost, is_decided, why_none
from capture.sources.source import CameraFault, Frame
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.backoff import Backoff
from sightline.errors import CameraError
from sightline.health import THREAD_FAULT, Health
from sightline.kept_thread import KeptThread

log = logging.getLogger(__name__)

READ_S = 0.1
GIVEN_BACK_S = 5.0  # a driver that hangs for longer keeps its thread, and nobody else
PARTS_WITHOUT_FRAME = 3
DAMAGED = "the driver marked the frame as damaged"


class CameraReader:
    """Keeps the newest frames of one camera; the caller holds `arrived` for what says so."""

    def __init__(
        self,
        camera: str,
        wanted: StreamFormat,
        configuration: V4l2Configuration,
        open_device: OpenDevice,
        arrived: threading.Condition,
        health: Health,
    ) -> None:
        self.camera = camera
        self._wanted = wanted
        self._configuration = configuration
        self._asked = configuration.controls_of(camera)
        self._open_device = open_device
        self._arrived = arrived
        self._health = health
        self._backoff = Backoff()
        self._frames: deque[RawFrame] = deque(maxlen=configuration.kept_frames)
        self._newest: RawFrame | None = None
        self._used_up_to_ns = 0
        self._format = wanted
        self._why_none: str | None = "the camera is being opened"
        self._exposure_us: int | None = None
        self._parts_without = 0
        self._last_sequence: int | None = None
        self._heard_at_s = 0.0
        self._ended = threading.Event()
        self._thread = KeptThread(
            f"camera-{camera}", self._run, health, on_failure=self._lose_unforeseen
        )

    def start(self) -> None:
        """Open the camera and begin to read."""
        self._thread.start()

    def end(self) -> None:
        """Stop reading, soon."""
        self._ended.set()
        self._thread.end()

    def join(self) -> None:
        """Wait until the camera is given back; not for ever, where its driver hangs."""
        self._thread.join(GIVEN_BACK_S)
        if self._thread.is_alive():
            log.error("camera not given back: its driver hangs", extra={"camera": self.camera})
        self._health.clear_fault(THREAD_FAULT + self._thread.name)  # of a reader that is no more

    def adjust(self, configuration: V4l2Configuration) -> None:
        """Set other controls while it streams; frames from before are no part's. With `arrived` held."""
        asked = configuration.controls_of(self.camera)
        if asked != self._asked:
            self._asked = asked
            self._frames.clear()
            self._why_none = self._why_none or "the camera's controls are being set"

    def is_decided(self, window: Window) -> bool:
        """Whether waiting changes nothing any more; with `arrived` held."""
        return self._why_none is not None or is_decided(self._frames, window)

    def take(self, window: Window) -> Frame | CameraFault:
        """The part's frame; it and all before it are used up. With `arrived` held."""
        if self._why_none is not None:
            return CameraFault(self.camera, self._why_none)
        chosen = choose(self._frames, window)
        if chosen is None:
            self._parts_without += 1
            return CameraFault(self.camera, why_none(self._frames, window))
        self._parts_without = 0
        self._used_up_to_ns = max(self._used_up_to_ns, chosen.timestamp_ns)
        while self._frames and self._frames[0].timestamp_ns <= chosen.timestamp_ns:
            self._frames.popleft()
        return self._frame_of(chosen)

    def newest(self) -> Frame | CameraFault:
        """The frame that came last; it stays. With `arrived` held."""
        if self._why_none is not None or self._newest is None:
            return CameraFault(self.camera, self._why_none or "no frame came yet")
        return self._frame_of(self._newest)

    def _frame_of(self, chosen: RawFrame) -> Frame | CameraFault:
        if chosen.is_damaged:
            return CameraFault(self.camera, DAMAGED)
        try:
            pixels = pixels_of(chosen.content, self._format)
        except CameraError as error:
            return CameraFault(self.camera, str(error))
        layout = self._format
        return Frame(
            self.camera,
            pixels,
            layout.pixel_format,
            layout.width,
            layout.height,
            captured_monotonic_ns=chosen.timestamp_ns,
            exposure_us=self._exposure_us,
        )

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._stream()
            except CameraError as error:
                self._lose(str(error))
                self._ended.wait(self._backoff.failed())

    def _stream(self) -> None:
        """Open, set, start, drop the first frames, then keep each; CameraError when it ends."""
        configuration, asked = self._configuration, self._asked
        node = configuration.cameras[self.camera].node
        device = self._open_device(node, self._wanted, configuration.buffers)
        try:
            refuse_other_format(self._wanted, device.stream_format)
            set_controls(device.controls, asked)
            device.start()
            self._heard_at_s = time.monotonic()
            if configuration.matching.free_running:
                self._drop(device, 1)
            verify_controls(device.controls, asked)
            self._drop(device, configuration.dropped_first)
            exposure = ExposureTime(device.controls)
            self._gain(device.stream_format)
            while not self._ended.is_set():
                if asked is not self._asked:
                    asked = self._asked
                    self._set_again(device, asked)
                self._exposure_us = exposure.us(time.monotonic())
                raw = self._read(device)
                if raw is not None:
                    self._keep(raw)
        finally:
            self._health.gauge(f"camera_streams_{self.camera}", 0.0)
            device.close()

    def _set_again(self, device: CameraDevice, asked: Mapping[str, int]) -> None:
        """Other controls while frames flow; those exposed before are dropped."""
        verify_controls(device.controls, asked)
        if self._configuration.matching.free_running:
            self._drop(device, 1 + self._configuration.dropped_first)
        self._gain(device.stream_format)

    def _drop(self, device: CameraDevice, count: int) -> None:
        while count > 0 and not self._ended.is_set():
            count -= self._read(device) is not None

    def _read(self, device: CameraDevice) -> RawFrame | None:
        """A frame, or None after a while; CameraError where silence cannot be right."""
        raw = device.read(READ_S)
        now_s = time.monotonic()
        if raw is not None:
            self._heard_at_s = now_s
            return raw
        silent_s = now_s - self._heard_at_s
        if self._configuration.matching.free_running:
            if silent_s * 1000 > self._configuration.silence_ms:
                raise CameraError(f"no frame for {silent_s:.1f} s")
        elif self._parts_without >= PARTS_WITHOUT_FRAME:
            raise CameraError(f"{self._parts_without} parts in a row without a frame")
        return None

    def _keep(self, raw: RawFrame) -> None:
        if not raw.is_monotonic:
            raise CameraError(
                "the driver's times are not of CLOCK_MONOTONIC; no frame can be matched to a trigger"
            )
        lost = frames_lost(self._last_sequence, raw.sequence)
        if lost:
            self._health.count(f"frames_dropped_{self.camera}", lost)
        if raw.is_damaged:
            self._health.count(f"frames_damaged_{self.camera}")
        self._last_sequence = raw.sequence
        with self._arrived:
            if raw.timestamp_ns > self._used_up_to_ns:  # else a driver gives a part's frame again
                self._frames.append(raw)
            self._newest = raw
            self._arrived.notify_all()

    def _gain(self, stream_format: StreamFormat) -> None:
        self._backoff.succeeded()
        with self._arrived:
            self._format = stream_format
            self._why_none = None
            self._parts_without = 0
        self._last_sequence = None
        self._health.gauge(f"camera_streams_{self.camera}", 1.0)
        self._health.clear_fault(f"camera-{self.camera}")
        log.info("camera streams", extra={"camera": self.camera})

    def _lose_unforeseen(self, error: Exception) -> None:
        """The thread's work begins again, and with it the camera is opened again."""
        self._lose(f"its reader failed: {type(error).__name__}: {error}")

    def _lose(self, why: str) -> None:
        with self._arrived:
            self._frames.clear()
            self._newest = None
            self._why_none = why
            self._parts_without = 0
            self._arrived.notify_all()
        self._health.count(f"camera_lost_{self.camera}")
        if self._health.raise_fault(f"camera-{self.camera}", why):
            log.error("camera lost", extra={"camera": self.camera, "reason": why})
