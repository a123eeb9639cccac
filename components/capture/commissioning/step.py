"""What a command of the commissioning is carried out by, and what it gives back."""

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from capture.cameras import StationCameras
from sightline.clock import Clock
from sightline.messaging.messages import CameraCalibration, CommandArgument
from sightline.storage.station_folder import StationFolder


@dataclass(frozen=True)
class StepDone:
    """What was done, in words and figures."""

    text: str
    version: str = ""
    calibrations: tuple[CameraCalibration, ...] = ()
    positions: dict[str, str] = field(default_factory=dict)


class StepHandler(Protocol):
    """One kind of command; runs in the thread of the commissioning."""

    def __call__(self, arguments: dict[str, CommandArgument]) -> StepDone:
        """Carry it out; SightlineError or OSError says why it could not be."""


@dataclass(frozen=True)
class StepContext:
    """What the steps work with."""

    cameras: StationCameras
    clock: Clock
    station_id: str
    work_folder: Path

    @property
    def station_folder(self) -> StationFolder:
        """The station's folder as configured."""
        return StationFolder(self.work_folder / self.cameras.configuration.station_folder)

    def new_version(self, prefix: str) -> str:
        """A name for what is made now: sorted by time, the same on any machine (UTC)."""
        moment = datetime.fromtimestamp(self.clock.utc_ns() / 1e9, tz=timezone.utc)
        return f"{prefix}-{moment:%Y%m%d-%H%M%S}-{self.clock.utc_ns() // 1_000_000 % 1000:03d}"
