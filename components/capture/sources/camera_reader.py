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
    check_stream_format,
    decode_pixels,
)
from capture.sources.controls import ExposureTime, set_controls, verify_controls
from capture.sources.frame_matching import (
    MatchWindow,
    choose_frame,
    count_lost_frames,
    explain_no_match,
    is_match_decided,
)
from capture.sources.source import CameraFault, CameraFrame
from capture.sources.v4l2_configuration import V4l2Configuration
from sightline.backoff import Backoff
from sightline.errors import CameraError
from sightline.kernel.health import THREAD_FAULT, ComponentHealth
from sightline.kernel.supervised_thread import SupervisedThread

log = logging.getLogger(__name__)

FRAME_READ_TIMEOUT_S = 0.1
CAMERA_JOIN_TIMEOUT_S = 5.0  # a driver that hangs for longer keeps its thread, and nobody else
MAX_PARTS_WITHOUT_FRAME = 3
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
        health: ComponentHealth,
    ) -> None:
        self.camera = camera
        self._requested_format = wanted
        self._configuration = configuration
        self._control_values = configuration.controls_for(camera)
        self._open_device = open_device
        self._arrived = arrived
        self._health = health
        self._backoff = Backoff()
        self._frames: deque[RawFrame] = deque(maxlen=configuration.kept_frames)
        self._newest: RawFrame | None = None
        self._used_up_to_ns = 0
        self._format = wanted
        self._missing_reason: str | None = "the camera is not open yet"
        self._exposure_us: int | None = None
        self._parts_without_frame = 0
        self._last_sequence: int | None = None
        self._last_frame_s = 0.0
        self._ended = threading.Event()
        self._thread = SupervisedThread(
            f"camera-{camera}", self._run, health, on_failure=self._mark_failed
        )

    def start(self) -> None:
        """Open the camera and begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading, soon."""
        self._ended.set()
        self._thread.stop()

    def join(self) -> None:
        """Wait until the camera is given back; not for ever, where its driver hangs."""
        self._thread.join(CAMERA_JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            log.error(
                "camera cannot be closed: its driver does not respond",
                extra={"camera": self.camera},
            )
        self._health.clear_fault(THREAD_FAULT + self._thread.name)  # of a reader that is no more

    def adjust(self, configuration: V4l2Configuration) -> None:
        """Set other controls while it streams; frames from before are no part's. With `arrived` held."""
        asked = configuration.controls_for(self.camera)
        if asked != self._control_values:
            self._control_values = asked
            self._frames.clear()
            self._missing_reason = self._missing_reason or "the camera's controls are being set"

    def is_decided(self, window: MatchWindow) -> bool:
        """Whether waiting changes nothing any more; with `arrived` held."""
        return self._missing_reason is not None or is_match_decided(self._frames, window)

    def match_frame(self, window: MatchWindow) -> CameraFrame | CameraFault:
        """The part's frame; it and all before it are used up. With `arrived` held."""
        if self._missing_reason is not None:
            return CameraFault(self.camera, self._missing_reason)
        chosen = choose_frame(self._frames, window)
        if chosen is None:
            self._parts_without_frame += 1
            return CameraFault(self.camera, explain_no_match(self._frames, window))
        self._parts_without_frame = 0
        self._used_up_to_ns = max(self._used_up_to_ns, chosen.timestamp_ns)
        while self._frames and self._frames[0].timestamp_ns <= chosen.timestamp_ns:
            self._frames.popleft()
        return self._build_frame(chosen)

    def newest_frame(self) -> CameraFrame | CameraFault:
        """The frame that came last; it stays. With `arrived` held."""
        if self._missing_reason is not None or self._newest is None:
            return CameraFault(self.camera, self._missing_reason or "no frame has arrived yet")
        return self._build_frame(self._newest)

    def _build_frame(self, chosen: RawFrame) -> CameraFrame | CameraFault:
        if chosen.is_damaged:
            return CameraFault(self.camera, DAMAGED)
        try:
            pixels = decode_pixels(chosen.content, self._format)
        except CameraError as error:
            return CameraFault(self.camera, str(error))
        layout = self._format
        return CameraFrame(
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
                self._mark_lost(str(error))
                self._ended.wait(self._backoff.next_delay_s())

    def _stream(self) -> None:
        """Open, set, start, drop the first frames, then keep each; CameraError when it ends."""
        configuration, asked = self._configuration, self._control_values
        node = configuration.cameras[self.camera].node
        device = self._open_device(node, self._requested_format, configuration.buffers)
        try:
            check_stream_format(self._requested_format, device.stream_format)
            set_controls(device.controls, asked)
            device.start()
            self._last_frame_s = time.monotonic()
            if configuration.matching.free_running:
                self._drop_frames(device, 1)
            verify_controls(device.controls, asked)
            self._drop_frames(device, configuration.dropped_first)
            exposure = ExposureTime(device.controls)
            self._mark_streaming(device.stream_format)
            while not self._ended.is_set():
                if asked is not self._control_values:
                    asked = self._control_values
                    self._update_controls(device, asked)
                self._exposure_us = exposure.read_us(time.monotonic())
                raw = self._read(device)
                if raw is not None:
                    self._append_frame(raw)
        finally:
            self._health.set_gauge(f"camera_streams_{self.camera}", 0.0)
            device.close()

    def _update_controls(self, device: CameraDevice, asked: Mapping[str, int]) -> None:
        """Other controls while frames flow; those exposed before are dropped."""
        verify_controls(device.controls, asked)
        if self._configuration.matching.free_running:
            self._drop_frames(device, 1 + self._configuration.dropped_first)
        self._mark_streaming(device.stream_format)

    def _drop_frames(self, device: CameraDevice, count: int) -> None:
        while count > 0 and not self._ended.is_set():
            count -= self._read(device) is not None

    def _read(self, device: CameraDevice) -> RawFrame | None:
        """A frame, or None after a while; CameraError where silence cannot be right."""
        raw = device.read(FRAME_READ_TIMEOUT_S)
        now_s = time.monotonic()
        if raw is not None:
            self._last_frame_s = now_s
            return raw
        silent_s = now_s - self._last_frame_s
        if self._configuration.matching.free_running:
            if silent_s * 1000 > self._configuration.silence_ms:
                raise CameraError(f"no frame for {silent_s:.1f} s")
        elif self._parts_without_frame >= MAX_PARTS_WITHOUT_FRAME:
            raise CameraError(f"{self._parts_without_frame} parts in a row without a frame")
        return None

    def _append_frame(self, raw: RawFrame) -> None:
        if not raw.is_monotonic:
            raise CameraError(
                "the driver's times are not of CLOCK_MONOTONIC; no frame can be matched to a trigger"
            )
        lost = count_lost_frames(self._last_sequence, raw.sequence)
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

    def _mark_streaming(self, stream_format: StreamFormat) -> None:
        self._backoff.reset()
        with self._arrived:
            self._format = stream_format
            self._missing_reason = None
            self._parts_without_frame = 0
        self._last_sequence = None
        self._health.set_gauge(f"camera_streams_{self.camera}", 1.0)
        self._health.clear_fault(f"camera-{self.camera}")
        log.info("camera streams", extra={"camera": self.camera})

    def _mark_failed(self, error: Exception) -> None:
        """The thread's work begins again, and with it the camera is opened again."""
        self._mark_lost(f"its reader failed: {type(error).__name__}: {error}")

    def _mark_lost(self, why: str) -> None:
        with self._arrived:
            self._frames.clear()
            self._newest = None
            self._missing_reason = why
            self._parts_without_frame = 0
            self._arrived.notify_all()
        self._health.count(f"camera_lost_{self.camera}")
        if self._health.raise_fault(f"camera-{self.camera}", why):
            log.error("camera lost", extra={"camera": self.camera, "reason": why})
