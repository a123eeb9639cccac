"""Pictures in a folder of the machine, DIR/KEY; those too old go, and the oldest of too many.

Memory holds no list of them: a station keeps a hundred thousand, and their order stands in the files'
times. What is to go is looked up on the disk, some thousands at a time.
"""

import heapq
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from sightline.errors import EvidenceError
from sightline.storage.journal import sync_folder

DRAFT_SUFFIX = ".new"
MAX_OLDEST_LISTED = 5000


class FolderPicture(NamedTuple):
    """A picture of the folder: when it was put there (seconds, the file's time), key, size in bytes."""

    put_s: float
    key: str
    size: int


class FolderEvidenceStore:
    """Keeps the newest pictures, `keep_bytes` of them in all; what lies there counts from the start."""

    def __init__(
        self,
        folder: Path,
        keep_bytes: int,
        keep_s: float = math.inf,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._keep_bytes = keep_bytes
        self._keep_s = keep_s
        self._now_s = now_s
        self._total_bytes: int | None = None
        self._oldest: deque[FolderPicture] = (
            deque()
        )  # to go next; when it is empty, the disk is asked again
        self._oldest_put_s = math.inf  # no picture is older

    def put(self, key: str, path: Path) -> None:
        """Copy the file to DIR/KEY, whole or not at all; on disk when this returns. EvidenceError."""
        target = self._folder / key
        try:
            total_bytes = self._find_total_bytes()
            target.parent.mkdir(parents=True, exist_ok=True)
            draft, put_s = target.with_name(target.name + DRAFT_SUFFIX), self._now_s()
            copy_synced(path, draft, put_s)
            size, before = draft.stat().st_size, _read_size(target)
            draft.replace(target)
            sync_folder(target.parent)
            self._total_bytes = total_bytes + size - before
            self._oldest_put_s = min(self._oldest_put_s, put_s)
            self._remove_oldest(key)
        except OSError as error:
            raise EvidenceError(f"{key} is not kept in {self._folder}: {error}") from error

    def _find_total_bytes(self) -> int:
        if self._total_bytes is None:
            self._total_bytes = 0
            for kept in list_folder_pictures(self._folder):
                self._total_bytes += kept.size
                self._oldest_put_s = min(self._oldest_put_s, kept.put_s)
        return self._total_bytes

    def _remove_oldest(self, newest: str) -> None:
        while self._is_over_limit():
            if not self._oldest:
                if not self._list_oldest():
                    return
            elif self._oldest[0].key == newest:
                return
            else:
                self._remove_picture(self._oldest.popleft())

    def _list_oldest(self) -> bool:
        self._oldest.extend(find_oldest_pictures(self._folder, MAX_OLDEST_LISTED))
        self._oldest_put_s = self._oldest[0].put_s if self._oldest else math.inf
        return bool(self._oldest)

    def _is_over_limit(self) -> bool:
        too_old_s = self._now_s() - self._keep_s
        return (self._total_bytes or 0) > self._keep_bytes or self._oldest_put_s < too_old_s

    def _remove_picture(self, oldest: FolderPicture) -> None:
        self._oldest_put_s = self._oldest[0].put_s if self._oldest else oldest.put_s
        path = self._folder / oldest.key
        if _read_put_s(path) != oldest.put_s:
            return  # gone, or put anew since it was looked up
        path.unlink()
        self._total_bytes = (self._total_bytes or 0) - oldest.size
        self._remove_empty_folders(path.parent)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._folder and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def copy_synced(path: Path, draft: Path, put_s: float) -> None:
    """Copy a file, with its time, so that a power cut cannot take its bytes any more."""
    shutil.copyfile(path, draft)
    os.utime(draft, (put_s, put_s))
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_oldest_pictures(folder: Path, max_pictures: int) -> list[FolderPicture]:
    """The oldest pictures below the folder, the oldest first."""
    return heapq.nsmallest(max_pictures, list_folder_pictures(folder))


def list_folder_pictures(folder: Path) -> Iterator[FolderPicture]:
    """The pictures below the folder, in no order."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(DRAFT_SUFFIX):
                path = f"{parent}/{name}"
                state = os.stat(path)  # noqa: PTH116 - a hundred thousand of them
                yield FolderPicture(state.st_mtime, path[len(str(folder)) + 1 :], state.st_size)


def _read_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read_put_s(path: Path) -> float | None:
    return path.stat().st_mtime if path.exists() else None
