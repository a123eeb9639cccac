"""What the station may do: told by the publisher, kept on disk for the next start."""

import logging
from pathlib import Path
from typing import get_args

from sightline.health import Health
from sightline.journal import DurableText
from sightline.messages import Mode, StationMode

log = logging.getLogger(__name__)
DISK = "mode-not-kept"
NOT_ALLOWED = "bypass-not-allowed"
SHOWN: dict[Mode, tuple[str, str]] = {
    "paused": ("station-paused", "the station is paused: no part passes"),
    "maintenance": (
        "station-maintenance",
        "maintenance: no part passes, and none is counted as production",
    ),
    "bypass": ("station-bypass", "bypass: each part passes, whatever is found on it"),
}


class Modes:
    """The last mode that was told; a station that was never told is in production."""

    def __init__(self, path: Path, health: Health, allow_bypass: bool = False) -> None:
        self._file = DurableText(path)
        self._health = health
        self._allow_bypass = allow_bypass
        kept = self._file.load()
        self._mode: Mode = next((mode for mode in get_args(Mode) if mode == kept), "production")
        self._show()

    @property
    def withheld(self) -> str:
        """Why no ok goes to the gate; empty if it may."""
        return {"paused": "the station is paused", "maintenance": "maintenance"}.get(self._mode, "")

    @property
    def lets_parts_through(self) -> bool:
        """Whether parts of now are production: neither paused nor maintenance."""
        return not self.withheld

    @property
    def bypasses(self) -> bool:
        """Whether each part passes; only where the configuration allows a bypass."""
        return self._mode == "bypass" and self._allow_bypass

    def configure(self, allow_bypass: bool) -> None:
        """Whether a bypass is allowed from now on."""
        self._allow_bypass = allow_bypass
        self._show()

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
        for mode, (code, text) in SHOWN.items():
            if mode == self._mode and (mode != "bypass" or self._allow_bypass):
                self._health.raise_fault(code, text, "warning")
            else:
                self._health.clear_fault(code)
        if self._mode == "bypass" and not self._allow_bypass:
            self._health.raise_fault(
                NOT_ALLOWED,
                "the mode is bypass, which allowBypass of the configuration forbids here: "
                "verdicts decide as ever",
            )
        else:
            self._health.clear_fault(NOT_ALLOWED)
