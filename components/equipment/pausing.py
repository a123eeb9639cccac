"""Whether the station is paused: told by the publisher, kept on disk for the next start."""

import logging
from pathlib import Path

from sightline.health import Health
from sightline.journal import DurableText
from sightline.messages import Mode, StationMode

log = logging.getLogger(__name__)
PAUSED_FAULT = "station-paused"
DISK = "mode-not-kept"


class Pausing:
    """The last mode that was told; a station that was never told is in production."""

    def __init__(self, path: Path, health: Health) -> None:
        self._file = DurableText(path)
        self._health = health
        self._mode: Mode = "paused" if self._file.load() == "paused" else "production"
        self._show()

    @property
    def paused(self) -> bool:
        """Whether no part is let through."""
        return self._mode == "paused"

    def hear(self, told: StationMode) -> None:
        """Take the mode; it is in force even if the disk does not keep it."""
        if told.mode == self._mode:
            return
        self._mode = told.mode
        self._show()
        log.warning("the station's mode changed", extra={"mode": told.mode, "by": told.command_id})
        try:
            self._file.store(told.mode)
        except OSError as error:
            self._health.raise_fault(DISK, f"the mode {told.mode!r} is not on disk: {error}")
        else:
            self._health.clear_fault(DISK)

    def _show(self) -> None:
        if self.paused:
            self._health.raise_fault(
                PAUSED_FAULT, "the station is paused: no part passes", "warning"
            )
        else:
            self._health.clear_fault(PAUSED_FAULT)
