"""The station's calibration as inference reads it: only that which a part was captured under counts."""

import logging
from collections.abc import Mapping
from pathlib import Path

from sightline.calibration import StationCalibration, load_calibration
from sightline.errors import MessageError
from sightline.health import Health

log = logging.getLogger(__name__)
NOT_READABLE = "calibration"
NONE: Mapping[str, float] = {}


class Scales:
    """Mm per pixel by camera; the file is read when a part names a version that is not the known one."""

    def __init__(self, file: Path, health: Health) -> None:
        self._file = file
        self._health = health
        self._known = StationCalibration()
        self._asked = ""

    def of(self, version: str, sizes: Mapping[str, tuple[int, int]]) -> Mapping[str, float]:
        """The scales of this version for frames of these sizes; none of a calibration that is gone.

        What was measured on frames of one size says nothing of those of another.
        """
        if version and version != self._asked:
            self._asked = version
            self._read()
        if not version or version != self._known.version:
            return NONE
        return {
            name: found.mm_per_pixel
            for name, found in self._known.cameras.items()
            if sizes.get(name) == (found.width, found.height)
        }

    def _read(self) -> None:
        try:
            self._known = load_calibration(self._file)
        except (MessageError, OSError) as error:
            self._health.raise_fault(NOT_READABLE, f"sizes in mm are not known: {error}")
            log.error("no calibration", extra={"error": str(error)})
        else:
            self._health.clear_fault(NOT_READABLE)
