"""The spool on disk: what lies there, and what is taken away."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from publisher.selection import SpoolPicture
from sightline.messages import Part

log = logging.getLogger(__name__)
DRAFT_SUFFIX = ".new"
EMPTY_FOLDER_AGE_S = 60.0  # a younger one may be waiting for its first picture


def scan(spool: Path, by_now_s: Callable[[float], float]) -> tuple[list[SpoolPicture], list[Path]]:
    """The finished pictures below the spool, and the folders of parts with nothing in them.

    `by_now_s`: what the time of a file is by the clock of now.
    """
    pictures: list[SpoolPicture] = []
    empty: list[Path] = []
    for parent, folders, names in os.walk(spool):
        if not folders and not names and Path(parent) != spool:
            empty.append(Path(parent))
        for name in names:
            if not name.endswith(DRAFT_SUFFIX):
                pictures.extend(_picture_at(spool, Path(parent) / name, by_now_s))
    return pictures, empty


def part_of(key: str) -> Part | None:
    """The part that a picture's key names (STATION/EPOCH/NUMBER/...), or None."""
    steps = key.split("/")
    if len(steps) < 4 or not (steps[1].isdecimal() and steps[2].isdecimal()):
        return None
    return Part(int(steps[1]), int(steps[2]))


def remove_if_old(folder: Path) -> None:
    """Remove an empty folder that nobody will write to any more."""
    try:
        if time.time() - folder.stat().st_mtime > EMPTY_FOLDER_AGE_S:
            folder.rmdir()
    except OSError as error:
        log.debug("folder stays", extra={"folder": str(folder), "error": str(error)})


def _picture_at(spool: Path, path: Path, by_now_s: Callable[[float], float]) -> list[SpoolPicture]:
    try:
        state = path.stat()
    except FileNotFoundError:
        return []
    key = path.relative_to(spool).as_posix()
    written_s = by_now_s(state.st_mtime)
    return [SpoolPicture(path, key, part_of(key), state.st_size, written_s)]
