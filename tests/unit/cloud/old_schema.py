"""The tables of the cloud side as they were before stations had keys of their own."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id TEXT NOT NULL UNIQUE,
    thing TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    part_number INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    gate TEXT NOT NULL,
    judged_at TEXT NOT NULL,
    received_utc_ns INTEGER NOT NULL,
    trigger_to_verdict_ms REAL,
    model_ms REAL NOT NULL,
    per_image_ms TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_part ON records (part_number, sequence);
CREATE INDEX IF NOT EXISTS records_by_verdict ON records (verdict, sequence);
CREATE INDEX IF NOT EXISTS records_by_thing ON records (thing, sequence);
CREATE TABLE IF NOT EXISTS machine_states (
    thing TEXT NOT NULL,
    equipment_id TEXT NOT NULL,
    state_utc_ns INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (thing, equipment_id)
);
CREATE TABLE IF NOT EXISTS machine_history (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    thing TEXT NOT NULL,
    equipment_id TEXT NOT NULL,
    state_utc_ns INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS health (
    thing TEXT NOT NULL,
    component TEXT NOT NULL,
    at_utc_ns INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (thing, component)
);
CREATE TABLE IF NOT EXISTS command_outcomes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    thing TEXT NOT NULL,
    command_id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (thing, command_id, body)
);
CREATE TABLE IF NOT EXISTS faults (
    thing TEXT NOT NULL,
    component TEXT NOT NULL,
    code TEXT NOT NULL,
    since_utc_ns INTEGER NOT NULL,
    until_utc_ns INTEGER NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (thing, component, code, since_utc_ns)
);
CREATE INDEX IF NOT EXISTS faults_by_end ON faults (until_utc_ns);
CREATE TABLE IF NOT EXISTS commissioning_steps (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    thing TEXT NOT NULL,
    command_id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (thing, command_id, body)
);
CREATE TABLE IF NOT EXISTS refused (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    refused_utc_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS counts (
    thing TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (thing, name)
);
CREATE TABLE IF NOT EXISTS tallies (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
INSERT OR IGNORE INTO tallies VALUES ('duplicates', 0), ('refused', 0);
"""
