"""What must survive: SQLite databases that sync every commit, and single values synced to disk."""

import contextlib
import os
import sqlite3
import struct
import zlib
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
        self._path = path
        self._draft = path.with_suffix(".new")

    def load(self) -> str | None:
        """What was stored last, or None."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def store(self, text: str) -> None:
        """Replace the text; on disk when this returns. OSError: what was stored before stays."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(self._draft, "wb", opener=_open_draft) as file:
                file.write(text.encode())
                file.flush()
                os.fdatasync(file.fileno())
            self._draft.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                self._draft.unlink()
            raise
        sync_folder(self._path.parent)


def _open_draft(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)


class DurableRecord:
    """One short record that is often replaced: two places in a file of fixed size, written in turn.

    Faster than `DurableText`: nothing but the place's bytes goes to disk. A write that was cut off
    leaves the other place, with the record before it.
    """

    PLACE_BYTES = 512
    _HEAD = struct.Struct("<QII")  # sequence from 1, length, CRC-32 of sequence and content

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._sequence = 0

    def load(self) -> bytes | None:
        """What was stored last, or None; ValueError if neither place holds a whole record."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        if not any(content):
            return None
        found = [self._read(content, place) for place in (0, 1)]
        whole = [record for record in found if record is not None]
        if not whole:
            raise ValueError(f"{self._path} holds no whole record in {len(content)} bytes")
        self._sequence, newest = max(whole)
        return newest

    def store(self, content: bytes) -> None:
        """Replace the record, of at most 496 bytes; on disk when this returns."""
        if len(content) > self.PLACE_BYTES - self._HEAD.size:
            raise ValueError(f"a record of {len(content)} bytes does not fit")
        descriptor = self._opened()
        sequence = self._sequence + 1
        head = self._HEAD.pack(sequence, len(content), _checksum(sequence, content))
        os.pwrite(descriptor, head + content, sequence % 2 * self.PLACE_BYTES)
        os.fdatasync(descriptor)
        self._sequence = sequence

    def close(self) -> None:
        """Close the file; the next `store` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o640)
            if os.fstat(descriptor).st_size != 2 * self.PLACE_BYTES:
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, bytes(2 * self.PLACE_BYTES), 0)
                os.fsync(descriptor)
                sync_folder(self._path.parent)
            self._descriptor = descriptor
        return self._descriptor

    def _read(self, content: bytes, place: int) -> tuple[int, bytes] | None:
        start = place * self.PLACE_BYTES
        if len(content) < start + self._HEAD.size:
            return None
        sequence, length, checksum = self._HEAD.unpack_from(content, start)
        record = content[start + self._HEAD.size : start + self._HEAD.size + length]
        if len(record) != length or checksum != _checksum(sequence, record):
            return None
        return (sequence, record) if sequence else None


def _checksum(sequence: int, content: bytes) -> int:
    return zlib.crc32(content, sequence & 0xFFFFFFFF)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder be on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
