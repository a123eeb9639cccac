"""What must survive: SQLite databases that sync every commit, and single values synced to disk."""

import os
import sqlite3
from pathlib import Path

from sightline.errors import FatalError


def open_journal(path: Path, schema: str) -> sqlite3.Connection:
    """A database in WAL mode whose commits are on disk when they return; one process writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(schema)
    except sqlite3.DatabaseError as error:
        raise FatalError(f"{path} is no usable journal: {error}") from error
    return connection


class DurableText:
    """One short text on disk, replaced as a whole; `store` returns when it is synced."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._draft = path.with_suffix(".new")

    def load(self) -> str | None:
        """What was stored last, or None."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def store(self, text: str) -> None:
        """Replace the text; on disk when this returns."""
        descriptor = os.open(self._draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o640)
        try:
            os.write(descriptor, text.encode())
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._draft.replace(self._path)
        _sync_folder(self._path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
