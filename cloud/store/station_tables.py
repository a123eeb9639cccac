"""Writes a batch's station data to the SQLite store; each function runs in its caller's transaction."""

import sqlite3
from collections import Counter
from collections.abc import Iterable

from cloud.store.station_clocks import find_latest_plausible_ns, find_reported_ns
from cloud.store.stored_messages import (
    StoredHealth,
    StoredOutcome,
    StoredRefusal,
    StoredState,
    StoredStep,
)

MAX_KEPT_STATE_HISTORY = 20_000
MAX_KEPT_REFUSALS = 1_000
MAX_KEPT_OUTCOMES = 10_000
MAX_KEPT_STEPS = 10_000
MAX_FAULTS_A_STATION = 2_000
FAULTS_KEPT_NS = 90 * 86_400_000_000_000
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
INSERT INTO refused (topic, reason, payload, refused_utc_ns, kind) VALUES (?, ?, ?, ?, ?)
"""
ADD_COUNT = """
INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
TRIM_FAULTS = """
DELETE FROM faults WHERE thing = ? AND rowid <= (
    SELECT rowid FROM faults WHERE thing = ? ORDER BY rowid DESC LIMIT 1 OFFSET ?)
"""
TRIM_TABLE = "DELETE FROM {table} WHERE sequence <= (SELECT max(sequence) FROM {table}) - {kept}"


def add_counts(connection: sqlite3.Connection, counts: Counter[tuple[str, str]]) -> None:
    """Add to the counts of stations."""
    rows = [(thing, name, count) for (thing, name), count in counts.items()]
    connection.executemany(ADD_COUNT, rows)


def insert_states(connection: sqlite3.Connection, states: list[StoredState]) -> None:
    """Insert machine states: the newest of each machine, and the history."""
    rows = [(s.thing, s.state.equipment_id, s.state.state_utc_ns, s.body) for s in states]
    believed_ns = [find_latest_plausible_ns(s.received_utc_ns) for s in states]
    current = [(*row, latest) for row, latest in zip(rows, believed_ns, strict=True)]
    connection.executemany(UPSERT_STATE, current)
    connection.executemany(INSERT_HISTORY, rows)
    if rows:
        connection.execute(TRIM_TABLE.format(table="machine_history", kept=MAX_KEPT_STATE_HISTORY))


def insert_health(connection: sqlite3.Connection, health: list[StoredHealth]) -> None:
    """Insert health: the newest of each component, and its faults."""
    rows = [
        (
            *(h.thing, h.health.component, h.health.at_utc_ns, h.body),
            find_latest_plausible_ns(h.received_utc_ns),
        )
        for h in health
    ]
    connection.executemany(UPSERT_HEALTH, rows)
    faults = [row for stored in health for row in _build_fault_rows(stored)]
    if faults:
        connection.executemany(UPSERT_FAULT, faults)
        oldest_ns = max(row[4] for row in faults) - FAULTS_KEPT_NS
        connection.execute("DELETE FROM faults WHERE until_utc_ns < ?", (oldest_ns,))
        for thing in {row[0] for row in faults}:
            connection.execute(TRIM_FAULTS, (thing, thing, MAX_FAULTS_A_STATION))


def _build_fault_rows(stored: StoredHealth) -> list[tuple[str, str, str, int, int, str, str]]:
    health = stored.health
    until_ns = find_reported_ns(health.at_utc_ns, stored.received_utc_ns)
    return [
        (stored.thing, health.component, f.code, f.since_utc_ns, until_ns, f.level, f.text)
        for f in health.faults
    ]


def insert_outcomes(connection: sqlite3.Connection, outcomes: list[StoredOutcome]) -> None:
    """Insert command outcomes, each once."""
    rows = [(stored.thing, stored.outcome.command_id, stored.body) for stored in outcomes]
    connection.executemany(INSERT_OUTCOME, rows)
    if rows:
        connection.execute(TRIM_TABLE.format(table="command_outcomes", kept=MAX_KEPT_OUTCOMES))


def insert_steps(connection: sqlite3.Connection, steps: list[StoredStep]) -> None:
    """Insert commissioning steps, each once."""
    rows = [(stored.thing, stored.step.command_id, stored.body) for stored in steps]
    connection.executemany(INSERT_STEP, rows)
    if rows:
        connection.execute(TRIM_TABLE.format(table="commissioning_steps", kept=MAX_KEPT_STEPS))


def insert_refusals(connection: sqlite3.Connection, refusals: Iterable[StoredRefusal]) -> None:
    """Insert refused messages and count them; conflicts are counted separately."""
    rows = [(r.topic, r.reason, r.payload, r.refused_utc_ns, r.kind) for r in refusals]
    connection.executemany(INSERT_REFUSAL, rows)
    conflicts = sum(row[4] == "conflict" for row in rows)
    add_to_tally(connection, "conflicts", conflicts)
    add_to_tally(connection, "refused", len(rows) - conflicts)
    if rows:
        connection.execute(TRIM_TABLE.format(table="refused", kept=MAX_KEPT_REFUSALS))


def add_to_tally(connection: sqlite3.Connection, name: str, more: int) -> None:
    """Add to one of the counts of the whole site."""
    if more:
        connection.execute("UPDATE tallies SET count = count + ? WHERE name = ?", (more, name))
