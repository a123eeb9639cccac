"""Records in SQLite: one connection writes, another reads, so that a commit delays no page."""

import contextlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cloud.clocks import latest_believed_ns, told_ns
from cloud.counts import counts_of
from cloud.store.schema import SCHEMA
from cloud.store.store import (
    Batch,
    Committed,
    History,
    PartsPage,
    PartsQuery,
    PastFault,
    StoredHealth,
    StoredOutcome,
    StoredRecord,
    StoredRefusal,
    StoredState,
    StoredStep,
)
from sightline.codec import decode_of_any_size
from sightline.errors import RetryableError
from sightline.journal import open_journal
from sightline.messages import InspectionRecord, MachineState, StationHealth

M = TypeVar("M", bound=msgspec.Struct)
RECORDS_READ = 100_000  # at the start; as many as the percentiles are made of
ALL = 2**62
HISTORY_KEPT = 20_000
REFUSALS_KEPT = 1_000
OUTCOMES_KEPT = 10_000
STEPS_KEPT = 10_000
FAULTS_SHOWN = 500
FAULTS_KEPT_NS = 90 * 86_400_000_000_000
BUSY_TIMEOUT_MS = 200  # short: who waits may be asked to end
INSERT_RECORD = """
INSERT INTO records (record_id, thing, epoch, part_number, verdict, gate, judged_at,
    received_utc_ns, trigger_to_verdict_ms, model_ms, per_image_ms, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (record_id) DO NOTHING
"""
UPSERT_STATE = """
INSERT INTO machine_states VALUES (?, ?, ?, ?) ON CONFLICT (thing, equipment_id) DO UPDATE
SET state_utc_ns = excluded.state_utc_ns, body = excluded.body
WHERE excluded.state_utc_ns >= state_utc_ns OR state_utc_ns > ?
"""
UPSERT_HEALTH = """
INSERT INTO health VALUES (?, ?, ?, ?) ON CONFLICT (thing, component) DO UPDATE
SET at_utc_ns = excluded.at_utc_ns, body = excluded.body
WHERE excluded.at_utc_ns >= at_utc_ns OR at_utc_ns > ?
"""
INSERT_HISTORY = """
INSERT INTO machine_history (thing, equipment_id, state_utc_ns, body) VALUES (?, ?, ?, ?)
"""
INSERT_OUTCOME = """
INSERT INTO command_outcomes (thing, command_id, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING
"""
UPSERT_FAULT = """
INSERT INTO faults VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET until_utc_ns = max(until_utc_ns, excluded.until_utc_ns), text = excluded.text
"""
INSERT_STEP = """
INSERT INTO commissioning_steps (thing, command_id, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING
"""
INSERT_REFUSAL = """
INSERT INTO refused (topic, reason, payload, refused_utc_ns) VALUES (?, ?, ?, ?)
"""
ADD_COUNT = """
INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
NOT_COUNTED = """
SELECT EXISTS (SELECT 1 FROM records) AND NOT EXISTS (SELECT 1 FROM counts)
"""
DELETE_OLD = """
DELETE FROM records WHERE received_utc_ns < ?
    AND sequence IN (SELECT sequence FROM records ORDER BY sequence LIMIT ?)
"""
TRIM = "DELETE FROM {table} WHERE sequence <= (SELECT max(sequence) FROM {table}) - {kept}"


class SqliteStore:
    """A RecordStore in one file; `commit` belongs to one thread, reading to any.

    Records that came more than `keep_ns` before the newest leave it (None: all stay); they still count.
    """

    def __init__(self, path: Path, keep_ns: int | None = None) -> None:
        self._keep_ns = keep_ns
        self._writer = open_journal(path, SCHEMA)
        self._writer.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        self._reader = open_journal(path, "")
        self._reading = threading.Lock()

    def commit(self, batch: Batch) -> Committed:
        """Store a batch as a whole; it is on disk when this returns. RetryableError if it cannot."""
        try:
            with self._transaction() as connection:
                new = tuple(stored for stored in batch.records if _insert(connection, stored))
                duplicates = len(batch.records) - len(new)
                _add_counts(connection, new)
                self._forget_old(connection, new)
                _insert_states(connection, batch.states)
                _insert_health(connection, batch.health)
                _insert_outcomes(connection, batch.outcomes)
                _insert_steps(connection, batch.steps)
                _insert_refusals(connection, batch.refusals)
                _add_to_tally(connection, "duplicates", duplicates)
        except sqlite3.DatabaseError as error:
            raise RetryableError(f"the records could not be stored: {error}") from error
        return Committed(new, duplicates)

    def parts(self, query: PartsQuery) -> PartsPage:
        """A page of records; one row more than asked for tells whether another page follows."""
        conditions, values = _conditions(query)
        rows = self._read(
            f"SELECT sequence, body FROM records {conditions} ORDER BY sequence DESC LIMIT ?",
            (*values, query.limit + 1),
        )
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        return PartsPage(tuple(body for _, body in shown), shown[-1][0] if more else None)

    def part(self, record_id: str) -> str | None:
        """One record's JSON, or None."""
        rows = self._read("SELECT body FROM records WHERE record_id = ?", (record_id,))
        return str(rows[0][0]) if rows else None

    def outcomes(self, limit: int) -> tuple[str, ...]:
        """The last outcomes of commands as JSON, newest first."""
        rows = self._read(
            "SELECT body FROM command_outcomes ORDER BY sequence DESC LIMIT ?", (limit,)
        )
        return tuple(str(body) for (body,) in rows)

    def steps(self, thing: str, limit: int) -> tuple[str, ...]:
        """The last steps of a station's commissioning as JSON, newest first."""
        rows = self._read(
            "SELECT body FROM commissioning_steps WHERE thing = ? ORDER BY sequence DESC LIMIT ?",
            (thing, limit),
        )
        return tuple(str(body) for (body,) in rows)

    def faults(self, thing: str, after_utc_ns: int) -> tuple[PastFault, ...]:
        """A station's faults that were told after this, the last to begin first; 500 at most."""
        rows = self._read(
            "SELECT component, code, level, text, since_utc_ns, until_utc_ns FROM faults "
            "WHERE thing = ? AND until_utc_ns >= ? ORDER BY since_utc_ns DESC LIMIT ?",
            (thing, after_utc_ns, FAULTS_SHOWN),
        )
        return tuple(PastFault(*row) for row in rows)

    def refusals(self, limit: int) -> tuple[StoredRefusal, ...]:
        """The last messages that were refused, newest first."""
        rows = self._read(
            "SELECT topic, reason, payload, refused_utc_ns FROM refused "
            "ORDER BY sequence DESC LIMIT ?",
            (limit,),
        )
        return tuple(StoredRefusal(*row) for row in rows)

    def history(self) -> History:
        """What the summary goes on from; for the start, before any commit."""
        self._count_what_is_not()
        tallies: dict[str, int] = dict(self._read("SELECT name, count FROM tallies", ()))
        states = self._read("SELECT thing, body FROM machine_states", ())
        health = self._read("SELECT thing, body FROM health", ())
        return History(
            counts=self._counts(),
            records=self._records(RECORDS_READ),
            states=tuple(StoredState(t, _decoded(MachineState, b), b) for t, b in states),
            health=tuple(StoredHealth(t, _decoded(StationHealth, b), b) for t, b in health),
            duplicates=tallies["duplicates"],
            refused=tallies["refused"],
        )

    def close(self) -> None:
        """Close the file."""
        with self._reading:
            self._reader.close()
        self._writer.close()

    def _forget_old(self, connection: sqlite3.Connection, new: Sequence[StoredRecord]) -> None:
        if self._keep_ns is not None and new:
            oldest_ns = new[-1].received_utc_ns - self._keep_ns
            connection.execute(DELETE_OLD, (oldest_ns, 2 * len(new)))  # faster than they come

    def _count_what_is_not(self) -> None:
        """The records of a file from before there were counts."""
        if self._writer.execute(NOT_COUNTED).fetchone()[0]:
            with self._transaction() as connection:
                _add_counts(connection, self._records(ALL))

    def _counts(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for thing, name, count in self._read("SELECT thing, name, count FROM counts", ()):
            counts.setdefault(thing, {})[name] = count
        return counts

    def _records(self, most: int) -> Iterator[StoredRecord]:
        """The last records, the oldest first."""
        rows = self._writer.execute(
            "SELECT thing, received_utc_ns, body FROM records WHERE sequence > COALESCE("
            "(SELECT sequence FROM records ORDER BY sequence DESC LIMIT 1 OFFSET ?), 0)"
            " ORDER BY sequence",
            (most,),
        )
        for thing, received_utc_ns, body in rows:
            yield StoredRecord(thing, received_utc_ns, _decoded(InspectionRecord, body), body)

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._reading:
            return self._reader.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")


def _insert(connection: sqlite3.Connection, stored: StoredRecord) -> bool:
    record = stored.record
    cursor = connection.execute(
        INSERT_RECORD,
        (
            record.recordId,
            stored.thing,
            record.epoch,
            record.partNumber,
            record.verdict,
            record.gate,
            record.timestamp,
            stored.received_utc_ns,
            record.timings.trigger_to_verdict_ms,
            record.timings.model_ms,
            msgspec.json.encode(record.timings.per_image_ms).decode(),
            stored.body,
        ),
    )
    return cursor.rowcount == 1


def _add_counts(connection: sqlite3.Connection, records: Iterable[StoredRecord]) -> None:
    counts = Counter((stored.thing, name) for stored in records for name in counts_of(stored))
    rows = [(thing, name, count) for (thing, name), count in counts.items()]
    connection.executemany(ADD_COUNT, rows)


def _insert_states(connection: sqlite3.Connection, states: list[StoredState]) -> None:
    rows = [(s.thing, s.state.equipment_id, s.state.state_utc_ns, s.body) for s in states]
    believed_ns = [latest_believed_ns(s.received_utc_ns) for s in states]
    current = [(*row, latest) for row, latest in zip(rows, believed_ns, strict=True)]
    connection.executemany(UPSERT_STATE, current)
    connection.executemany(INSERT_HISTORY, rows)
    if rows:
        connection.execute(TRIM.format(table="machine_history", kept=HISTORY_KEPT))


def _insert_health(connection: sqlite3.Connection, health: list[StoredHealth]) -> None:
    rows = [
        (
            *(h.thing, h.health.component, h.health.at_utc_ns, h.body),
            latest_believed_ns(h.received_utc_ns),
        )
        for h in health
    ]
    connection.executemany(UPSERT_HEALTH, rows)
    faults = [row for stored in health for row in _fault_rows(stored)]
    if faults:
        connection.executemany(UPSERT_FAULT, faults)
        oldest_ns = max(row[4] for row in faults) - FAULTS_KEPT_NS
        connection.execute("DELETE FROM faults WHERE until_utc_ns < ?", (oldest_ns,))


def _fault_rows(stored: StoredHealth) -> list[tuple[str, str, str, int, int, str, str]]:
    health = stored.health
    until_ns = told_ns(health.at_utc_ns, stored.received_utc_ns)
    return [
        (stored.thing, health.component, f.code, f.since_utc_ns, until_ns, f.level, f.text)
        for f in health.faults
    ]


def _insert_outcomes(connection: sqlite3.Connection, outcomes: list[StoredOutcome]) -> None:
    rows = [(stored.thing, stored.outcome.command_id, stored.body) for stored in outcomes]
    connection.executemany(INSERT_OUTCOME, rows)
    if rows:
        connection.execute(TRIM.format(table="command_outcomes", kept=OUTCOMES_KEPT))


def _insert_steps(connection: sqlite3.Connection, steps: list[StoredStep]) -> None:
    rows = [(stored.thing, stored.step.command_id, stored.body) for stored in steps]
    connection.executemany(INSERT_STEP, rows)
    if rows:
        connection.execute(TRIM.format(table="commissioning_steps", kept=STEPS_KEPT))


def _insert_refusals(connection: sqlite3.Connection, refusals: list[StoredRefusal]) -> None:
    rows = [(r.topic, r.reason, r.payload, r.refused_utc_ns) for r in refusals]
    connection.executemany(INSERT_REFUSAL, rows)
    _add_to_tally(connection, "refused", len(rows))
    if rows:
        connection.execute(TRIM.format(table="refused", kept=REFUSALS_KEPT))


def _add_to_tally(connection: sqlite3.Connection, name: str, more: int) -> None:
    if more:
        connection.execute("UPDATE tallies SET count = count + ? WHERE name = ?", (more, name))


def _conditions(query: PartsQuery) -> tuple[str, tuple[object, ...]]:
    wanted = {
        "sequence < ?": query.before,
        "part_number = ?": query.part_number,
        "verdict = ?": query.verdict,
        "thing = ?": query.station,
    }
    given = {condition: value for condition, value in wanted.items() if value is not None}
    text = f"WHERE {' AND '.join(given)}" if given else ""
    return text, tuple(given.values())


def _decoded(message_type: type[M], body: object) -> M:
    return decode_of_any_size(message_type, str(body).encode())
