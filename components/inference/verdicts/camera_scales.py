"""The station's calibration as inference reads it: only that which a part was captured under counts."""

import logging
from collections.abc import Mapping
from pathlib import Path

from sightline.errors import MessageError
from sightline.imaging.calibration import StationCalibration, load_calibration
from sightline.kernel.health import ComponentHealth

log = logging.getLogger(__name__)
CALIBRATION_FAULT = "calibration"
NO_SCALES: Mapping[str, float] = {}


class CameraScales:
    """Mm per pixel by camera; the file is read when a part names a version that is not the known one."""

    def __init__(self, file: Path, health: ComponentHealth) -> None:
        self._file = file
        self._health = health
        self._calibration = StationCalibration()
        self._requested_version = ""

    def find_scales(
        self, version: str, sizes: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, float]:
        """The scales of this version for frames of these sizes; none of a calibration that is gone.

        What was measured on frames of one size says nothing of those of another.
        """
        if version and version != self._requested_version:
            self._requested_version = version
            self._load_calibration()
        if not version or version != self._calibration.version:
            return NO_SCALES
        return {
            name: found.mm_per_pixel
            for name, found in self._calibration.cameras.items()
            if sizes.get(name) == (found.width, found.height)
        }

    def _load_calibration(self) -> None:
        try:
            self._calibration = load_calibration(self._file)
        except (MessageError, OSError) as error:
            text = f"Cannot read the calibration, so sizes in mm are not known: {error}"
            self._health.raise_fault(CALIBRATION_FAULT, text)
            log.error("cannot read the calibration", extra={"error": str(error)})
        else:
            self._health.clear_fault(CALIBRATION_FAULT)
