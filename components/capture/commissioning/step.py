"""What a command of the commissioning is carried out by, and what it gives back."""

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from capture.cameras import Cameras
from sightline.clock import Clock
from sightline.messages import Argument, CameraCalibration
from sightline.station_folder import StationFolder


@dataclass(frozen=True)
class StepDone:
    """What was done, in words and figures."""

    text: str
    version: str = ""
    calibrations: tuple[CameraCalibration, ...] = ()
    positions: dict[str, str] = field(default_factory=dict)


class Step(Protocol):
    """One kind of command; runs in the thread of the commissioning."""

    def __call__(self, arguments: dict[str, Argument]) -> StepDone:
        """Carry it out; SightlineError or OSError says why it could not be."""


@dataclass(frozen=True)
class Workbench:
    """What the steps work with."""

    cameras: Cameras
    clock: Clock
    station_id: str
    work_folder: Path

    @property
    def folder(self) -> StationFolder:
        """The station's folder as configured."""
        return StationFolder(self.work_folder / self.cameras.configuration.station_folder)

    def new_version(self, prefix: str) -> str:
        """A name for what is made now: sorted by time, the same on any machine (UTC)."""
        moment = datetime.fromtimestamp(self.clock.utc_ns() / 1e9, tz=timezone.utc)
        return f"{prefix}-{moment:%Y%m%d-%H%M%S}-{self.clock.utc_ns() // 1_000_000 % 1000:03d}"
