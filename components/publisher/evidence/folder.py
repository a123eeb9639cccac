"""Pictures in a folder of the machine, DIR/KEY; the oldest go when there are too many."""

import os
import shutil
from pathlib import Path

from sightline.errors import EvidenceError

DRAFT_SUFFIX = ".new"


class FolderStore:
    """Keeps the newest pictures, `keep_bytes` of them in all; what lies there counts from the start."""

    def __init__(self, folder: Path, keep_bytes: int) -> None:
        self._folder = folder
        self._keep_bytes = keep_bytes
        self._sizes: dict[str, int] | None = None  # oldest first
        self._total_bytes = 0

    def put(self, key: str, path: Path) -> None:
        """Copy the file to DIR/KEY, whole or not at all; EvidenceError."""
        target = self._folder / key
        try:
            sizes = self._known_sizes()
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(target.name + DRAFT_SUFFIX)
            shutil.copyfile(path, draft)
            size = draft.stat().st_size
            draft.replace(target)
            self._total_bytes += size - sizes.pop(key, 0)
            sizes[key] = size
            self._remove_oldest(sizes)
        except OSError as error:
            raise EvidenceError(f"{key} is not kept in {self._folder}: {error}") from error

    def _known_sizes(self) -> dict[str, int]:
        if self._sizes is None:
            self._sizes = sizes_by_age(self._folder)
            self._total_bytes = sum(self._sizes.values())
        return self._sizes

    def _remove_oldest(self, sizes: dict[str, int]) -> None:
        while self._total_bytes > self._keep_bytes and len(sizes) > 1:
            key = next(iter(sizes))
            (self._folder / key).unlink(missing_ok=True)
            self._total_bytes -= sizes.pop(key)
            self._remove_empty_folders((self._folder / key).parent)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._folder and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def sizes_by_age(folder: Path) -> dict[str, int]:
    """The size of each picture below the folder by its key, the oldest first."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(DRAFT_SUFFIX):
                path = Path(parent) / name
                state = path.stat()
                key = path.relative_to(folder).as_posix()
                found.append((state.st_mtime_ns, key, state.st_size))
    return {key: size for _, key, size in sorted(found)}
