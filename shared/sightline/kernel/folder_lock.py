"""One process a work folder: an older one that still runs keeps the new one waiting.

A disk that is full, read-only or knows no locks keeps no component from starting: it would be BROKEN
before the disk is well again.
"""

import contextlib
import errno
import fcntl
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)
LOCK_FILE = ".lock"
HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES)


class FolderLock:
    """Held until the process ends, however it ends: the folder itself, and a file in it.

    The file tells who has it; it may be missing, where the disk did not take it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptors = [os.open(folder, os.O_RDONLY | os.O_CLOEXEC)]
        self._file: int | None = None
        try:
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            self._file = os.open(folder / LOCK_FILE, flags, 0o640)
        except OSError as error:
            log.error("no lock file", extra={"error": str(error)})
        else:
            self._descriptors.append(self._file)

    def acquire(self) -> bool:
        """Take the lock if nobody has it; False if another process has."""
        if not all(_is_locked(descriptor) for descriptor in self._descriptors):
            return False
        if self._file is not None:
            with contextlib.suppress(OSError):  # then the fault of one that waits tells less
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return True

    def holder(self) -> str:
        """The process id of who has it, as that process wrote it; empty if it is not known."""
        text = ""
        if self._file is not None:
            with contextlib.suppress(OSError):
                text = os.pread(self._file, 32, 0).decode("ascii", errors="replace").strip()
        return text if text.isdigit() else ""

    def close(self) -> None:
        """Let another one have it."""
        for descriptor in self._descriptors:
            os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Whether this process has the lock now; where the disk knows none, nobody can have it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        log.error("not locked", extra={"error": str(error)})
    return True
