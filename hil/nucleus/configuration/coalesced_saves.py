"""Writes files in a thread; requests during a write are merged into one more write."""

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

TEMPORARY_PREFIX = ".configuration-"


class AtomicFileWriter:
    """Replaces files atomically, synced, from any thread; older content never replaces newer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested: dict[Path, int] = {}
        self._written: dict[Path, int] = {}

    def next_version(self, path: Path) -> int:
        """The next version number, greater than all before."""
        with self._lock:
            self._requested[path] = self._requested.get(path, 0) + 1
            return self._requested[path]

    def write(self, path: Path, content: bytes, version: int) -> None:
        """Replace the file unless a later version was written; OSError."""
        with self._lock:
            if version <= self._written.get(path, 0):
                return
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
            self._written[path] = version

    def remove(self, path: Path) -> None:
        """Delete the file, whatever writes are pending; OSError."""
        version = self.next_version(path)
        with self._lock:
            self._written[path] = version
            path.unlink(missing_ok=True)


ContentSource = Callable[[], bytes | None]


class CoalescedSaves:
    """Saves outside the event loop; all calls come from the loop's thread."""

    def __init__(self, files: AtomicFileWriter) -> None:
        self._files = files
        self._running: dict[Path, asyncio.Task[None]] = {}
        self._next: dict[Path, asyncio.Task[None]] = {}

    async def save(self, path: Path, content: ContentSource) -> None:
        """Return when content produced after this call is on disk; OSError if it fails.

        No content: the file was given up meanwhile, and nothing is written.
        """
        running = self._running.get(path)
        if running is None:
            task = self._begin_save(path, content, None)
        elif path in self._next:
            task = self._next[path]  # not begun: it takes what is there when it begins
        else:
            task = self._next[path] = self._begin_save(path, content, running)
        await asyncio.shield(task)

    def _begin_save(
        self, path: Path, content: ContentSource, before: "asyncio.Task[None] | None"
    ) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(self._save(path, content, before))
        if before is None:
            self._running[path] = task
        task.add_done_callback(lambda done: self._forget_ended_save(path, done))
        return task

    async def _save(
        self, path: Path, content: ContentSource, before: "asyncio.Task[None] | None"
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
            self._running[path] = self._next.pop(path)
        version, made = self._files.next_version(path), content()
        if made is None:
            return
        await asyncio.to_thread(self._files.write, path, made, version)

    def _forget_ended_save(self, path: Path, task: "asyncio.Task[None]") -> None:
        if self._running.get(path) is task:
            del self._running[path]
        if not task.cancelled():
            task.exception()  # waiting callers get the exception; without any, it is dropped
