"""What the station may do: announced by the publisher, stored on disk for the next start."""

import logging
from pathlib import Path
from typing import get_args

from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import OperatingMode, StationMode
from sightline.messaging.topics import STATION_MODE
from sightline.storage.journal import DurableText

log = logging.getLogger(__name__)
MODE_NOT_STORED = "mode-not-kept"
DAMAGED = "mode-file-damaged"
NOT_ALLOWED = "bypass-not-allowed"
SILENT = STATION_MODE.silence_fault
UNKNOWN = "mode-unknown"
UNKNOWN_TEXT = (
    "The station's mode is unknown: the publisher has not announced it since this start. No part passes "
    "until it does. Check that the publisher is running."
)
WITHHOLD_REASONS: dict[OperatingMode, str] = {
    "paused": "the station is paused",
    "maintenance": "the station is in maintenance",
}
MODE_FAULTS: dict[OperatingMode, tuple[str, str]] = {
    "paused": (
        "station-paused",
        "The station is paused: no part passes until production is resumed.",
    ),
    "maintenance": (
        "station-maintenance",
        "Maintenance: no part passes, and none is counted as production, until production is resumed.",
    ),
    "bypass": (
        "station-bypass",
        "Bypass: every part passes, also with defects, until production is resumed.",
    ),
}


class StationModeState:
    """The last mode that was announced. Until it is announced after a start, nothing passes.

    What the disk keeps shows a pause at once; it never lets anything pass. When nobody announces the mode
    any more, the last one holds, so that the line goes on; but a bypass rests, for its end could not be
    heard.
    """

    def __init__(self, path: Path, health: ComponentHealth, allow_bypass: bool = False) -> None:
        self._file = DurableText(path)
        self._health = health
        self._allow_bypass = allow_bypass
        self._is_known = False
        self._is_silent = False
        self._mode: OperatingMode = self._load()
        self._report_faults()
        self._health.raise_fault(UNKNOWN, UNKNOWN_TEXT)

    @property
    def is_known(self) -> bool:
        """Whether the mode was announced since this start."""
        return self._is_known

    @property
    def withhold_reason(self) -> str:
        """Why no ok goes to the gate; empty if it may."""
        if not self.is_known:
            return "the station's mode is unknown since this start"
        return WITHHOLD_REASONS.get(self._mode, "")

    @property
    def counts_as_production(self) -> bool:
        """Whether parts of now are production: neither paused nor maintenance, as far as is known."""
        return not self.is_known or not self.withhold_reason

    @property
    def is_bypassing(self) -> bool:
        """Whether each part passes; only where the configuration allows a bypass, and it is heard of."""
        return (
            self._mode == "bypass" and self._allow_bypass and self.is_known and not self._is_silent
        )

    def configure(self, allow_bypass: bool) -> None:
        """Whether a bypass is allowed from now on."""
        self._allow_bypass = allow_bypass
        self._report_faults()

    def update(self, announced: StationMode) -> None:
        """Put the mode into force, even if the disk does not keep it."""
        self._is_known = True
        self._is_silent = False
        self._health.clear_fault(UNKNOWN)
        if announced.mode == self._mode == (self._stored_mode or "production"):
            return
        if announced.mode != self._mode:
            extra = {"mode": announced.mode, "by": announced.command_id}
            log.warning("the station's mode changed", extra=extra)
        self._mode = announced.mode
        self._report_faults()
        self._store(announced.mode)

    def handle_silence(self) -> None:
        """Nobody announces the mode any more; the kernel clears the fault when it is heard again."""
        self._is_silent = True
        effect = (
            "the bypass is suspended: verdicts decide"
            if self._mode == "bypass"
            else f"the last one ({self._mode}) stays in force"
        )
        self._health.raise_fault(
            SILENT,
            f"The publisher has not announced the station's mode for {STATION_MODE.max_silence_s:g} s: "
            f"{effect}. Check that the publisher is running.",
            "warning",
        )

    def _load(self) -> OperatingMode:
        found = self._file.load_or_set_aside(self._report_damage)
        self._stored_mode = next((mode for mode in get_args(OperatingMode) if mode == found), None)
        if found is not None and self._stored_mode is None:
            self._file.set_aside(
                f"it does not hold a known mode: {found!r:.40}", self._report_damage
            )
        return self._stored_mode or "production"

    def _report_damage(self, text: str) -> None:
        log.error("the stored mode is damaged", extra={"reason": text})
        self._health.raise_fault(
            DAMAGED,
            f"{text} No part passes until the publisher announces the station's mode.",
            "warning",
        )

    def _store(self, mode: OperatingMode) -> None:
        try:
            self._file.store(mode)
        except OSError as error:
            self._health.raise_fault(
                MODE_NOT_STORED,
                f"Cannot store the station's mode {mode!r}: {error}. It is in force, but after a restart it "
                "is unknown until the publisher announces it. Check the disk.",
            )
        else:
            self._stored_mode = mode
            self._health.clear_fault(MODE_NOT_STORED)
            self._health.clear_fault(DAMAGED)

    def _report_faults(self) -> None:
        for mode, (code, text) in MODE_FAULTS.items():
            if mode == self._mode and (mode != "bypass" or self._allow_bypass):
                self._health.raise_fault(code, text, "warning")
            else:
                self._health.clear_fault(code)
        if self._mode == "bypass" and not self._allow_bypass:
            self._health.raise_fault(
                NOT_ALLOWED,
                "The mode is bypass, which the equipment's configuration does not allow (allowBypass): "
                "verdicts decide as usual. End the bypass, or allow it.",
            )
        else:
            self._health.clear_fault(NOT_ALLOWED)
