"""What must survive: SQLite databases that sync every commit, and single values synced to disk.

What is damaged is set aside under another name, reported, and replaced: it never keeps a component
from starting.
"""

import contextlib
import errno
import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from sightline.errors import FatalError

DamageReport = Callable[[str], None]
MAX_TEXT_BYTES = 16 * 1024 * 1024
MAX_BYTES_CHECKED_AT_START = 64 * 1024 * 1024  # more would take seconds; reading finds it later


def open_journal(path: Path, schema: str, report: DamageReport | None = None) -> sqlite3.Connection:
    """A database in WAL mode whose commits are on disk when they return; one process writes it.

    A damaged one is set aside, `report` gets a sentence that says so, and a new one begins. FatalError
    where it cannot be opened for another reason, or is damaged and there is no `report`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open_and_check_database(path, schema)
    except sqlite3.DatabaseError as error:
        if report is None or not (is_damage(error) or _is_not_a_file(path)):
            raise FatalError(f"{path} is not a usable journal: {error}") from error
        reason = "it is not a file" if _is_not_a_file(path) else str(error)
    try:
        kept = set_aside(path)
        connection = _open_and_check_database(path, schema)
    except (OSError, sqlite3.DatabaseError) as error:
        raise FatalError(f"{path} is damaged and cannot be set aside: {error}") from error
    report(f"{path.name} is damaged ({reason}). It is kept as {kept.name}, and a new one begins.")
    return connection


def _open_and_check_database(path: Path, schema: str) -> sqlite3.Connection:
    suspect = _suspect_marker(path)
    check = suspect.exists() or (path.is_file() and _is_small_enough_to_check(path))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if check:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        connection.executescript(schema)
    except BaseException:
        connection.close()
        raise
    suspect.unlink(missing_ok=True)
    return connection


def _is_small_enough_to_check(path: Path) -> bool:
    return 0 < path.stat().st_size <= MAX_BYTES_CHECKED_AT_START


def _is_not_a_file(path: Path) -> bool:
    return path.exists() and not path.is_file()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the database's content is at fault, and not the disk, a lock or a right."""
    text = str(error)
    return isinstance(error, sqlite3.DatabaseError) and (
        not isinstance(
            error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError
        )
        or "malformed" in text
        or "not a database" in text
    )


def mark_suspect(path: Path) -> None:
    """Have a database checked as a whole when it is opened next, however large it is."""
    with contextlib.suppress(OSError):
        _suspect_marker(path).touch()


def _suspect_marker(path: Path) -> Path:
    return path.with_name(path.name + ".suspect")


def set_aside(path: Path) -> Path:
    """Give a damaged file, folder or database another name beside it, and return that; OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    path.replace(kept)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.replace(kept.with_name(kept.name + suffix))
    sync_folder(path.parent)
    return kept


class DurableText:
    """One short text on disk, replaced as a whole; `store` returns when it is synced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_suffix(".new")

    def load(self) -> str | None:
        """What was stored last, or None; OSError or UnicodeDecodeError if it cannot be read."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_TEXT_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(content) > MAX_TEXT_BYTES:
            raise OSError(errno.EFBIG, f"more than {MAX_TEXT_BYTES} bytes", str(self._path))
        return content.decode("utf-8")

    def load_or_set_aside(self, report: DamageReport) -> str | None:
        """What was stored last; None if there is nothing, or nothing that can be read.

        What cannot be read is set aside, and `report` gets a sentence that says so.
        """
        try:
            return self.load()
        except (OSError, UnicodeDecodeError) as error:
            self.set_aside(_describe_read_error(error), report)
            return None

    def set_aside(self, reason: str, report: DamageReport) -> None:
        """Keep what is stored under another name, because of what `reason` says of its content."""
        name = self._path.name
        try:
            kept = set_aside(self._path)
        except OSError as error:
            report(
                f"{name} is damaged ({reason}) and cannot be set aside: {_describe_read_error(error)}."
            )
        else:
            report(f"{name} is damaged ({reason}). It is kept as {kept.name} and not used.")

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


def _describe_read_error(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8 text"
    return (error.strerror or str(error)).lower()


def _open_draft(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)


class DurableRecord:
    """One short record that is often replaced: two places in a file of fixed size, written in turn.

    Faster than `DurableText`: nothing but the place's bytes goes to disk. A write that was cut off
    leaves the other place, with the record before it: each has a page and a disk sector of its own.
    """

    SLOT_BYTES = 4096
    MAX_RECORD_BYTES = 496
    _LEGACY_SLOT_BYTES = 512
    _HEAD = struct.Struct("<QII")  # sequence from 1, length, CRC-32 of sequence and content

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._sequence = 0
        self.may_be_older = False

    def load(self) -> bytes | None:
        """What was stored last, or None; ValueError if neither place holds a whole record.

        `may_be_older` says whether the other place, damaged or cut off, may have held a later one.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        if not any(content):
            return None
        earlier = len(content) == 2 * self._LEGACY_SLOT_BYTES
        place_bytes = self._LEGACY_SLOT_BYTES if earlier else self.SLOT_BYTES
        found = [self._read_slot(content, place * place_bytes) for place in (0, 1)]
        whole = [record for record in found if record is not None]
        if not whole:
            raise ValueError(f"{self._path} holds no whole record in {len(content)} bytes")
        # the checksum leaves the upper half of a sequence out: damaged, it is no neighbour of the other
        are_neighbours = len(whole) == 1 or abs(whole[0][0] - whole[1][0]) == 1
        self._sequence, newest = max(whole) if are_neighbours else min(whole)
        is_whole = are_neighbours and len(content) == 2 * place_bytes
        other = content[found.index(None) * place_bytes :][:place_bytes] if None in found else b""
        self.may_be_older = not is_whole or (any(other) and not self._is_predecessor(other))
        return newest

    def _is_predecessor(self, damaged: bytes) -> bool:
        """Whether a damaged place says that it held the record before the newest."""
        (sequence,) = struct.unpack_from("<Q", damaged.ljust(8, b"\0"))
        return bool(sequence == self._sequence - 1)

    def store(self, content: bytes) -> None:
        """Replace the record, of at most 496 bytes; on disk when this returns."""
        if len(content) > self.MAX_RECORD_BYTES:
            raise ValueError(f"a record of {len(content)} bytes does not fit")
        sequence = self._sequence + 1
        head = self._HEAD.pack(sequence, len(content), _checksum(sequence, content))
        place = sequence % 2 * self.SLOT_BYTES
        if self._descriptor is None and not self._has_full_size():
            self._create_file(bytes(place) + head + content)
        else:
            os.pwrite(self._open_descriptor(), head + content, place)
            os.fdatasync(self._open_descriptor())
        self._sequence = sequence

    def close(self) -> None:
        """Close the file; the next `store` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR)
        return self._descriptor

    def _has_full_size(self) -> bool:
        return self._path.is_file() and self._path.stat().st_size == 2 * self.SLOT_BYTES

    def _create_file(self, content: bytes) -> None:
        """A file of full size with this content, in place of one that is not there or of another size."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(self._path.name + ".new")
        with open(draft, "wb", opener=_open_draft) as file:
            file.write(content.ljust(2 * self.SLOT_BYTES, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        sync_folder(self._path.parent)

    def _read_slot(self, content: bytes, start: int) -> tuple[int, bytes] | None:
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
