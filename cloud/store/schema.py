"""The tables of the SQLite store."""

# 1: a2d5124 and before, without a number in the file; 2: no index of serial numbers; see migration.py
SCHEMA_VERSION = 3

RECORDS = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id TEXT NOT NULL,
    thing TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    part_number INTEGER NOT NULL,
    gap_from INTEGER,
    verdict TEXT NOT NULL,
    gate TEXT NOT NULL,
    gate_corrected_utc_ns INTEGER,
    judged_at TEXT NOT NULL,
    received_utc_ns INTEGER NOT NULL,
    trigger_to_verdict_ms REAL,
    model_ms REAL NOT NULL,
    per_image_ms TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (thing, record_id)
)
"""
SERIAL_OF_BODY = "CASE WHEN json_valid(body) THEN json_extract(body, '$.serial') END"
SCHEMA = f"""
{RECORDS};
CREATE INDEX IF NOT EXISTS records_by_part ON records (part_number, thing, epoch, gap_from);
CREATE INDEX IF NOT EXISTS records_by_verdict ON records (verdict, sequence);
CREATE INDEX IF NOT EXISTS records_by_thing ON records (thing, sequence);
CREATE INDEX IF NOT EXISTS records_by_serial ON records ({SERIAL_OF_BODY}, sequence);
CREATE INDEX IF NOT EXISTS gaps ON records (thing, epoch, part_number) WHERE gap_from IS NOT NULL;
CREATE TABLE IF NOT EXISTS early_corrections (
    thing TEXT NOT NULL,
    record_id TEXT NOT NULL,
    gate TEXT NOT NULL,
    acted_utc_ns INTEGER NOT NULL,
    received_utc_ns INTEGER NOT NULL,
    PRIMARY KEY (thing, record_id)
);
CREATE TABLE IF NOT EXISTS forgotten (
    thing TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (thing, epoch, first)
);
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
CREATE INDEX IF NOT EXISTS outcomes_by_command ON command_outcomes (command_id, sequence);
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
CREATE INDEX IF NOT EXISTS faults_by_thing ON faults (thing);
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
    refused_utc_ns INTEGER NOT NULL,
    kind TEXT NOT NULL DEFAULT 'refused'
);
CREATE TABLE IF NOT EXISTS counts (
    thing TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (thing, name)
);
CREATE TABLE IF NOT EXISTS tallies (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
INSERT OR IGNORE INTO tallies VALUES ('duplicates', 0), ('refused', 0), ('conflicts', 0);
CREATE TABLE IF NOT EXISTS site (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""
