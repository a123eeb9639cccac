"""The step `calibrate`: a camera's scale by the printed target, kept on disk with a version."""

import logging
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from capture.commissioning.frame_view import extract_luma
from capture.commissioning.scale_estimation import estimate_scale
from capture.commissioning.step import StepContext
from capture.configuration import CameraName
from capture.sources.source import CameraFrame
from sightline.configuration import ConfigurationStruct
from sightline.errors import CameraError, MessageError
from sightline.imaging.calibration import StationCalibration, load_calibration, store_calibration
from sightline.imaging.calibration_target import (
    DEFAULT_SQUARE_MM,
    MAX_SQUARE_MM,
    MIN_SQUARE_MM,
    CalibrationTarget,
)
from sightline.kernel.command_execution import Reply
from sightline.kernel.commissioning_replies import StepDetails
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import CameraCalibration
from sightline.storage.journal import DurableText

log = logging.getLogger(__name__)
NOT_READABLE = "calibration"


class CalibrateArguments(ConfigurationStruct, frozen=True, kw_only=True):
    """The camera that sees the target, and the size of a printed square; or `forget` its scale."""

    camera: CameraName
    square_mm: Annotated[float, Meta(ge=MIN_SQUARE_MM, le=MAX_SQUARE_MM)] = DEFAULT_SQUARE_MM
    forget: bool = False


class CalibrationStore:
    """The scales in force; the main thread reads `current`, the thread of the commissioning changes it."""

    def __init__(self, context: StepContext, health: ComponentHealth) -> None:
        self._context = context
        self._health = health
        self.current = StationCalibration()
        file = context.station_folder.calibration
        try:
            self.current = load_calibration(file)
        except (MessageError, OSError) as error:
            DurableText(file).set_aside(str(error), self._report)

    def _report(self, text: str) -> None:
        self._health.raise_fault(
            NOT_READABLE,
            f"Cannot read the calibration: {text} Sizes in mm are unknown until the cameras are "
            "calibrated again.",
        )
        log.error("calibration not readable", extra={"error": text})

    def version(self) -> str:
        """The version for parts of now; nothing where the frames are not those that were calibrated."""
        frame = self._context.cameras.configuration.frame_size
        sizes = {(found.width, found.height) for found in self.current.cameras.values()}
        return self.current.version if sizes == {(frame.width, frame.height)} else ""

    def calibration_for(self, camera: str) -> CameraCalibration | None:
        """A camera's scale, if it is known and holds."""
        return self.current.cameras.get(camera) if self.version() else None

    def store(self, found: CameraCalibration) -> str:
        """Keep a camera's scale; the new version. Scales of frames of another size go. OSError."""
        size = (found.width, found.height)
        same = {n: c for n, c in self.current.cameras.items() if (c.width, c.height) == size}
        return self._replace({**same, found.camera: found})

    def remove(self, cameras: Iterable[str]) -> str:
        """Forget these cameras' scales, if they have any; the version then in force. OSError."""
        gone = self.current.cameras.keys() & set(cameras)
        if not gone:
            return self.current.version
        return self._replace({n: c for n, c in self.current.cameras.items() if n not in gone})

    def _replace(self, cameras: dict[str, CameraCalibration]) -> str:
        """On disk first: who reads a part with the new version finds it there."""
        changed = StationCalibration(version=self._context.new_version("cal"), cameras=cameras)
        store_calibration(self._context.station_folder.calibration, changed)
        self._health.clear_fault(NOT_READABLE)
        self.current = changed
        return changed.version


class CalibrateStep:
    """Looks at what the camera sees now."""

    def __init__(self, context: StepContext, calibrations: CalibrationStore) -> None:
        self._context = context
        self._calibrations = calibrations

    def __call__(self, arguments: CalibrateArguments) -> Reply:
        """In force from the next part on."""
        if arguments.camera not in self._context.cameras.configuration.cameras:
            raise CameraError(f"No camera is called {arguments.camera}")
        if arguments.forget:
            version = self._calibrations.remove([arguments.camera])
            return Reply(
                f"{arguments.camera} is no longer calibrated", StepDetails(version=version)
            )
        found = self._measure_camera(
            self._latest_frame(arguments.camera), CalibrationTarget(arguments.square_mm)
        )
        version = self._calibrations.store(found)
        text = (
            f"{found.camera}: {found.mm_per_pixel:.4f} mm per pixel; the {found.points} points fit "
            f"within {found.reprojection_px:.2f} px, tilt {found.tilt_deg:.1f} degrees"
        )
        return Reply(text, StepDetails(version=version, calibrations=(found,)))

    def _latest_frame(self, camera: str) -> CameraFrame:
        for seen in self._context.cameras.latest():
            if seen.camera == camera:
                if isinstance(seen, CameraFrame):
                    return seen
                raise CameraError(f"{camera} gives no picture: {seen.text}")
        raise CameraError(f"{camera} gives no picture")

    def _measure_camera(self, frame: CameraFrame, target: CalibrationTarget) -> CameraCalibration:
        try:
            scale = estimate_scale(extract_luma(frame), target)
        except CameraError as error:
            raise CameraError(f"{frame.camera}: {error}") from error
        return CameraCalibration(
            camera=frame.camera,
            mm_per_pixel=round(scale.mm_per_pixel, 6),
            reprojection_px=round(scale.reprojection_px, 3),
            tilt_deg=round(scale.tilt_deg, 1),
            points=scale.points,
            calibrated_utc_ns=self._context.clock.utc_ns(),
            width=frame.width,
            height=frame.height,
        )
