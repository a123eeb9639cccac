"""Moves pictures from the spool to the evidence store, from a thread of its own; none is lost."""

import logging
import os
import threading
import time
from pathlib import Path

from publisher.evidence.store import EvidenceStore
from sightline.backoff import Backoff
from sightline.errors import EvidenceError
from sightline.health import Health

log = logging.getLogger(__name__)
FAULT = "evidence-not-stored"
SCAN_INTERVAL_S = 0.2
DRAFT_SUFFIX = ".new"
EMPTY_FOLDER_AGE_S = 60.0  # a younger one may be waiting for its first picture


class Uploader(threading.Thread):
    """A picture leaves the spool only when the store has it."""

    def __init__(
        self, spool: Path, store: EvidenceStore, health: Health, backoff: Backoff | None = None
    ) -> None:
        super().__init__(name="evidence-uploader", daemon=True)
        self._spool = spool
        self._store = store
        self._health = health
        self._backoff = backoff or Backoff()
        self._refused: set[Path] = set()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Scan and store until told to end."""
        while not self._stopping.is_set():
            try:
                self._sweep()
            except EvidenceError as error:
                self._failed(error)
                self._stopping.wait(self._backoff.failed())
            else:
                self._backoff.succeeded()
                if self._health.clear_fault(FAULT):
                    log.info("evidence is stored again")
                self._stopping.wait(SCAN_INTERVAL_S)

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the thread after the picture in hand; False if the store holds it."""
        self._stopping.set()
        self.join(timeout_s)
        return not self.is_alive()

    def _sweep(self) -> None:
        """Store all that lies in the spool; those the store refused come last. EvidenceError."""
        pictures, empty_folders = scan(self._spool)
        for picture in sorted(pictures, key=lambda path: (path in self._refused, path)):
            if self._stopping.is_set():
                return
            self._move(picture)
        for folder in empty_folders:
            remove_if_old(folder)

    def _move(self, picture: Path) -> None:
        try:
            self._store.put(picture.relative_to(self._spool).as_posix(), picture)
            picture.unlink(missing_ok=True)
        except EvidenceError:
            self._refused.add(picture)
            raise
        except OSError as error:
            self._refused.add(picture)
            raise EvidenceError(f"{picture} stays in the spool: {error}") from error
        self._refused.discard(picture)
        self._health.count("evidence_stored")

    def _failed(self, error: EvidenceError) -> None:
        self._health.count("evidence_failed")
        if self._health.raise_fault(FAULT, str(error)):
            log.error("evidence waits in the spool", extra={"error": str(error)})


def scan(spool: Path) -> tuple[list[Path], list[Path]]:
    """The finished pictures below the spool, and the folders of parts with nothing in them."""
    pictures: list[Path] = []
    empty: list[Path] = []
    for parent, folders, names in os.walk(spool):
        if not folders and not names and Path(parent) != spool:
            empty.append(Path(parent))
        finished = (name for name in names if not name.endswith(DRAFT_SUFFIX))
        pictures.extend(Path(parent) / name for name in finished)
    return pictures, empty


def remove_if_old(folder: Path) -> None:
    """Remove an empty folder that nobody will write to any more."""
    try:
        if time.time() - folder.stat().st_mtime > EMPTY_FOLDER_AGE_S:
            folder.rmdir()
    except OSError as error:
        log.debug("folder stays", extra={"folder": str(folder), "error": str(error)})
