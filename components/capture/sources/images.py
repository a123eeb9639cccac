"""Cameras that play a folder of pictures, chosen by the part's number; decoded ahead of the trigger.

Decoding stands in for a camera's own work: it begins half-way between two parts, when the part in hand
is judged, for a camera would not disturb that either.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from capture.configuration import FrameConfiguration, ImagesConfiguration
from capture.ring_size import check_pictures_fit
from capture.sources.picture_files import read_picture
from capture.sources.source import CameraFault, CameraFrame
from sightline.errors import CameraError, PictureError
from sightline.imaging.picture_folder import assign_pictures, find_frame_size, is_same_shape
from sightline.kernel.background import lower_priority

MAX_DECODE_DELAY_S = 0.2
CameraFrames = tuple[CameraFrame | CameraFault, ...]


class ImagesSource:
    """Plays part N from the pictures (N - 1) modulo their count; CameraError if there are none.

    `frame` is the size of its frames: the configured one, else that of the pictures.
    """

    reconnects_itself = False
    finds_frames_late = True  # a part's picture is found by its number, whenever

    def __init__(
        self,
        configuration: ImagesConfiguration,
        cameras: Sequence[str],
        frame: FrameConfiguration | None,
    ) -> None:
        folder = Path(configuration.folder)
        self._pictures = assign_pictures(folder, cameras)
        self.frame = _choose_frame(folder, self._pictures, frame)
        check_pictures_fit(self.frame, len(cameras))
        self._decoder = ThreadPoolExecutor(1, "decode-ahead", initializer=lower_priority)
        self._ahead: tuple[int, Future[CameraFrames]] | None = None
        self._request_event = threading.Event()
        self._last_request_s: float | None = None
        self._decode_delay_s = 0.0
        self._last_frames: CameraFrames | None = None

    def expect(self, part_number: int) -> None:
        """Decode the part's pictures in the background, soon, unless that is under way."""
        if self._ahead is not None:
            number, future = self._ahead
            if number == part_number:
                return
            future.cancel()
        self._request_event.clear()
        self._ahead = (part_number, self._decoder.submit(self._decode_soon, part_number))

    def collect_frames(self, part_number: int, triggered_monotonic_ns: int) -> CameraFrames:
        """The part's frames: at once if it was expected, else decoded now; the number decides."""
        self._observe_rate(time.monotonic())
        self._request_event.set()
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == part_number:
            self._last_frames = ahead[1].result()
        else:
            self._last_frames = self._decode(part_number)
        return self._last_frames

    def latest(self) -> CameraFrames:
        """The last part's frames; before the first part, those of the part that is expected."""
        given, ahead = self._last_frames, self._ahead
        if given is not None:
            return given
        if ahead is not None and ahead[1].done() and not ahead[1].cancelled():
            return ahead[1].result()
        return tuple(CameraFault(camera, "no picture is decoded yet") for camera in self._pictures)

    def close(self) -> None:
        """End the decoder's thread."""
        self._request_event.set()
        self._decoder.shutdown(wait=True, cancel_futures=True)

    def _observe_rate(self, now_s: float) -> None:
        if self._last_request_s is not None:
            self._decode_delay_s = min(MAX_DECODE_DELAY_S, (now_s - self._last_request_s) / 2)
        self._last_request_s = now_s

    def _decode_soon(self, part_number: int) -> CameraFrames:
        self._request_event.wait(self._decode_delay_s)
        return self._decode(part_number)

    def _decode(self, part_number: int) -> CameraFrames:
        return tuple(
            self._read_frame(camera, files[(part_number - 1) % len(files)])
            for camera, files in self._pictures.items()
        )

    def _read_frame(self, camera: str, file: Path) -> CameraFrame | CameraFault:
        width, height = self.frame.width, self.frame.height
        try:
            pixels = read_picture(file, width, height)
        except (PictureError, CameraError) as error:
            return CameraFault(camera, str(error))
        return CameraFrame(camera, pixels, "UYVY", width, height)


def _choose_frame(
    folder: Path, pictures: Mapping[str, Sequence[Path]], configured: FrameConfiguration | None
) -> FrameConfiguration:
    """The frames' size; CameraError if the pictures have several shapes, or not the configured one."""
    files = dict.fromkeys(file for files in pictures.values() for file in files)
    width, height = find_frame_size(folder, files)
    if configured is None:
        return FrameConfiguration(width=width, height=height)
    if not is_same_shape((width, height), (configured.width, configured.height)):
        raise CameraError(
            f"the pictures in {folder} are {width}x{height}, and capture's configuration has frames of "
            f"{configured.width}x{configured.height}: leave `frame` out, and the frames are as the pictures"
        )
    return configured
