"""Records in SQLite: one connection writes and another reads, so that a commit delays no page."""

import logging
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cloud.store.migration import prepare_schema
from cloud.store.part_tables import delete_old_parts, insert_parts, parse_object, sum_counts
from cloud.store.record_counts import list_count_names
from cloud.store.record_identity import parse_things
from cloud.store.record_store import PartsPage, PartsQuery, StoreHistory
from cloud.store.schema import SERIAL_OF_BODY
from cloud.store.station_tables import (
    add_counts,
    add_to_tally,
    insert_health,
    insert_outcomes,
    insert_refusals,
    insert_states,
    insert_steps,
)
from cloud.store.stored_messages import (
    CommitResult,
    MessageBatch,
    PastFault,
    StoredHealth,
    StoredRecord,
    StoredRefusal,
    StoredState,
)
from sightline.errors import FatalError, MessageError, RetryableError
from sightline.messaging.codec import decode_of_any_size
from sightline.messaging.messages import InspectionRecord, MachineState, StationHealth
from sightline.storage.journal import is_damage, mark_suspect, open_journal, set_aside
from sightline.storage.transactions import transaction

log = logging.getLogger(__name__)
ReportDamage = Callable[[str], None]
SITE_ID_BYTES = 6
SHOWN_COLUMNS = "body, record_id, thing, part_number, verdict, gate, gate_corrected_utc_ns"
DAMAGED_RECORD_REASON = (
    "This record is damaged in the database. Only the fields shown here could be read."
)
StoredMessage = TypeVar("StoredMessage", bound=msgspec.Struct)
MAX_RECORDS_READ = 100_000  # at the start; as many as the percentiles are made of
NO_LIMIT = 2**62
MAX_FAULTS_SHOWN = 500
MAX_OUTCOMES_SHOWN = 10
BUSY_TIMEOUT_MS = 200  # short: who waits may be asked to end
NOT_COUNTED = """
SELECT EXISTS (SELECT 1 FROM records) AND NOT EXISTS (SELECT 1 FROM counts)
"""


class DamagedStoreError(RetryableError):
    """The file is damaged; the next commit starts a new one."""


class SqliteStore:
    """A RecordStore in one file; `commit` belongs to one thread, reading to any.

    Records received more than `keep_ns` before the newest are deleted (None: all are kept); they still
    count. A damaged file is set aside and replaced, and `report` gets a sentence that says so.
    """

    def __init__(
        self, path: Path, keep_ns: int | None = None, report: ReportDamage = lambda text: None
    ) -> None:
        self._path = path
        self._keep_ns = keep_ns
        self._report = report
        self._reading = threading.Lock()
        self._damage = ""
        self._open()

    def commit(self, batch: MessageBatch) -> CommitResult:
        """Store a batch as a whole; it is on disk when this returns. RetryableError if it cannot.

        Any other error is caused by the batch: something in it cannot be stored.
        """
        try:
            if self._damage:
                self.start_new_file()
            return self._commit(batch)
        except sqlite3.OperationalError as error:
            self._note_damage(error)
            raise RetryableError(f"Cannot store records: {error}") from error
        except sqlite3.DatabaseError as error:
            if is_damage(error) and self._is_damaged():
                self._note_damage(error)
                raise DamagedStoreError(f"The database is damaged: {error}") from error
            raise

    def _commit(self, batch: MessageBatch) -> CommitResult:
        with transaction(self._writer) as connection:
            committed = insert_parts(connection, batch)
            add_counts(connection, sum_counts(committed))
            if self._keep_ns is not None and committed.new:
                oldest_ns = committed.new[-1].received_utc_ns - self._keep_ns
                delete_old_parts(connection, oldest_ns, 2 * len(committed.new))
            insert_states(connection, batch.states)
            insert_health(connection, batch.health)
            insert_outcomes(connection, batch.outcomes)
            insert_steps(connection, batch.steps)
            insert_refusals(connection, [*batch.refusals, *committed.conflicts])
            add_to_tally(connection, "duplicates", committed.duplicates)
        return committed

    def load_parts(self, query: PartsQuery) -> PartsPage:
        """Load a page of records; one extra row is read to know whether another page follows."""
        conditions, values = _build_conditions(query)
        rows = self._read(
            f"SELECT sequence, {SHOWN_COLUMNS} FROM records {conditions} ORDER BY sequence DESC LIMIT ?",
            (*values, query.limit + 1),
        )
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        return PartsPage(
            tuple(_build_shown_body(*row[1:]) for row in shown), shown[-1][0] if more else None
        )

    def load_part(self, record_id: str, thing: str | None = None) -> str | None:
        """Load the JSON of a record or gap, or None; without a thing, it is found by the id."""
        for of_thing in parse_things(record_id) if thing is None else (thing,):
            rows = self._read(
                f"SELECT {SHOWN_COLUMNS} FROM records WHERE thing = ? AND record_id = ?",
                (of_thing, record_id),
            )
            if rows:
                return _build_shown_body(*rows[0])
        return None

    def site_id(self) -> str:
        """A unique name of this database; valid for this run only if it cannot be stored."""
        new = secrets.token_hex(SITE_ID_BYTES)
        try:
            found = self._writer.execute("SELECT value FROM site WHERE name = 'id'").fetchone()
            if found is None:
                self._writer.execute("INSERT INTO site VALUES ('id', ?)", (new,))
            return new if found is None else str(found[0])
        except sqlite3.DatabaseError as error:
            log.warning("site id not stored", extra={"error": str(error)})
            return new

    def load_outcomes(self, limit: int) -> tuple[str, ...]:
        """Load the last outcomes of commands as JSON, newest first."""
        rows = self._read(
            "SELECT body FROM command_outcomes ORDER BY sequence DESC LIMIT ?", (limit,)
        )
        return tuple(str(body) for (body,) in rows)

    def load_steps(self, thing: str, limit: int) -> tuple[str, ...]:
        """Load the last steps of a station's commissioning as JSON, newest first."""
        rows = self._read(
            "SELECT body FROM commissioning_steps WHERE thing = ? ORDER BY sequence DESC LIMIT ?",
            (thing, limit),
        )
        return tuple(str(body) for (body,) in rows)

    def load_faults(self, thing: str, after_utc_ns: int) -> tuple[PastFault, ...]:
        """Load a station's faults reported after this time, the last to begin first; at most 500."""
        rows = self._read(
            "SELECT component, code, level, text, since_utc_ns, until_utc_ns FROM faults "
            "WHERE thing = ? AND until_utc_ns >= ? ORDER BY since_utc_ns DESC LIMIT ?",
            (thing, after_utc_ns, MAX_FAULTS_SHOWN),
        )
        return tuple(PastFault(*row) for row in rows)

    def load_refusals(self, limit: int) -> tuple[StoredRefusal, ...]:
        """Load the last refused messages, newest first."""
        rows = self._read(
            "SELECT topic, reason, payload, refused_utc_ns, kind FROM refused "
            "ORDER BY sequence DESC LIMIT ?",
            (limit,),
        )
        return tuple(StoredRefusal(*row) for row in rows)

    def load_outcomes_for_command(self, command_id: str, thing: str | None) -> tuple[str, ...]:
        """Load the outcomes of one command as JSON, newest first; thing None: of any station."""
        rows = self._read(
            "SELECT body FROM command_outcomes WHERE command_id = ? AND thing = COALESCE(?, thing) "
            "ORDER BY sequence DESC LIMIT ?",
            (command_id, thing, MAX_OUTCOMES_SHOWN),
        )
        return tuple(str(body) for (body,) in rows)

    def load_history(self) -> StoreHistory:
        """Load what the summary starts from; call it before any commit.

        DamagedStoreError, also while its records are read: after `start_new_file` it can be called again.
        """
        with self._translate_damage():
            self._count_uncounted()
        tallies: dict[str, int] = dict(self._read("SELECT name, count FROM tallies", ()))
        states = self._read("SELECT thing, body FROM machine_states", ())
        health = self._read("SELECT thing, body FROM health", ())
        return StoreHistory(
            counts=self._load_counts(),
            records=self._load_records(MAX_RECORDS_READ),
            states=tuple(StoredState(t, m, b) for t, m, b in _decode_rows(MachineState, states)),
            health=tuple(StoredHealth(t, m, b) for t, m, b in _decode_rows(StationHealth, health)),
            duplicates=tallies["duplicates"],
            refused=tallies["refused"],
            conflicts=tallies["conflicts"],
        )

    def close(self) -> None:
        """Close the file."""
        with self._reading:
            self._reader.close()
        self._writer.close()

    def _count_uncounted(self) -> None:
        """The records of a database that has no counts yet."""
        if self._writer.execute(NOT_COUNTED).fetchone()[0]:
            with transaction(self._writer) as connection:
                records = (
                    (stored.thing, list_count_names(stored))
                    for stored in self._load_records(NO_LIMIT)
                )
                names = ((thing, name) for thing, found in records for name in found)
                add_counts(connection, Counter(names))

    def _load_counts(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for thing, name, count in self._read("SELECT thing, name, count FROM counts", ()):
            counts.setdefault(thing, {})[name] = count
        return counts

    def _load_records(self, max_records: int) -> Iterator[StoredRecord]:
        """The last records, oldest first."""
        statement = (
            "SELECT thing, received_utc_ns, body FROM records WHERE gap_from IS NULL "
            "AND sequence > COALESCE("
            "(SELECT sequence FROM records ORDER BY sequence DESC LIMIT 1 OFFSET ?), 0)"
            " ORDER BY sequence"
        )
        with self._translate_damage():
            rows = self._writer.execute(statement, (max_records,))
            for thing, received_utc_ns, body in rows:
                for _, record, _ in _decode_rows(InspectionRecord, [(thing, body)]):
                    yield StoredRecord(thing, received_utc_ns, record, body)

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._reading, self._translate_damage():
            return self._reader.execute(statement, values).fetchall()

    @contextmanager
    def _translate_damage(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._note_damage(error)
            raise DamagedStoreError(f"The database is damaged: {error}") from error

    def _open(self) -> None:
        self._writer = open_journal(self._path, "", report=self._report)
        try:
            prepare_schema(self._writer, self._path.name)
        except sqlite3.DatabaseError as error:
            self._writer.close()
            if not is_damage(error):
                raise FatalError(f"Cannot open {self._path}: {error}") from error
            self._set_aside(str(error))
            self._writer = open_journal(self._path, "")
            prepare_schema(self._writer, self._path.name)
        self._writer.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        self._reader = open_journal(self._path, "")
        for connection in (self._writer, self._reader):
            connection.text_factory = _decode_text

    def start_new_file(self) -> None:
        """Set the damaged file aside and start a new one; RetryableError if that is not possible now."""
        with self._reading:
            self._reader.close()
            self._writer.close()
            try:
                self._set_aside(self._damage)
                self._open()
            except FatalError as error:
                raise RetryableError(str(error)) from error
            self._damage = ""

    def _set_aside(self, reason: str) -> None:
        try:
            kept = set_aside(self._path)
        except OSError as error:
            raise FatalError(f"{self._path} is damaged and cannot be renamed: {error}") from error
        self._report(
            f"{self._path.name} was damaged ({reason}). It is kept as {kept.name}; "
            "a new database was started."
        )

    def _note_damage(self, error: sqlite3.DatabaseError) -> None:
        """Stop using the file: the next commit starts a new one."""
        if is_damage(error):
            self._damage = str(error)
            mark_suspect(self._path)
            log.error("database damaged", extra={"error": str(error)})

    def _is_damaged(self) -> bool:
        """Whether the file is at fault, not the data to be written."""
        try:
            (found,) = self._writer.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError:
            return True
        return bool(found != "ok")


def _decode_text(content: bytes) -> str:
    """Decode text; invalid bytes of a damaged page are replaced."""
    return content.decode("utf-8", errors="replace")


def _build_shown_body(
    body: str,
    record_id: str,
    thing: str,
    number: int,
    verdict: str,
    gate: str,
    corrected: int | None,
) -> str:
    """A part as it was sent, with a later gate correction applied."""
    content = parse_object(body)
    if content is None:
        content = {
            "recordId": record_id,
            "stationId": thing,
            "partNumber": number,
            "verdict": verdict,
            "gate": gate,
            "reason": DAMAGED_RECORD_REASON,
        }
        return msgspec.json.encode(content).decode()
    if corrected is None:
        return body
    correction = {"recorded": content.get("gate", ""), "acted_at_utc_ns": corrected}
    return msgspec.json.encode({**content, "gate": gate, "gateCorrection": correction}).decode()


def _build_conditions(query: PartsQuery) -> tuple[str, tuple[object, ...]]:
    number = query.part_number
    wanted: dict[str, object] = {
        "sequence < ?": query.before,
        "verdict = ?": query.verdict,
        "thing = ?": query.station,
        f"{SERIAL_OF_BODY} = ?": query.serial,
    }
    given = {condition: value for condition, value in wanted.items() if value is not None}
    values = list(given.values())
    conditions = list(given)
    if number is not None:  # its own record, or the gap that it lies in
        conditions.append(
            "sequence IN (SELECT sequence FROM records WHERE part_number = ? UNION ALL "
            "SELECT sequence FROM records WHERE gap_from <= ? AND part_number >= ? "
            "AND gap_from IS NOT NULL)"
        )
        values += [number] * 3
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", tuple(values)


def _decode_rows(
    message_type: type[StoredMessage], rows: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, StoredMessage, str]]:
    """Decode rows of thing and body; unreadable ones are skipped."""
    for thing, body in rows:
        try:
            yield thing, decode_of_any_size(message_type, body.encode()), body
        except MessageError as error:
            log.warning(
                "unreadable row in the database skipped",
                extra={"thing": thing, "error": str(error)},
            )
