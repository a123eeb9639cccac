"""The step `calibrate`: a camera's scale by the printed target, kept on disk with a version."""

import logging
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from capture.commissioning.calibration import scale_of
from capture.commissioning.sight import luma_of
from capture.commissioning.step import StepDone, Workbench
from capture.configuration import CameraName
from capture.sources.source import Frame
from sightline.calibration import StationCalibration, load_calibration, store_calibration
from sightline.calibration_target import (
    DEFAULT_SQUARE_MM,
    GREATEST_SQUARE_MM,
    LEAST_SQUARE_MM,
    Target,
)
from sightline.configuration import Configuration, load_configuration
from sightline.errors import CameraError, MessageError
from sightline.health import Health
from sightline.journal import DurableText
from sightline.messages import Argument, CameraCalibration

log = logging.getLogger(__name__)
NOT_READABLE = "calibration"


class CalibrateArguments(Configuration, frozen=True, kw_only=True):
    """The camera that sees the target, and the size of a printed square; or `forget` its scale."""

    camera: CameraName
    square_mm: Annotated[float, Meta(ge=LEAST_SQUARE_MM, le=GREATEST_SQUARE_MM)] = DEFAULT_SQUARE_MM
    forget: bool = False


class Calibrations:
    """The scales in force; the main thread reads `now`, the thread of the commissioning changes it."""

    def __init__(self, bench: Workbench, health: Health) -> None:
        self._bench = bench
        self._health = health
        self.now = StationCalibration()
        file = bench.folder.calibration
        try:
            self.now = load_calibration(file)
        except (MessageError, OSError) as error:
            DurableText(file).set_aside(str(error), self._report)

    def _report(self, text: str) -> None:
        self._health.raise_fault(
            NOT_READABLE, f"no size in mm is known until the cameras are calibrated again: {text}"
        )
        log.error("no calibration", extra={"error": text})

    def version(self) -> str:
        """The version for parts of now; nothing where the frames are not those that were calibrated."""
        frame = self._bench.cameras.configuration.frame
        sizes = {(found.width, found.height) for found in self.now.cameras.values()}
        return self.now.version if sizes == {(frame.width, frame.height)} else ""

    def of(self, camera: str) -> CameraCalibration | None:
        """A camera's scale, if it is known and holds."""
        return self.now.cameras.get(camera) if self.version() else None

    def add(self, found: CameraCalibration) -> str:
        """Keep a camera's scale; the new version. Scales of frames of another size go. OSError."""
        size = (found.width, found.height)
        same = {n: c for n, c in self.now.cameras.items() if (c.width, c.height) == size}
        return self._keep({**same, found.camera: found})

    def drop(self, cameras: Iterable[str]) -> str:
        """Forget these cameras' scales, if they have any; the version then in force. OSError."""
        gone = self.now.cameras.keys() & set(cameras)
        if not gone:
            return self.now.version
        return self._keep({n: c for n, c in self.now.cameras.items() if n not in gone})

    def _keep(self, cameras: dict[str, CameraCalibration]) -> str:
        """On disk first: who reads a part with the new version finds it there."""
        changed = StationCalibration(version=self._bench.new_version("cal"), cameras=cameras)
        store_calibration(self._bench.folder.calibration, changed)
        self._health.clear_fault(NOT_READABLE)
        self.now = changed
        return changed.version


class Calibrate:
    """Looks at what the camera sees now."""

    def __init__(self, bench: Workbench, calibrations: Calibrations) -> None:
        self._bench = bench
        self._calibrations = calibrations

    def __call__(self, arguments: dict[str, Argument]) -> StepDone:
        """In force from the next part on."""
        asked = load_configuration(CalibrateArguments, arguments)
        if asked.camera not in self._bench.cameras.configuration.cameras:
            raise CameraError(f"no camera is called {asked.camera}")
        if asked.forget:
            version = self._calibrations.drop([asked.camera])
            return StepDone(f"{asked.camera} has no scale any more", version=version)
        found = self._measured(self._frame(asked.camera), Target(asked.square_mm))
        version = self._calibrations.add(found)
        text = (
            f"{found.camera}: {found.mm_per_pixel:.4f} mm a pixel; the {found.points} points fit "
            f"within {found.reprojection_px:.2f} px, tilt {found.tilt_deg:.1f} degrees"
        )
        return StepDone(text, version=version, calibrations=(found,))

    def _frame(self, camera: str) -> Frame:
        for seen in self._bench.cameras.latest():
            if seen.camera == camera:
                if isinstance(seen, Frame):
                    return seen
                raise CameraError(f"{camera} gives no picture: {seen.text}")
        raise CameraError(f"{camera} gives no picture")

    def _measured(self, frame: Frame, target: Target) -> CameraCalibration:
        try:
            scale = scale_of(luma_of(frame), target)
        except CameraError as error:
            raise CameraError(f"{frame.camera}: {error}") from error
        return CameraCalibration(
            camera=frame.camera,
            mm_per_pixel=round(scale.mm_per_pixel, 6),
            reprojection_px=round(scale.reprojection_px, 3),
            tilt_deg=round(scale.tilt_deg, 1),
            points=scale.points,
            calibrated_utc_ns=self._bench.clock.utc_ns(),
            width=frame.width,
            height=frame.height,
        )
