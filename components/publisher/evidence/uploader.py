"""Moves pictures from the spool to the evidence store, from a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from publisher.configuration import PublisherConfiguration
from publisher.evidence.evidence_store import EvidenceStore
from publisher.evidence.picture_selection import (
    DropCause,
    PictureSelection,
    SelectionRules,
    SpoolPicture,
    build_selection_rules,
    select_pictures,
)
from publisher.evidence.picture_spool import remove_old_folder, scan_spool, to_printable
from publisher.evidence.wall_clock import WallClock
from sightline.backoff import Backoff
from sightline.errors import EvidenceError, SightlineError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import Part, Verdict

log = logging.getLogger(__name__)
NOT_STORED_FAULT = "evidence-not-stored"
GIVEN_UP_FAULT = "evidence-given-up"
PRESSURE_FAULT = "evidence-under-pressure"
SCAN_INTERVAL_S = 0.2
MAX_SWEEP_S = 5.0  # then the spool is looked at anew: its limits hold while a slow store is busy
DEFAULT_RULES = build_selection_rules(PublisherConfiguration())
DROP_COUNTERS: dict[DropCause, str] = {
    "unwanted": "evidence_not_wanted",
    "pressure": "evidence_dropped_ok",
    "size": "evidence_dropped_size",
    "age": "evidence_dropped_age",
}
FindVerdicts = Callable[[set[Part]], dict[Part, Verdict]]


class EvidenceUploader(threading.Thread):
    """A picture leaves the spool when the store has it, or by the rules of `selection`, counted."""

    def __init__(
        self,
        spool: Path,
        store: EvidenceStore,
        health: ComponentHealth,
        backoff: Backoff | None = None,
        rules: SelectionRules = DEFAULT_RULES,
        find_verdicts: FindVerdicts = lambda parts: {},
        is_outbox_under_pressure: Callable[[], bool] = lambda: False,
        clock: WallClock | None = None,
    ) -> None:
        super().__init__(name="evidence-uploader", daemon=True)
        self._spool = spool
        self._store = store
        self._health = health
        self._backoff = backoff or Backoff()
        self._rules = rules
        self._find_verdicts = find_verdicts
        self._is_outbox_under_pressure = is_outbox_under_pressure
        self._clock = clock or WallClock()
        self._verdicts: dict[Part, Verdict] = {}
        self._refused: set[Path] = set()
        self._stopping = threading.Event()
        self.under_pressure = False

    def run(self) -> None:
        """Scan and store until told to end."""
        while not self._stopping.is_set():
            try:
                self._upload_selected_pictures()
            except Exception as error:  # noqa: BLE001 else the spool would grow past its limits, unseen
                self._report_failure(error)
                self._stopping.wait(self._backoff.next_delay_s())
            else:
                self._backoff.reset()
                self._health.clear_fault(GIVEN_UP_FAULT)
                if self._health.clear_fault(NOT_STORED_FAULT):
                    log.info("evidence is stored again")
                self._stopping.wait(SCAN_INTERVAL_S)

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the thread after the picture in hand; False if the store holds it."""
        self._stopping.set()
        self.join(timeout_s)
        return not self.is_alive()

    def _upload_selected_pictures(self) -> None:
        """Store what the rules choose; those the store refused come last. EvidenceError, OutboxError."""
        now_s = self._clock.now_s()
        pictures, empty_folders = scan_spool(self._spool, self._clock.to_current_s)
        self._update_verdicts({picture.part for picture in pictures if picture.part is not None})
        choice = select_pictures(
            pictures, self._verdicts, self._rules, now_s, self._is_outbox_under_pressure()
        )
        self._report_selection(pictures, choice)
        for picture, cause in choice.to_drop:
            self._drop_picture(picture, cause)
        until_s = time.monotonic() + MAX_SWEEP_S
        for picture in sorted(choice.to_store, key=lambda picture: picture.path in self._refused):
            if self._stopping.is_set():
                return
            self._upload_picture(picture)
            if time.monotonic() > until_s:
                return
        for folder in empty_folders:
            remove_old_folder(folder)

    def _update_verdicts(self, parts: set[Part]) -> None:
        known = {part: self._verdicts[part] for part in parts if part in self._verdicts}
        self._verdicts = known | self._find_verdicts(parts - known.keys())

    def _report_selection(self, pictures: list[SpoolPicture], choice: PictureSelection) -> None:
        waiting_mib = sum(picture.size for picture in pictures) / 2**20
        self._health.set_gauge("evidence_waiting_mib", round(waiting_mib, 3))
        self.under_pressure = choice.under_pressure
        if not choice.under_pressure:
            self._health.clear_fault(PRESSURE_FAULT)
        elif self._health.raise_fault(
            PRESSURE_FAULT, "pictures of ok parts are not kept", "warning"
        ):
            log.warning("pictures of ok parts are not kept", extra={"waiting_mib": waiting_mib})
        lost = sum(cause in ("size", "age") for _, cause in choice.to_drop)
        if lost:
            text = f"{lost} pictures had no room or waited too long, and were dropped"
            self._health.raise_fault(GIVEN_UP_FAULT, text)
            log.error("pictures dropped", extra={"count": lost})

    def _drop_picture(self, picture: SpoolPicture, cause: DropCause) -> None:
        try:
            picture.path.unlink(missing_ok=True)
        except OSError as error:
            raise EvidenceError(f"{picture.path} cannot be removed: {error}") from error
        self._refused.discard(picture.path)
        self._health.count(DROP_COUNTERS[cause])

    def _upload_picture(self, picture: SpoolPicture) -> None:
        self._refused.add(picture.path)  # until it is stored: what fails comes after the others
        try:
            self._store.put(picture.key, picture.path)
            picture.path.unlink(missing_ok=True)
        except OSError as error:
            raise EvidenceError(f"{picture.path} stays in the spool: {error}") from error
        self._refused.discard(picture.path)
        self._health.count("evidence_stored")

    def _report_failure(self, error: Exception) -> None:
        known = isinstance(error, SightlineError)
        text = to_printable(str(error) if known else f"{type(error).__name__}: {error}")
        self._health.count("evidence_failed")
        if self._health.raise_fault(NOT_STORED_FAULT, text):
            log.error("evidence waits in the spool", extra={"error": text}, exc_info=not known)
