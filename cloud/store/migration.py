"""Migrates a database of an earlier Sightline to the current schema, in one transaction."""

import sqlite3

from cloud.store.schema import RECORDS, SCHEMA, SCHEMA_VERSION
from sightline.errors import FatalError
from sightline.storage.transactions import transaction

COPIED_COLUMNS = (
    "sequence, record_id, thing, epoch, part_number, verdict, gate, judged_at, received_utc_ns, "
    "trigger_to_verdict_ms, model_ms, per_image_ms, body"
)


def prepare_schema(connection: sqlite3.Connection, name: str) -> None:
    """Create or migrate the tables; FatalError if a later Sightline wrote them."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise FatalError(
            f"{name} was written by a later Sightline: its schema is version {version}, this release reads "
            f"versions up to {SCHEMA_VERSION}. Install that release, or use another database."
        )
    if version == SCHEMA_VERSION:
        return  # nothing is written: a disk that is full keeps no site from starting
    with transaction(connection):
        if version < 2 and _has_table(connection, "records"):
            _convert_from_version_1(connection)
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _convert_from_version_1(connection: sqlite3.Connection) -> None:
    """Version 1: records were unique per site, and refused messages had no kind."""
    (last,) = connection.execute(
        "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'records'), 0)"
    ).fetchone()
    connection.execute("ALTER TABLE records RENAME TO records_of_before")
    connection.execute(RECORDS)
    connection.execute(
        f"INSERT INTO records ({COPIED_COLUMNS}) SELECT {COPIED_COLUMNS} FROM records_of_before"
        " ORDER BY sequence"
    )
    connection.execute("DROP TABLE records_of_before")
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'records'")
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('records', ?)", (last,))
    if _has_table(connection, "refused"):
        connection.execute("ALTER TABLE refused ADD COLUMN kind TEXT NOT NULL DEFAULT 'refused'")


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
    )
    return found.fetchone() is not None
