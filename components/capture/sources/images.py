"""Cameras that play a folder of pictures, chosen by the part's number; decoded ahead of the trigger."""

import contextlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from capture.configuration import FrameConfiguration, ImagesConfiguration
from capture.sources.pictures import deal_pictures, read_picture
from capture.sources.source import CameraFault, Frame
from sightline.errors import CameraError, PictureError

DECODER_NICENESS = 10
Frames = tuple[Frame | CameraFault, ...]


class ImagesSource:
    """Plays part N from the pictures (N - 1) modulo their count; CameraError if there are none."""

    opens_again = False

    def __init__(
        self,
        configuration: ImagesConfiguration,
        cameras: Sequence[str],
        frame: FrameConfiguration,
    ) -> None:
        self._pictures = deal_pictures(Path(configuration.folder), cameras)
        self._frame = frame
        self._decoder = ThreadPoolExecutor(1, "decode-ahead", initializer=_step_back)
        self._ahead: tuple[int, Future[Frames]] | None = None

    def expect(self, part_number: int) -> None:
        """Decode the part's pictures in the background, unless that is under way."""
        if self._ahead is not None:
            number, future = self._ahead
            if number == part_number:
                return
            future.cancel()
        self._ahead = (part_number, self._decoder.submit(self._decode, part_number))

    def frames(self, part_number: int, triggered_monotonic_ns: int) -> Frames:
        """The part's frames: at once if it was expected, else decoded now; the number decides."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == part_number:
            return ahead[1].result()
        return self._decode(part_number)

    def close(self) -> None:
        """End the decoder's thread."""
        self._decoder.shutdown(wait=True, cancel_futures=True)

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


def _step_back() -> None:
    """Decoding ahead stands in for a camera's own work: it must not slow the part in hand."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), DECODER_NICENESS)
