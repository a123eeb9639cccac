"""What a batch writes into the SQLite store: each function within the transaction of its caller."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from cloud.clocks import latest_believed_ns, told_ns
from cloud.counts import counts_of
from cloud.store.store import (
    StoredHealth,
    StoredOutcome,
    StoredRecord,
    StoredRefusal,
    StoredState,
    StoredStep,
)

HISTORY_KEPT = 20_000
REFUSALS_KEPT = 1_000
OUTCOMES_KEPT = 10_000
STEPS_KEPT = 10_000
FAULTS_KEPT_NS = 90 * 86_400_000_000_000
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
DELETE_OLD = """
DELETE FROM records WHERE received_utc_ns < ?
    AND sequence IN (SELECT sequence FROM records ORDER BY sequence LIMIT ?)
"""
TRIM = "DELETE FROM {table} WHERE sequence <= (SELECT max(sequence) FROM {table}) - {kept}"


def insert_record(connection: sqlite3.Connection, stored: StoredRecord) -> bool:
    """Whether the record was new."""
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


def add_counts(connection: sqlite3.Connection, records: Iterable[StoredRecord]) -> None:
    """Count records that were new."""
    counts = Counter((stored.thing, name) for stored in records for name in counts_of(stored))
    rows = [(thing, name, count) for (thing, name), count in counts.items()]
    connection.executemany(ADD_COUNT, rows)


def delete_old(
    connection: sqlite3.Connection, new: Sequence[StoredRecord], keep_ns: int | None
) -> None:
    """Delete records older than they are kept, faster than the new ones come."""
    if keep_ns is not None and new:
        oldest_ns = new[-1].received_utc_ns - keep_ns
        connection.execute(DELETE_OLD, (oldest_ns, 2 * len(new)))


def insert_states(connection: sqlite3.Connection, states: list[StoredState]) -> None:
    """The newest of each machine, and the history."""
    rows = [(s.thing, s.state.equipment_id, s.state.state_utc_ns, s.body) for s in states]
    believed_ns = [latest_believed_ns(s.received_utc_ns) for s in states]
    current = [(*row, latest) for row, latest in zip(rows, believed_ns, strict=True)]
    connection.executemany(UPSERT_STATE, current)
    connection.executemany(INSERT_HISTORY, rows)
    if rows:
        connection.execute(TRIM.format(table="machine_history", kept=HISTORY_KEPT))


def insert_health(connection: sqlite3.Connection, health: list[StoredHealth]) -> None:
    """The newest of each component, and its faults."""
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


def insert_outcomes(connection: sqlite3.Connection, outcomes: list[StoredOutcome]) -> None:
    """Each answer once."""
    rows = [(stored.thing, stored.outcome.command_id, stored.body) for stored in outcomes]
    connection.executemany(INSERT_OUTCOME, rows)
    if rows:
        connection.execute(TRIM.format(table="command_outcomes", kept=OUTCOMES_KEPT))


def insert_steps(connection: sqlite3.Connection, steps: list[StoredStep]) -> None:
    """Each step once."""
    rows = [(stored.thing, stored.step.command_id, stored.body) for stored in steps]
    connection.executemany(INSERT_STEP, rows)
    if rows:
        connection.execute(TRIM.format(table="commissioning_steps", kept=STEPS_KEPT))


def insert_refusals(connection: sqlite3.Connection, refusals: list[StoredRefusal]) -> None:
    """What was not understood, and how many in all."""
    rows = [(r.topic, r.reason, r.payload, r.refused_utc_ns) for r in refusals]
    connection.executemany(INSERT_REFUSAL, rows)
    add_to_tally(connection, "refused", len(rows))
    if rows:
        connection.execute(TRIM.format(table="refused", kept=REFUSALS_KEPT))


def add_to_tally(connection: sqlite3.Connection, name: str, more: int) -> None:
    """Add to one of the counts of the whole site."""
    if more:
        connection.execute("UPDATE tallies SET count = count + ? WHERE name = ?", (more, name))
