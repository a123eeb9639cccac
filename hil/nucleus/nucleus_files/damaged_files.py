"""Sets damaged files in the nucleus's folder aside and reports them; they never stop the nucleus."""

import logging
from pathlib import Path

from sightline.storage.journal import set_aside

log = logging.getLogger(__name__)


def set_aside_damaged(path: Path, reason: object, instead: str) -> None:
    """Rename a damaged file, and log the reason and what is used `instead`."""
    try:
        kept = set_aside(path)
    except OSError as error:
        log.error("%s is unusable (%s) and cannot be set aside: %s", path, reason, error)
    else:
        log.error("%s is unusable (%s); it is kept as %s. %s", path, reason, kept.name, instead)


def ensure_folder(path: Path, levels: int = 1) -> None:
    """Create a folder; a file in place of one of its last `levels` is set aside. OSError."""
    for folder in reversed((path, *path.parents)[:levels]):
        if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
            set_aside_damaged(folder, "found no folder", "It is replaced by a new folder.")
    path.mkdir(parents=True, exist_ok=True)


def ensure_file_path(path: Path) -> None:
    """Set aside a folder in place of a file."""
    if path.is_dir():
        set_aside_damaged(path, "found a folder", "It is replaced by a new file.")
