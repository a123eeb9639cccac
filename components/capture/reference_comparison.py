"""The reference pictures of the cameras: read when they change, and what each frame is held against."""

import contextlib
import logging
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from capture.conditions import (
    PictureFeatures,
    extract_features,
    measure_against_reference,
    measure_conditions,
)
from capture.configuration import CaptureConfiguration, ReferenceConfiguration
from capture.sources.source import CameraFrame
from sightline.errors import PictureError
from sightline.imaging.pixels import Pixels, bgr_to_uyvy
from sightline.kernel.background import lower_priority
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import CaptureConditions, PixelFormat

log = logging.getLogger(__name__)

NO_REFERENCE = "reference"
NOT_PREFETCHED = "references-ahead"
REFERENCE_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_CACHED_FEATURES = 512  # thinned out, each takes some 14 KB
UNREADABLE_ERRORS = (OSError, ValueError, PictureError, cv2.error)


@dataclass(frozen=True)
class _ReferencePicture:
    """A reference picture as it lies on disk, and as what camera's frame it is to be looked at."""

    file: Path
    changed_ns: int
    width: int
    height: int
    pixel_format: PixelFormat


class ReferenceFeatureCache:
    """Pictures decoded before they are needed: a product's first part does not wait for its reference."""

    def __init__(self, health: ComponentHealth) -> None:
        self._health = health
        self._features: dict[_ReferencePicture, PictureFeatures] = {}
        self._changes = threading.Lock()
        self._decoder = ThreadPoolExecutor(1, "reference-pictures", initializer=lower_priority)
        self._decoding: Future[None] | None = None

    def load_features(self, camera: str, picture: _ReferencePicture) -> PictureFeatures:
        """What the picture shows; OSError, PictureError."""
        found = self._features.get(picture)
        if found is None:
            size = (picture.width, picture.height)
            content = picture.file.read_bytes()
            found = extract_features(
                decode_reference_frame(camera, content, size, picture.pixel_format)
            )
            with self._changes:
                while len(self._features) >= MAX_CACHED_FEATURES:
                    self._features.pop(next(iter(self._features)))
                self._features[picture] = found
        return found

    def prefetch(self, folders: Collection[str], configuration: CaptureConfiguration) -> None:
        """Decode what lies in these folders, in the background; what cannot be is reported when in use."""
        if self._decoding is not None and not self._decoding.done():
            return
        if self._decoding is not None:
            self._report(self._decoding.exception())
        self._decoding = self._decoder.submit(self._decode, tuple(folders), configuration)

    def close(self) -> None:
        """End the decoder's thread."""
        self._decoder.shutdown(wait=True, cancel_futures=True)

    def _report(self, unforeseen: BaseException | None) -> None:
        if unforeseen is None:
            self._health.clear_fault(NOT_PREFETCHED)
            return
        text = (
            f"Cannot decode reference pictures ahead: {type(unforeseen).__name__}: {unforeseen}. "
            "Tried again each second."
        )
        if self._health.raise_fault(NOT_PREFETCHED, text, "warning"):
            log.error("reference pictures are not decoded ahead", exc_info=unforeseen)

    def _decode(self, folders: Sequence[str], configuration: CaptureConfiguration) -> None:
        for folder in folders:
            for camera in configuration.cameras:
                with contextlib.suppress(*UNREADABLE_ERRORS):
                    self.load_features(
                        camera, _find_reference_picture(camera, Path(folder), configuration)
                    )


class ReferenceComparison:
    """Measures frames; one whose reference is asked for and cannot be had is out of range by name."""

    def __init__(
        self,
        configuration: CaptureConfiguration,
        health: ComponentHealth,
        cache: ReferenceFeatureCache | None = None,
    ) -> None:
        self._configuration = configuration
        self._health = health
        self._cache = cache or ReferenceFeatureCache(health)
        self._features: dict[str, PictureFeatures] = {}

    def load(self) -> None:
        """Read the pictures that are new or other than before; a fault names the first that lacks."""
        allowed = self._configuration.conditions.reference
        problems: list[str] = []
        if allowed is not None:
            for camera in self._configuration.cameras:
                try:
                    self._load(camera, Path(allowed.folder))
                except UNREADABLE_ERRORS as error:
                    self._features.pop(camera, None)
                    problems.append(f"{camera}: {error}")
        if not problems:
            self._health.clear_fault(NO_REFERENCE)
        elif self._health.raise_fault(NO_REFERENCE, problems[0]):
            log.error("no reference picture", extra={"reason": problems[0]})

    def measure(self, frame: CameraFrame) -> CaptureConditions:
        """How the camera saw, within the limits and against its reference where one is asked for."""
        return msgspec.structs.replace(self._measure_limits(frame), exposure_us=frame.exposure_us)

    def _measure_limits(self, frame: CameraFrame) -> CaptureConditions:
        limits = self._configuration.conditions
        allowed: ReferenceConfiguration | None = limits.reference
        look = self._features.get(frame.camera)
        if allowed is not None and look is not None:
            return measure_against_reference(look, frame, limits, allowed)
        measured = measure_conditions(frame, limits)
        if allowed is None:
            return measured
        return CaptureConditions(
            camera=measured.camera,
            brightness=measured.brightness,
            sharpness=measured.sharpness,
            out_of_range=(*measured.out_of_range, NO_REFERENCE),
        )

    def _load(self, camera: str, folder: Path) -> None:
        picture = _find_reference_picture(camera, folder, self._configuration)
        self._features[camera] = self._cache.load_features(camera, picture)


def decode_reference_frame(
    camera: str, content: bytes, size: tuple[int, int], pixel_format: PixelFormat
) -> CameraFrame:
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
    return CameraFrame(camera, pixels, measured_as, width, height)


def _as_camera_gives(picture: Pixels, pixel_format: PixelFormat) -> tuple[Pixels, PixelFormat]:
    """All formats with luma and chroma measure alike, so UYVY stands for them."""
    if pixel_format == "GREY":
        return picture[..., 1], "GREY"
    if pixel_format == "RGB24":
        return picture[..., ::-1], "RGB24"
    return bgr_to_uyvy(picture), "UYVY"


def _find_reference_picture(
    camera: str, folder: Path, configuration: CaptureConfiguration
) -> _ReferencePicture:
    frame = configuration.frame_size
    for suffix in REFERENCE_SUFFIXES:
        file = folder / f"{camera}{suffix}"
        if file.is_file():
            changed_ns = file.stat().st_mtime_ns
            return _ReferencePicture(
                file, changed_ns, frame.width, frame.height, configuration.pixel_format
            )
    raise PictureError(f"no reference picture in {folder}")
