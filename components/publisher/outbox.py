"""The durable outbox: what goes to the cloud, in order, and up to which part it lies there.

Records, gaps and gate corrections share one order. A correction waits until its record is stored; what
the cloud refuses lies apart, as a dead letter, and goes once more at each start.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from publisher.gate_matcher import MAX_KEPT_PARTS, MAX_TIME_NS, GateActWindow, GatePart
from sightline.errors import RestartNeededError, RetryableError
from sightline.messaging.codec import encode
from sightline.messaging.messages import GapRecord, GateCorrection, InspectionRecord, Part, Verdict
from sightline.messaging.topics import GAP_RECORD, GATE_CORRECTION, INSPECTION_RECORD
from sightline.storage.database_errors import DatabaseErrors
from sightline.storage.journal import open_journal
from sightline.storage.transactions import transaction

RecordOrGap = InspectionRecord | GapRecord

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    payload BLOB NOT NULL,
    stream TEXT NOT NULL DEFAULT 'InspectionRecord',
    name TEXT NOT NULL DEFAULT '',
    about TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS dead_letters (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    payload BLOB NOT NULL,
    stream TEXT NOT NULL,
    name TEXT NOT NULL,
    about TEXT NOT NULL,
    reason TEXT NOT NULL,
    refused_utc_ns INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_by_name ON dead_letters (name);
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
CREATE TABLE IF NOT EXISTS gates (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL,
    part_number INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    earliest_utc_ns INTEGER,
    latest_utc_ns INTEGER,
    gate TEXT,
    acted_utc_ns INTEGER
);
CREATE INDEX IF NOT EXISTS gates_by_part ON gates (epoch, part_number);
"""
INDEXES = """
CREATE INDEX IF NOT EXISTS records_by_name ON records (name);
CREATE INDEX IF NOT EXISTS records_about ON records (about) WHERE about != '';
"""
MESSAGE_COLUMNS = "sequence, payload, stream, name"
MAY_BE_SENT = """
(about = '' OR NOT EXISTS (SELECT 1 FROM records AS record WHERE record.name = records.about)
 AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE dead_letters.name = records.about))
"""
MAX_KEPT_VERDICTS = 100_000
VERDICTS: frozenset[str] = frozenset(get_args(Verdict))


class OutboxError(RetryableError):
    """The disk did not take a change of the outbox; nothing of it is in force."""


def build_database_errors(name: str, path: Path) -> DatabaseErrors:
    """The errors of one of the publisher's databases, as OutboxError."""
    return DatabaseErrors(
        name, "It is tried again until there is room.", error=OutboxError, path=path
    )


@dataclass(frozen=True)
class QueuedMessage:
    """A message as it lies in the outbox, and the name under which the cloud confirms it."""

    sequence: int
    payload: bytes
    stream: str = INSPECTION_RECORD.name
    name: str = ""


@dataclass(frozen=True)
class DeadLetterSummary:
    """What the cloud refuses: how many, and the first of them with its reason."""

    count: int
    name: str = ""
    reason: str = ""


class Outbox:
    """One thread commits, a second takes the oldest and removes it, a third asks for verdicts.

    Each has its own connection. A damaged file is set aside, `report` says so, and a new one begins.
    """

    def __init__(self, path: Path, report: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._disk = build_database_errors("outbox", path)
        self._writer = open_journal(path, SCHEMA, report)
        with self._disk.translate_errors():
            _add_columns(self._writer)
            self._writer.executescript(INDEXES)
        with suppress(OutboxError), self._disk.translate_errors():  # a full disk: at the next start
            _requeue_dead_letters(self._writer)
        self._reader = open_journal(path, SCHEMA)
        self._verdict_reader = open_journal(path, SCHEMA)
        # No sync for removals: a record that is back after a power cut is a repeat of its recordId.
        self._reader.execute("PRAGMA synchronous = NORMAL")
        self._lock = threading.Lock()
        row = self._reader.execute("SELECT COUNT(*) FROM records").fetchone()
        self._depth = int(row[0])

    @property
    def damage(self) -> str:
        """Whether the file was found to be damaged, in words: a new process sets it aside."""
        return self._disk.damage

    @property
    def depth(self) -> int:
        """How many messages wait to be sent."""
        with self._lock:
            return self._depth

    def load_settled_part(self) -> Part | None:
        """The last part whose record was committed, or None; OutboxError."""
        with self._disk.translate_errors():
            row = self._writer.execute("SELECT epoch, part_number FROM settled").fetchone()
        return Part(*row) if row and _are_all_integers(row) else None

    def load_gate_parts(self) -> list[GatePart]:
        """The last parts that were committed, with what is known of their gates; OutboxError."""
        with self._disk.translate_errors():
            rows = self._writer.execute(
                "SELECT epoch, part_number, seen, earliest_utc_ns, latest_utc_ns, gate, acted_utc_ns"
                " FROM gates ORDER BY sequence DESC LIMIT ?",
                (MAX_KEPT_PARTS,),
            ).fetchall()
        found = (_parse_gate_part(row) for row in reversed(rows))
        return [part for part in found if part is not None]

    def commit(
        self, messages: Sequence[RecordOrGap], settled: Part, gates: Sequence[GatePart] = ()
    ) -> None:
        """Add records and gaps behind the others and move the position, as one; on disk on return.

        What lies at or before the position is there already. OutboxError: nothing was changed;
        RestartNeededError: the position is further on, so another publisher works on this outbox.
        """
        with self._disk.translate_errors(), transaction(self._writer) as connection:
            row = connection.execute("SELECT epoch, part_number FROM settled").fetchone()
            before = Part(*row) if row and _are_all_integers(row) else None
            if before is not None and before > settled:
                raise RestartNeededError(
                    f"{self._path} already has records up to part {before.part_number} of epoch "
                    f"{before.epoch}, which is after part {settled.part_number} of epoch "
                    f"{settled.epoch}: another publisher uses it. Leave only one running."
                )
            news = [sent for sent in messages if before is None or _last_part_in(sent) > before]
            self._insert_messages(connection, news, gates if news else ())
            connection.execute(
                "INSERT OR REPLACE INTO settled VALUES (1, ?, ?)",
                (settled.epoch, settled.part_number),
            )
        self._add_depth(len(news))

    def append_salvaged(self, rows: Iterable[Sequence[object]], settled: Part | None) -> int:
        """Take what was read from a damaged outbox, in its order; how many messages. OutboxError.

        The position only goes on.
        """
        saved, before = 0, self.load_settled_part()
        with self._disk.translate_errors(), transaction(self._writer) as connection:
            for row in rows:
                connection.execute(
                    "INSERT INTO records (payload, stream, name, about) VALUES (?, ?, ?, ?)", row
                )
                saved += 1
            if settled is not None and (before is None or before < settled):
                connection.execute(
                    "INSERT OR REPLACE INTO settled VALUES (1, ?, ?)",
                    (settled.epoch, settled.part_number),
                )
        self._add_depth(saved)
        return saved

    def commit_correction(self, gate: GatePart, correction: GateCorrection) -> bool:
        """Note the late outcome and add its correction, as one; False if one is known. OutboxError."""
        part = gate.part
        with self._disk.translate_errors(), transaction(self._writer) as connection:
            changed = connection.execute(
                "UPDATE gates SET gate = ?, acted_utc_ns = ?"
                " WHERE epoch = ? AND part_number = ? AND gate IS NULL",
                (gate.gate, gate.acted_utc_ns, part.epoch, part.part_number),
            ).rowcount
            if changed:
                connection.execute(
                    "INSERT INTO records (payload, stream, name, about) VALUES (?, ?, ?, ?)",
                    (
                        encode(correction),
                        GATE_CORRECTION.name,
                        correction.correctionId,
                        correction.recordId,
                    ),
                )
        self._add_depth(1 if changed else 0)
        return changed > 0

    def find_verdicts(self, parts: set[Part]) -> dict[Part, Verdict]:
        """The verdicts of those parts whose records were committed not long ago; OutboxError."""
        found: dict[Part, Verdict] = {}
        with self._disk.translate_errors():
            for part in parts:
                row = self._verdict_reader.execute(
                    "SELECT verdict FROM verdicts WHERE epoch = ? AND part_number = ?",
                    (part.epoch, part.part_number),
                ).fetchone()
                if row and row[0] in VERDICTS:
                    found[part] = row[0]
        return found

    def load_oldest(self, after: int = 0) -> QueuedMessage | None:
        """The first message to send whose sequence is greater than `after`, or None; OutboxError."""
        with self._disk.translate_errors():
            row = self._reader.execute(
                f"SELECT {MESSAGE_COLUMNS} FROM records WHERE sequence > ? AND {MAY_BE_SENT}"
                " ORDER BY sequence LIMIT 1",
                (after,),
            ).fetchone()
        return QueuedMessage(*row) if row else None

    def load_at(self, sequence: int) -> QueuedMessage | None:
        """The message of this sequence, or None; OutboxError."""
        with self._disk.translate_errors():
            row = self._reader.execute(
                f"SELECT {MESSAGE_COLUMNS} FROM records WHERE sequence = ?", (sequence,)
            ).fetchone()
        return QueuedMessage(*row) if row else None

    def remove(self, stored: QueuedMessage) -> None:
        """Forget a message that the cloud has; its correction may go from now on. OutboxError."""
        with self._disk.translate_errors():
            gone = self._reader.execute(
                "DELETE FROM records WHERE sequence = ? OR (name = ? AND name != '')",
                (stored.sequence, stored.name),
            ).rowcount
            self._requeue_correction(stored.name)
        self._add_depth(-gone)

    def move_to_dead_letters(self, name: str, reason: str, refused_utc_ns: int) -> bool:
        """Lay aside what the cloud will never store; False if nothing waits under this name. OutboxError."""
        with self._disk.translate_errors(), transaction(self._reader) as connection:
            moved = connection.execute(
                "INSERT INTO dead_letters (payload, stream, name, about, reason, refused_utc_ns)"
                " SELECT payload, stream, name, about, ?, ? FROM records WHERE name = ?",
                (reason, refused_utc_ns, name),
            ).rowcount
            connection.execute("DELETE FROM records WHERE name = ?", (name,))
        self._add_depth(-moved)
        return moved > 0

    def summarise_dead_letters(self) -> DeadLetterSummary:
        """What the cloud refused; OutboxError."""
        with self._disk.translate_errors():
            (count,) = self._reader.execute("SELECT COUNT(*) FROM dead_letters").fetchone()
            row = self._reader.execute(
                "SELECT name, reason FROM dead_letters ORDER BY sequence LIMIT 1"
            ).fetchone()
        return DeadLetterSummary(count, *row) if row else DeadLetterSummary(0)

    def set_aside(self, stored: QueuedMessage) -> None:
        """Keep a message that cannot be read, but let the others pass; OutboxError."""
        with self._disk.translate_errors(), transaction(self._reader) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO unreadable VALUES (?, ?)", (stored.sequence, stored.payload)
            )
            gone = connection.execute(
                "DELETE FROM records WHERE sequence = ?", (stored.sequence,)
            ).rowcount
        self._add_depth(-gone)

    def close(self) -> None:
        """Give the file back."""
        self._verdict_reader.close()
        self._reader.close()
        self._writer.close()

    def _requeue_correction(self, name: str) -> None:
        """It goes to the end of the order, for the sender may be beyond its place."""
        query = "SELECT sequence FROM records WHERE about = ? AND about != ''"
        for (sequence,) in self._reader.execute(query, (name,)).fetchall():
            with transaction(self._reader) as connection:
                connection.execute(
                    "INSERT INTO records (payload, stream, name, about)"
                    " SELECT payload, stream, name, about FROM records WHERE sequence = ?",
                    (sequence,),
                )
                connection.execute("DELETE FROM records WHERE sequence = ?", (sequence,))

    def _insert_messages(
        self, connection: sqlite3.Connection, news: Sequence[RecordOrGap], gates: Sequence[GatePart]
    ) -> None:
        connection.executemany(
            "INSERT INTO records (payload, stream, name) VALUES (?, ?, ?)",
            [(encode(sent), _stream_name_for(sent), _message_id_for(sent)) for sent in news],
        )
        records = [sent for sent in news if isinstance(sent, InspectionRecord)]
        connection.executemany(
            "INSERT INTO verdicts (epoch, part_number, verdict) VALUES (?, ?, ?)",
            [(record.epoch, record.partNumber, record.verdict) for record in records],
        )
        connection.executemany(
            "INSERT INTO gates (epoch, part_number, seen, earliest_utc_ns, latest_utc_ns, gate,"
            " acted_utc_ns) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [_build_gate_row(part) for part in gates],
        )
        for table, kept in (("verdicts", MAX_KEPT_VERDICTS), ("gates", MAX_KEPT_PARTS)):
            connection.execute(
                f"DELETE FROM {table} WHERE sequence <= (SELECT MAX(sequence) FROM {table}) - ?",
                (kept,),
            )

    def _add_depth(self, more: int) -> None:
        with self._lock:
            self._depth += more


def _add_columns(connection: sqlite3.Connection) -> None:
    """A file of an earlier version holds records only, without their names."""
    known = {row[1] for row in connection.execute("PRAGMA table_info(records)")}
    missing = [name for name in ("stream", "name", "about") if name not in known]
    if not missing:
        return
    with transaction(connection):
        for name in missing:
            default = INSPECTION_RECORD.name if name == "stream" else ""
            connection.execute(
                f"ALTER TABLE records ADD COLUMN {name} TEXT NOT NULL DEFAULT '{default}'"
            )
        text = "CAST(payload AS TEXT)"
        connection.execute(
            f"UPDATE records SET name = COALESCE(json_extract({text}, '$.recordId'), '')"
            f" WHERE json_valid({text})"
        )


def _requeue_dead_letters(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute(
            "INSERT INTO records (payload, stream, name, about)"
            " SELECT payload, stream, name, about FROM dead_letters ORDER BY sequence"
        )
        connection.execute("DELETE FROM dead_letters")


def _last_part_in(sent: RecordOrGap) -> Part:
    return Part(sent.epoch, sent.to if isinstance(sent, GapRecord) else sent.partNumber)


def _stream_name_for(sent: RecordOrGap) -> str:
    return (GAP_RECORD if isinstance(sent, GapRecord) else INSPECTION_RECORD).name


def _message_id_for(sent: RecordOrGap) -> str:
    return sent.gapId if isinstance(sent, GapRecord) else sent.recordId


def _build_gate_row(part: GatePart) -> tuple[object, ...]:
    times = (
        _clamp_time(part.act_window.earliest_utc_ns),
        _clamp_time(part.act_window.latest_utc_ns),
    )
    return (part.part.epoch, part.part.part_number, part.seen, *times, part.gate, part.acted_utc_ns)


def _clamp_time(utc_ns: int | None) -> int | None:
    """A PLC's clock may say anything; a time that the file has no room for would block all records."""
    return None if utc_ns is None else min(max(utc_ns, 0), MAX_TIME_NS)


def _parse_gate_part(row: tuple[object, ...]) -> GatePart | None:
    """None for a row that nothing can be made of: its part then gets no correction."""
    epoch, number, seen, earliest, latest, gate, acted = row
    times = (value for value in (earliest, latest, acted) if value is not None)
    wanted = (epoch, number, *times)
    if not _are_all_integers(wanted) or gate not in (None, "passed", "rejected"):
        return None
    acts = GateActWindow(earliest, latest)  # type: ignore[arg-type]
    return GatePart(Part(epoch, number), bool(seen), acts, gate, acted)  # type: ignore[arg-type]


def _are_all_integers(row: Sequence[object]) -> bool:
    return all(isinstance(value, int) for value in row)
