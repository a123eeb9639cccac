"""Rotates log files: a full one is copied to NAME.1, older copies move up, and it is emptied.

Processes keep the same file open for appending, so their last output is never lost, even without the
nucleus; the file is truncated in place.
"""

import asyncio
import logging
import os
import shutil
from pathlib import Path

log = logging.getLogger(__name__)
DEFAULT_LOG_LIMIT_BYTES = 8 * 2**20
MAX_ROTATED_FILES = 3  # beside the one that is written
INTERVAL_S = 1.0
COPY_CHUNK_BYTES = 2**20


class LogRotation:
    """Keeps each `*.log` of a folder below a size."""

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LOG_LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes

    async def run(self) -> None:
        """Check periodically until cancelled."""
        while True:
            try:
                self.rotate()
            except OSError as error:
                log.error("cannot rotate the logs in %s: %s", self._folder, error)
            await asyncio.sleep(INTERVAL_S)

    def rotate(self) -> None:
        """Rotate the files that are full; OSError if it fails."""
        for path in self._folder.glob("*.log"):
            if path.stat().st_size >= self._limit_bytes:
                rotate_file(path)


def rotate_file(path: Path, max_files: int = MAX_ROTATED_FILES) -> None:
    """Copy a file to NAME.1, after moving NAME.1 to NAME.2 and so on, and empty it."""
    for number in range(max_files - 1, 0, -1):
        older = _build_numbered_path(path, number)
        if older.exists():
            older.replace(_build_numbered_path(path, number + 1))
    with path.open("r+b") as full, _build_numbered_path(path, 1).open("wb") as copy:
        shutil.copyfileobj(full, copy, COPY_CHUNK_BYTES)
        copy.write(full.read())  # what came meanwhile
        os.ftruncate(full.fileno(), 0)


def _build_numbered_path(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
