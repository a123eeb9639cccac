"""What the station may do: told by the publisher, kept on disk for the next start."""

import logging
from pathlib import Path
from typing import get_args

from sightline.clock import Clock
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import OperatingMode, StationMode
from sightline.storage.journal import DurableText

log = logging.getLogger(__name__)
MODE_NOT_STORED = "mode-not-kept"
DAMAGED = "mode-file-damaged"
NOT_ALLOWED = "bypass-not-allowed"
SILENT = "mode-silent"
UNKNOWN = "mode-unknown"
UNKNOWN_TEXT = (
    "The publisher has not told the station's mode since this start: no part passes until it does. "
    "If this stays, look why the publisher is not running."
)
MAX_SILENCE_NS = 10_000_000_000  # the publisher tells it each second, and is started again sooner
MODE_FAULTS: dict[OperatingMode, tuple[str, str]] = {
    "paused": ("station-paused", "the station is paused: no part passes"),
    "maintenance": (
        "station-maintenance",
        "maintenance: no part passes, and none is counted as production",
    ),
    "bypass": ("station-bypass", "bypass: each part passes, whatever is found on it"),
}


class StationModeState:
    """The last mode that was told. Until it is told after a start, nothing passes.

    What the disk keeps shows a pause at once; it never lets anything pass. When nobody tells the mode
    any more, the last one holds, so that the line goes on; but a bypass rests, for its end could not be
    heard.
    """

    def __init__(
        self, path: Path, health: ComponentHealth, clock: Clock, allow_bypass: bool = False
    ) -> None:
        self._file = DurableText(path)
        self._health = health
        self._clock = clock
        self._allow_bypass = allow_bypass
        self._updated_ns: int | None = None
        self._is_silent = False
        self._mode: OperatingMode = self._load()
        self._report_faults()
        self._health.raise_fault(UNKNOWN, UNKNOWN_TEXT)

    @property
    def is_known(self) -> bool:
        """Whether the mode was told since this start."""
        return self._updated_ns is not None

    @property
    def withhold_reason(self) -> str:
        """Why no ok goes to the gate; empty if it may."""
        if not self.is_known:
            return "the station's mode was not told since this start"
        return {"paused": "the station is paused", "maintenance": "maintenance"}.get(self._mode, "")

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

    def update(self, told: StationMode) -> None:
        """Take the mode; it is in force even if the disk does not keep it."""
        self._updated_ns = self._clock.monotonic_ns()
        self._is_silent = False
        self._health.clear_fault(UNKNOWN)
        self._health.clear_fault(SILENT)
        if told.mode == self._mode == (self._stored_mode or "production"):
            return
        if told.mode != self._mode:
            extra = {"mode": told.mode, "by": told.command_id}
            log.warning("the station's mode changed", extra=extra)
        self._mode = told.mode
        self._report_faults()
        self._store(told.mode)

    def tick(self) -> None:
        """Notice that nobody tells the mode any more."""
        if self._updated_ns is None:
            return
        silent_ns = self._clock.monotonic_ns() - self._updated_ns
        if silent_ns > MAX_SILENCE_NS and not self._is_silent:
            self._is_silent = True
            log.error("the publisher does not tell the mode", extra={"mode": self._mode})
            what = (
                "the bypass rests, and verdicts decide"
                if self._mode == "bypass"
                else f"the last one ({self._mode}) holds"
            )
            self._health.raise_fault(
                SILENT,
                f"The publisher has not told the station's mode for {MAX_SILENCE_NS // 10**9} s: "
                f"{what}. Look why the publisher is not running.",
                "warning",
            )

    def _load(self) -> OperatingMode:
        found = self._file.load_or_set_aside(self._report_damage)
        self._stored_mode = next((mode for mode in get_args(OperatingMode) if mode == found), None)
        if found is not None and self._stored_mode is None:
            self._file.set_aside(f"it holds no known mode: {found!r:.40}", self._report_damage)
        return self._stored_mode or "production"

    def _report_damage(self, text: str) -> None:
        log.error("the kept mode is damaged", extra={"reason": text})
        self._health.raise_fault(
            DAMAGED,
            f"{text} Nothing passes until the publisher tells the station's mode.",
            "warning",
        )

    def _store(self, mode: OperatingMode) -> None:
        try:
            self._file.store(mode)
        except OSError as error:
            self._health.raise_fault(MODE_NOT_STORED, f"the mode {mode!r} is not on disk: {error}")
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
                "the mode is bypass, which allowBypass of the configuration forbids here: "
                "verdicts decide as ever",
            )
        else:
            self._health.clear_fault(NOT_ALLOWED)
