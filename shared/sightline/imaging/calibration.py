"""The scale of the station's cameras, as one file that capture writes and inference reads."""

from pathlib import Path

import msgspec

from sightline.errors import MessageError
from sightline.messaging.codec import decode_of_any_size, encode_of_any_size
from sightline.messaging.messages import CameraCalibration
from sightline.storage.journal import DurableText

MAX_MM_PER_PIXEL = 1000.0


class StationCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """All cameras' scales under one version; it changes with any of them. Empty: none is calibrated."""

    version: str = ""
    cameras: dict[str, CameraCalibration] = {}
    schema_version: int = 1

    def mm_per_pixel(self) -> dict[str, float]:
        """The scale of each camera that is calibrated."""
        return {name: found.mm_per_pixel for name, found in self.cameras.items()}


def load_calibration(file: Path) -> StationCalibration:
    """The calibration in the file, an empty one if there is none; MessageError if it is damaged."""
    try:
        text = DurableText(file).load()
        if text is None:
            return StationCalibration()
        calibration = decode_of_any_size(StationCalibration, text.encode())
        _check_scales(calibration)
        return calibration
    except (MessageError, UnicodeDecodeError) as error:
        raise MessageError(f"{file.name}: {error}") from error


def _check_scales(calibration: StationCalibration) -> None:
    for name, found in calibration.cameras.items():
        scale = found.mm_per_pixel
        if not (0 < scale < MAX_MM_PER_PIXEL and found.width > 0 and found.height > 0):
            raise MessageError(
                f"{name} has {scale} mm a pixel in frames of {found.width}x{found.height}"
            )


def store_calibration(file: Path, calibration: StationCalibration) -> None:
    """On disk when this returns; OSError."""
    DurableText(file).store(encode_of_any_size(calibration).decode())
