"""The spool on disk: what lies there, and what is taken away."""

import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from publisher.evidence.picture_selection import SpoolPicture
from sightline.messaging.messages import Part

log = logging.getLogger(__name__)
DRAFT_SUFFIX = ".new"
MAX_NUMBER_DIGITS = 18  # more is beyond what any part is numbered with
EMPTY_FOLDER_AGE_S = 60.0  # a younger one may be waiting for its first picture


def scan_spool(
    spool: Path, to_current_s: Callable[[float], float]
) -> tuple[list[SpoolPicture], list[Path]]:
    """The finished pictures below the spool, and the folders of parts with nothing in them.

    What is no file of its own (a link, a pipe) or cannot be looked at is no picture, and stays.

    `to_current_s`: what the time of a file is by the clock of now.
    """
    pictures: list[SpoolPicture] = []
    empty: list[Path] = []
    for parent, folders, names in os.walk(spool):
        if not folders and not names and Path(parent) != spool:
            empty.append(Path(parent))
        for name in names:
            if not name.endswith(DRAFT_SUFFIX):
                pictures.extend(_read_spool_picture(spool, Path(parent) / name, to_current_s))
    return pictures, empty


def parse_picture_part(key: str) -> Part | None:
    """The part that a picture's key names (STATION/EPOCH/NUMBER/...), or None."""
    steps = key.split("/")
    if len(steps) < 4 or not (_is_number(steps[1]) and _is_number(steps[2])):
        return None
    return Part(int(steps[1]), int(steps[2]))


def to_printable(text: str) -> str:
    """A text that any message can hold: names of files need not be in UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def remove_old_folder(folder: Path) -> None:
    """Remove an empty folder that nobody will write to any more."""
    try:
        if time.time() - folder.stat().st_mtime > EMPTY_FOLDER_AGE_S:
            folder.rmdir()
    except OSError as error:
        log.debug("folder stays", extra={"folder": str(folder), "error": str(error)})


def _is_number(step: str) -> bool:
    return step.isascii() and step.isdecimal() and len(step) <= MAX_NUMBER_DIGITS


def _read_spool_picture(
    spool: Path, path: Path, to_current_s: Callable[[float], float]
) -> list[SpoolPicture]:
    try:
        state = path.lstat()
    except OSError as error:
        log.debug("not looked at", extra={"path": to_printable(str(path)), "error": str(error)})
        return []
    if not stat.S_ISREG(state.st_mode):
        return []
    key = path.relative_to(spool).as_posix()
    written_s = to_current_s(state.st_mtime)
    return [
        SpoolPicture(path, to_printable(key), parse_picture_part(key), state.st_size, written_s)
    ]
