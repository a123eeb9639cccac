"""Cameras that play a folder of pictures, chosen by the part's number; decoded ahead of the trigger.

Decoding stands in for a camera's own work: it begins half-way between two parts, when the part in hand
is judged, for a camera would not disturb that either.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from capture.configuration import FrameConfiguration, ImagesConfiguration
from capture.sources.pictures import deal_pictures, read_picture
from capture.sources.source import CameraFault, Frame
from sightline.background import lower_priority
from sightline.errors import CameraError, PictureError

GREATEST_PAUSE_S = 0.2
Frames = tuple[Frame | CameraFault, ...]


class ImagesSource:
    """Plays part N from the pictures (N - 1) modulo their count; CameraError if there are none."""

    opens_again = False
    finds_late = True  # a part's picture is found by its number, whenever

    def __init__(
        self,
        configuration: ImagesConfiguration,
        cameras: Sequence[str],
        frame: FrameConfiguration,
    ) -> None:
        self._pictures = deal_pictures(Path(configuration.folder), cameras)
        self._frame = frame
        self._decoder = ThreadPoolExecutor(1, "decode-ahead", initializer=lower_priority)
        self._ahead: tuple[int, Future[Frames]] | None = None
        self._asked_for = threading.Event()
        self._last_asked_s: float | None = None
        self._pause_s = 0.0
        self._given: Frames | None = None

    def expect(self, part_number: int) -> None:
        """Decode the part's pictures in the background, soon, unless that is under way."""
        if self._ahead is not None:
            number, future = self._ahead
            if number == part_number:
                return
            future.cancel()
        self._asked_for.clear()
        self._ahead = (part_number, self._decoder.submit(self._decode_soon, part_number))

    def frames(self, part_number: int, triggered_monotonic_ns: int) -> Frames:
        """The part's frames: at once if it was expected, else decoded now; the number decides."""
        self._observe_rate(time.monotonic())
        self._asked_for.set()
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == part_number:
            self._given = ahead[1].result()
        else:
            self._given = self._decode(part_number)
        return self._given

    def latest(self) -> Frames:
        """The last part's frames; before the first part, those of the part that is expected."""
        given, ahead = self._given, self._ahead
        if given is not None:
            return given
        if ahead is not None and ahead[1].done() and not ahead[1].cancelled():
            return ahead[1].result()
        return tuple(CameraFault(camera, "no picture is decoded yet") for camera in self._pictures)

    def close(self) -> None:
        """End the decoder's thread."""
        self._asked_for.set()
        self._decoder.shutdown(wait=True, cancel_futures=True)

    def _observe_rate(self, now_s: float) -> None:
        if self._last_asked_s is not None:
            self._pause_s = min(GREATEST_PAUSE_S, (now_s - self._last_asked_s) / 2)
        self._last_asked_s = now_s

    def _decode_soon(self, part_number: int) -> Frames:
        self._asked_for.wait(self._pause_s)
        return self._decode(part_number)

    def _decode(self, part_number: int) -> Frames:
        return tuple(
            self._frame_of(camera, files[(part_number - 1) % len(files)])
            for camera, files in self._pictures.items()
        )

    def _frame_of(self, camera: str, file: Path) -> Frame | CameraFault:
        width, height = self._frame.width, self._frame.height
        try:
            pixels = read_picture(file, width, height)
        except (PictureError, CameraError) as error:
            return CameraFault(camera, str(error))
        return Frame(camera, pixels, "UYVY", width, height)
