"""The reference pictures of the cameras: read when they change, and what each frame is held against."""

import logging
from pathlib import Path

import cv2
import msgspec
import numpy as np

from capture.conditions import Look, look_at, measure, measure_against
from capture.configuration import CaptureConfiguration, ReferenceConfiguration
from capture.sources.source import Frame
from sightline.errors import PictureError
from sightline.health import Health
from sightline.messages import CaptureConditions, PixelFormat
from sightline.pixels import Pixels, bgr_to_uyvy

log = logging.getLogger(__name__)

NO_REFERENCE = "reference"
SUFFIXES = (".png", ".jpg", ".jpeg")


class References:
    """Measures frames; one whose reference is asked for and cannot be had is out of range by name."""

    def __init__(self, configuration: CaptureConfiguration, health: Health) -> None:
        self._configuration = configuration
        self._health = health
        self._looks: dict[str, Look] = {}
        self._read: dict[str, tuple[Path, int]] = {}

    def load(self) -> None:
        """Read the pictures that are new or other than before; a fault names the first that lacks."""
        allowed = self._configuration.conditions.reference
        problems: list[str] = []
        if allowed is not None:
            for camera in self._configuration.cameras:
                try:
                    self._load(camera, Path(allowed.folder))
                except (OSError, ValueError, PictureError, cv2.error) as error:
                    self._looks.pop(camera, None)
                    self._read.pop(camera, None)
                    problems.append(f"{camera}: {error}")
        if not problems:
            self._health.clear_fault(NO_REFERENCE)
        elif self._health.raise_fault(NO_REFERENCE, problems[0]):
            log.error("no reference picture", extra={"reason": problems[0]})

    def measure(self, frame: Frame) -> CaptureConditions:
        """How the camera saw, within the limits and against its reference where one is asked for."""
        return msgspec.structs.replace(self._measured(frame), exposure_us=frame.exposure_us)

    def _measured(self, frame: Frame) -> CaptureConditions:
        limits = self._configuration.conditions
        allowed: ReferenceConfiguration | None = limits.reference
        look = self._looks.get(frame.camera)
        if allowed is not None and look is not None:
            return measure_against(look, frame, limits, allowed)
        measured = measure(frame, limits)
        if allowed is None:
            return measured
        return CaptureConditions(
            camera=measured.camera,
            brightness=measured.brightness,
            sharpness=measured.sharpness,
            out_of_range=(*measured.out_of_range, NO_REFERENCE),
        )

    def _load(self, camera: str, folder: Path) -> None:
        file = _picture_of(camera, folder)
        known = (file, file.stat().st_mtime_ns)
        if self._read.get(camera) == known:
            return
        configuration = self._configuration
        size = (configuration.frame.width, configuration.frame.height)
        self._looks[camera] = look_at(
            reference_frame(camera, file.read_bytes(), size, configuration.pixel_format)
        )
        self._read[camera] = known


def reference_frame(
    camera: str, content: bytes, size: tuple[int, int], pixel_format: PixelFormat
) -> Frame:
    """The picture as the camera would give it; PictureError if it is none, or of another size."""
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise PictureError("the reference cannot be decoded as a picture")
    height, width = picture.shape[:2]
    if (width, height) != size:
        raise PictureError(
            f"the reference is {width}x{height}; the camera gives {size[0]}x{size[1]}"
        )
    pixels, measured_as = _as_camera_gives(np.asarray(picture, np.uint8), pixel_format)
    return Frame(camera, pixels, measured_as, width, height)


def _as_camera_gives(picture: Pixels, pixel_format: PixelFormat) -> tuple[Pixels, PixelFormat]:
    """All formats with luma and chroma measure alike, so UYVY stands for them."""
    if pixel_format == "GREY":
        return picture[..., 1], "GREY"
    if pixel_format == "RGB24":
        return picture[..., ::-1], "RGB24"
    return bgr_to_uyvy(picture), "UYVY"


def _picture_of(camera: str, folder: Path) -> Path:
    for suffix in SUFFIXES:
        file = folder / f"{camera}{suffix}"
        if file.is_file():
            return file
    raise PictureError(f"no reference picture in {folder}")
