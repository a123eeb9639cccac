"""The durable outbox: records in order, and up to which part they lie there, in one transaction."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sightline.codec import encode
from sightline.errors import RetryableError
from sightline.journal import open_journal
from sightline.messages import InspectionRecord, Part, Verdict
from sightline.transactions import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS unreadable (
    sequence INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS settled (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    part_number INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS verdicts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL,
    part_number INTEGER NOT NULL,
    verdict TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS verdicts_by_part ON verdicts (epoch, part_number);
"""
GREATEST_KEPT_VERDICTS = 100_000


class OutboxError(RetryableError):
    """The disk did not take a change of the outbox; nothing of it is in force."""


@dataclass(frozen=True)
class Stored:
    """A record as it lies in the outbox."""

    sequence: int
    payload: bytes


class Outbox:
    """One thread commits, a second takes the oldest and removes it, a third asks for verdicts.

    Each has its own connection.
    """

    def __init__(self, path: Path) -> None:
        self._writer = open_journal(path, SCHEMA)
        self._reader = open_journal(path, SCHEMA)
        self._verdicts = open_journal(path, SCHEMA)
        # No sync for removals: a record that is back after a power cut is a repeat of its recordId.
        self._reader.execute("PRAGMA synchronous = NORMAL")
        self._lock = threading.Lock()
        # Numbers have no gaps, and counting a million rows would read them all.
        row = self._reader.execute(
            "SELECT COALESCE(MAX(sequence) - MIN(sequence) + 1, 0) FROM records"
        ).fetchone()
        self._depth = int(row[0])

    @property
    def depth(self) -> int:
        """How many records wait to be sent."""
        with self._lock:
            return self._depth

    def settled(self) -> Part | None:
        """The last part whose record was committed, or None; OutboxError."""
        with translated():
            row = self._writer.execute("SELECT epoch, part_number FROM settled").fetchone()
        return Part(*row) if row else None

    def commit(self, records: Sequence[InspectionRecord], settled: Part) -> None:
        """Add records behind the others and move the position, as one; on disk on return.

        OutboxError: nothing was changed.
        """
        rows = [(encode(record),) for record in records]
        verdicts = [(record.epoch, record.partNumber, record.verdict) for record in records]
        with translated(), transaction(self._writer) as connection:
            connection.executemany("INSERT INTO records (payload) VALUES (?)", rows)
            connection.execute(
                "INSERT OR REPLACE INTO settled VALUES (1, ?, ?)",
                (settled.epoch, settled.part_number),
            )
            connection.executemany(
                "INSERT INTO verdicts (epoch, part_number, verdict) VALUES (?, ?, ?)", verdicts
            )
            connection.execute(
                "DELETE FROM verdicts WHERE sequence <= (SELECT MAX(sequence) FROM verdicts) - ?",
                (GREATEST_KEPT_VERDICTS,),
            )
        self._deepen(len(rows))

    def verdicts_of(self, parts: set[Part]) -> dict[Part, Verdict]:
        """The verdicts of those parts whose records were committed not long ago; OutboxError."""
        found: dict[Part, Verdict] = {}
        with translated():
            for part in parts:
                row = self._verdicts.execute(
                    "SELECT verdict FROM verdicts WHERE epoch = ? AND part_number = ?",
                    (part.epoch, part.part_number),
                ).fetchone()
                if row:
                    found[part] = row[0]
        return found

    def oldest(self, after: int = 0) -> Stored | None:
        """The first record whose sequence is greater than `after`, or None; OutboxError."""
        with translated():
            row = self._reader.execute(
                "SELECT sequence, payload FROM records WHERE sequence > ? ORDER BY sequence LIMIT 1",
                (after,),
            ).fetchone()
        return Stored(*row) if row else None

    def remove(self, stored: Stored) -> None:
        """Forget a record that the cloud has; OutboxError."""
        with translated():
            self._reader.execute("DELETE FROM records WHERE sequence = ?", (stored.sequence,))
        self._deepen(-1)

    def set_aside(self, stored: Stored) -> None:
        """Keep a record that cannot be read, but let the others pass; OutboxError."""
        with translated(), transaction(self._reader) as connection:
            connection.execute(
                "INSERT INTO unreadable VALUES (?, ?)", (stored.sequence, stored.payload)
            )
            connection.execute("DELETE FROM records WHERE sequence = ?", (stored.sequence,))
        self._deepen(-1)

    def close(self) -> None:
        """Give the file back."""
        self._verdicts.close()
        self._reader.close()
        self._writer.close()

    def _deepen(self, more: int) -> None:
        with self._lock:
            self._depth += more


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as OutboxError."""
    try:
        yield
    except sqlite3.Error as error:
        raise OutboxError(f"the outbox's disk refuses: {error}") from error
