"""Files of the nucleus's own folder that cannot be used: set aside, reported, and never a reason to end."""

import logging
from pathlib import Path

from sightline.storage.journal import set_aside

log = logging.getLogger(__name__)


def set_aside_damaged(path: Path, reason: object, instead: str) -> None:
    """Give what lies there another name, and say why and what is used `instead`."""
    try:
        kept = set_aside(path)
    except OSError as error:
        log.error("%s cannot be used (%s), nor be set aside: %s", path, reason, error)
    else:
        log.error("%s cannot be used (%s); it is kept as %s. %s", path, reason, kept.name, instead)


def ensure_folder(path: Path, levels: int = 1) -> None:
    """Make a folder; what stands in place of one of its last `levels` is set aside. OSError."""
    for folder in reversed((path, *path.parents)[:levels]):
        if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
            set_aside_damaged(folder, "found no folder", "A new folder takes its place.")
    path.mkdir(parents=True, exist_ok=True)


def ensure_file_path(path: Path) -> None:
    """Make way for a file: a folder in its place is set aside."""
    if path.is_dir():
        set_aside_damaged(path, "found a folder", "A new file takes its place.")
