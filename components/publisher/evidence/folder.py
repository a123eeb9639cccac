"""Pictures in a folder of the machine, DIR/KEY; those too old go, and the oldest of too many."""

import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sightline.errors import EvidenceError

DRAFT_SUFFIX = ".new"


@dataclass(frozen=True)
class Kept:
    """A picture of the folder: its size, and when it was put there (seconds of the file's clock)."""

    size: int
    put_s: float


class FolderStore:
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
        self._pictures: dict[str, Kept] | None = None  # oldest first
        self._total_bytes = 0

    def put(self, key: str, path: Path) -> None:
        """Copy the file to DIR/KEY, whole or not at all; EvidenceError."""
        target = self._folder / key
        try:
            pictures = self._known()
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(target.name + DRAFT_SUFFIX)
            shutil.copyfile(path, draft)
            size = draft.stat().st_size
            draft.replace(target)
            before = pictures.pop(key, None)
            self._total_bytes += size - (before.size if before else 0)
            pictures[key] = Kept(size, self._now_s())
            self._remove_oldest(pictures)
        except OSError as error:
            raise EvidenceError(f"{key} is not kept in {self._folder}: {error}") from error

    def _known(self) -> dict[str, Kept]:
        if self._pictures is None:
            self._pictures = pictures_by_age(self._folder)
            self._total_bytes = sum(kept.size for kept in self._pictures.values())
        return self._pictures

    def _remove_oldest(self, pictures: dict[str, Kept]) -> None:
        too_old_s = self._now_s() - self._keep_s
        while len(pictures) > 1:
            key, oldest = next(iter(pictures.items()))
            if self._total_bytes <= self._keep_bytes and oldest.put_s >= too_old_s:
                return
            (self._folder / key).unlink(missing_ok=True)
            self._total_bytes -= pictures.pop(key).size
            self._remove_empty_folders((self._folder / key).parent)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._folder and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def pictures_by_age(folder: Path) -> dict[str, Kept]:
    """The pictures below the folder by their keys, the oldest first."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(DRAFT_SUFFIX):
                path = Path(parent) / name
                state = path.stat()
                key = path.relative_to(folder).as_posix()
                found.append((state.st_mtime, key, state.st_size))
    return {key: Kept(size, put_s) for put_s, key, size in sorted(found)}
