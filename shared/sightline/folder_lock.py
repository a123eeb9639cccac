"""One process a work folder: an older one that still runs keeps the new one waiting."""

import fcntl
import os
from pathlib import Path

LOCK_FILE = ".lock"


class FolderLock:
    """Held until the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)

    def acquire(self) -> bool:
        """Take the lock if nobody has it; False if another process has."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def holder(self) -> str:
        """The process id of who has it, as that process wrote it; empty if it is not known."""
        text = os.pread(self._descriptor, 32, 0).decode("ascii", errors="replace").strip()
        return text if text.isdigit() else ""

    def close(self) -> None:
        """Let another one have it."""
        os.close(self._descriptor)
