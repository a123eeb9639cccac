"""Records in SQLite: one connection writes, another reads, so that a commit delays no page."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cloud.store.schema import SCHEMA
from cloud.store.store import (
    Batch,
    Committed,
    History,
    PartsPage,
    PartsQuery,
    PastFault,
    StoredHealth,
    StoredRecord,
    StoredRefusal,
    StoredState,
)
from cloud.store.writing import (
    add_counts,
    add_to_tally,
    delete_old,
    insert_health,
    insert_outcomes,
    insert_record,
    insert_refusals,
    insert_states,
    insert_steps,
)
from sightline.codec import decode_of_any_size
from sightline.errors import RetryableError
from sightline.journal import open_journal
from sightline.messages import InspectionRecord, MachineState, StationHealth
from sightline.transactions import transaction

M = TypeVar("M", bound=msgspec.Struct)
RECORDS_READ = 100_000  # at the start; as many as the percentiles are made of
ALL = 2**62
FAULTS_SHOWN = 500
BUSY_TIMEOUT_MS = 200  # short: who waits may be asked to end
NOT_COUNTED = """
SELECT EXISTS (SELECT 1 FROM records) AND NOT EXISTS (SELECT 1 FROM counts)
"""


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
            with transaction(self._writer) as connection:
                new = tuple(stored for stored in batch.records if insert_record(connection, stored))
                duplicates = len(batch.records) - len(new)
                add_counts(connection, new)
                delete_old(connection, new, self._keep_ns)
                insert_states(connection, batch.states)
                insert_health(connection, batch.health)
                insert_outcomes(connection, batch.outcomes)
                insert_steps(connection, batch.steps)
                insert_refusals(connection, batch.refusals)
                add_to_tally(connection, "duplicates", duplicates)
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

    def _count_what_is_not(self) -> None:
        """The records of a file from before there were counts."""
        if self._writer.execute(NOT_COUNTED).fetchone()[0]:
            with transaction(self._writer) as connection:
                add_counts(connection, self._records(ALL))

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
