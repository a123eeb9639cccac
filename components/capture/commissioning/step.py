"""What a step of the commissioning works with."""

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from capture.cameras import StationCameras
from sightline.clock import Clock
from sightline.kernel.command_execution import Reply
from sightline.storage.station_folder import StationFolder


class StepHandler(Protocol):
    """One kind of command; runs in the thread of the commissioning."""

    def __call__(self, arguments: Any) -> Reply:
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
