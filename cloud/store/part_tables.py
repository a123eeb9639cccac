"""Records, gap records and gate corrections in the SQLite store: each part counts once.

A record counts as itself, a gap as one `missed` for each of its numbers that has no record.
Deleted records are remembered by number, so that a late repeat is not counted again.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cloud.store.record_counts import build_gap_counts, build_gate_count_name, list_count_names
from cloud.store.stored_messages import (
    CommitResult,
    MessageBatch,
    StoredCorrection,
    StoredGap,
    StoredRecord,
    StoredRefusal,
)
from sightline.messaging.topics import GAP_RECORD, INSPECTION_RECORD

MAX_EARLY_CORRECTIONS = 100_000
MAX_CONFLICT_BYTES = 1024
INSERT_PART = """
INSERT INTO records (record_id, thing, epoch, part_number, gap_from, verdict, gate,
    gate_corrected_utc_ns, judged_at, received_utc_ns, trigger_to_verdict_ms, model_ms, per_image_ms,
    body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thing, record_id) DO NOTHING
"""
INSERT_EARLY_CORRECTION = """
INSERT INTO early_corrections VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET gate = excluded.gate, acted_utc_ns = excluded.acted_utc_ns
"""
SELECT_OLD_PARTS = """
SELECT sequence, thing, epoch, COALESCE(gap_from, part_number), part_number FROM records
WHERE received_utc_ns < ? AND sequence IN (SELECT sequence FROM records ORDER BY sequence LIMIT ?)
ORDER BY thing, epoch, 4
"""
MAX_SQLITE_INTEGER = 2**63 - 1  # of SQLite
NumberRange = tuple[int, int]


@dataclass
class _BatchAdditions:
    """What a batch has added so far."""

    new: list[StoredRecord] = field(default_factory=list)
    duplicates: int = 0
    conflicts: list[StoredRefusal] = field(default_factory=list)
    adjustments: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def insert_parts(connection: sqlite3.Connection, batch: MessageBatch) -> CommitResult:
    """Store a batch's records, gaps and corrections, once each."""
    added = _BatchAdditions()
    for record in batch.records:
        _insert_record(connection, record, added)
    for gap in batch.gaps:
        _insert_gap(connection, gap, added)
    for correction in batch.corrections:
        _apply_correction(connection, correction, added)
    adjustments = {
        thing: counts for thing, counts in added.adjustments.items() if any(counts.values())
    }
    return CommitResult(tuple(added.new), added.duplicates, tuple(added.conflicts), adjustments)


def _insert_record(
    connection: sqlite3.Connection, stored: StoredRecord, added: _BatchAdditions
) -> None:
    record, thing = stored.record, stored.thing
    part = (thing, record.epoch, record.partNumber)
    if _find_ranges(connection, "forgotten", *part, record.partNumber):
        added.duplicates += 1
        return
    early = connection.execute(
        "SELECT gate, acted_utc_ns FROM early_corrections WHERE thing = ? AND record_id = ?",
        (thing, record.recordId),
    ).fetchone()
    gate, corrected_utc_ns = early or (record.gate, None)
    values = (
        *(record.recordId, *part, None, record.verdict, gate, corrected_utc_ns),
        *(record.timestamp, stored.received_utc_ns, record.timings.trigger_to_verdict_ms),
        record.timings.model_ms,
        msgspec.json.encode(record.timings.per_image_ms).decode(),
        stored.body,
    )
    if connection.execute(INSERT_PART, values).rowcount != 1:
        _note_repeat(
            connection, INSPECTION_RECORD.build_topic(thing), record.recordId, stored, added
        )
        return
    added.new.append(stored)
    if early is not None:
        connection.execute(
            "DELETE FROM early_corrections WHERE thing = ? AND record_id = ?",
            (thing, record.recordId),
        )
        _count_gate(added, thing, record.gate, gate)
    for mode in _find_gap_modes(connection, *part):
        added.adjustments[thing].subtract(build_gap_counts(mode, 1))


def _insert_gap(connection: sqlite3.Connection, stored: StoredGap, added: _BatchAdditions) -> None:
    gap, thing = stored.gap, stored.thing
    pieces = [
        piece
        for around in _subtract_ranges(
            (gap.from_, gap.to),
            _find_ranges(connection, "forgotten", thing, gap.epoch, gap.from_, gap.to),
        )
        for piece in _subtract_ranges(around, _find_gaps(connection, thing, gap.epoch, *around))
    ]
    values = (
        *(gap.gapId, thing, gap.epoch, gap.to, gap.from_, "missed", "unconfirmed", None),
        *(gap.timestamp, stored.received_utc_ns, None, 0.0, "[]", stored.body),
    )
    if connection.execute(INSERT_PART, values).rowcount != 1:
        _note_repeat(connection, GAP_RECORD.build_topic(thing), gap.gapId, stored, added)
        return
    width = sum(last - first + 1 for first, last in pieces)
    width -= sum(_count_recorded(connection, thing, gap.epoch, *piece) for piece in pieces)
    added.adjustments[thing].update(build_gap_counts(gap.mode, width))


def _apply_correction(
    connection: sqlite3.Connection, stored: StoredCorrection, added: _BatchAdditions
) -> None:
    correction, thing = stored.correction, stored.thing
    key = (thing, correction.recordId)
    known = connection.execute(
        "SELECT gate FROM records WHERE thing = ? AND record_id = ? AND gap_from IS NULL", key
    ).fetchone()
    told = (correction.gate, correction.acted_at_utc_ns)
    if known is not None:
        connection.execute(
            "UPDATE records SET gate = ?, gate_corrected_utc_ns = ? WHERE thing = ? AND record_id = ?",
            (*told, *key),
        )
        _count_gate(added, thing, known[0], correction.gate)
        return
    _, epoch, number = correction.recordId.rsplit("-", 2)
    if not _find_ranges(connection, "forgotten", thing, int(epoch), int(number), int(number)):
        connection.execute(INSERT_EARLY_CORRECTION, (*key, *told, stored.received_utc_ns))
        connection.execute(
            "DELETE FROM early_corrections WHERE rowid <= "
            f"(SELECT max(rowid) FROM early_corrections) - {MAX_EARLY_CORRECTIONS}"
        )


def _count_gate(added: _BatchAdditions, thing: str, before: str, after: str) -> None:
    if before != after:
        added.adjustments[thing].update(
            {build_gate_count_name(before): -1, build_gate_count_name(after): 1}
        )


def _note_repeat(
    connection: sqlite3.Connection,
    topic: str,
    part_id: str,
    stored: StoredRecord | StoredGap,
    added: _BatchAdditions,
) -> None:
    added.duplicates += 1
    (first,) = connection.execute(
        "SELECT body FROM records WHERE thing = ? AND record_id = ?", (stored.thing, part_id)
    ).fetchone()
    if first == stored.body:
        return
    now = msgspec.json.decode(stored.body)
    before = parse_object(first)
    if before is None:  # a disk damaged it, and here it is whole again
        connection.execute(
            "UPDATE records SET body = ? WHERE thing = ? AND record_id = ?",
            (stored.body, stored.thing, part_id),
        )
        return
    names = sorted(n for n in {*before, *now} if before.get(n) != now.get(n))
    if names:
        added.conflicts.append(
            StoredRefusal(
                topic=topic,
                reason=f"{part_id} was received again with different values of {', '.join(names[:10])}; "
                "the first version is kept",
                payload=stored.body.encode()[:MAX_CONFLICT_BYTES],
                refused_utc_ns=stored.received_utc_ns,
                kind="conflict",
            )
        )


def parse_object(body: str) -> dict[str, Any] | None:
    """The JSON object of a row; None if disk damage that SQLite does not detect made it unreadable."""
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return content if isinstance(content, dict) else None


def delete_old_parts(connection: sqlite3.Connection, oldest_ns: int, max_parts: int) -> None:
    """Delete older parts, a limited number at a time, and remember their numbers."""
    rows = connection.execute(SELECT_OLD_PARTS, (oldest_ns, max_parts)).fetchall()
    for thing, epoch, first, last in _merge_ranges([row[1:] for row in rows]):
        _remember_deleted(connection, thing, epoch, first, last)
    connection.executemany("DELETE FROM records WHERE sequence = ?", [row[:1] for row in rows])
    connection.execute("DELETE FROM early_corrections WHERE received_utc_ns < ?", (oldest_ns,))


def _merge_ranges(
    parts: Sequence[tuple[str, int, int, int]],
) -> Iterator[tuple[str, int, int, int]]:
    """Merge adjacent ranges; the parts are sorted."""
    current: tuple[str, int, int, int] | None = None
    for thing, epoch, first, last in parts:
        if current and current[:2] == (thing, epoch) and first <= current[3] + 1:
            current = (thing, epoch, current[2], max(current[3], last))
            continue
        if current:
            yield current
        current = (thing, epoch, first, last)
    if current:
        yield current


def _remember_deleted(
    connection: sqlite3.Connection, thing: str, epoch: int, first: int, last: int
) -> None:
    touching = (first - 1, min(last + 1, MAX_SQLITE_INTEGER))
    near = _find_ranges(connection, "forgotten", thing, epoch, *touching)
    for begin, _ in near:
        connection.execute(
            "DELETE FROM forgotten WHERE thing = ? AND epoch = ? AND first = ?",
            (thing, epoch, begin),
        )
    first = min([first, *(begin for begin, _ in near)])
    last = max([last, *(end for _, end in near)])
    connection.execute("INSERT INTO forgotten VALUES (?, ?, ?, ?)", (thing, epoch, first, last))


def _find_ranges(
    connection: sqlite3.Connection, table: str, thing: str, epoch: int, first: int, last: int
) -> list[NumberRange]:
    """The stored ranges that overlap this one; they never overlap each other."""
    rows = connection.execute(
        f"SELECT first, last FROM {table} WHERE thing = ? AND epoch = ? AND first <= ? "
        "ORDER BY first DESC",
        (thing, epoch, last),
    )
    found = []
    for begin, end in rows:
        if end < first:
            break
        found.append((begin, end))
    return found[::-1]


def _find_gaps(
    connection: sqlite3.Connection, thing: str, epoch: int, first: int, last: int
) -> list[NumberRange]:
    rows = connection.execute(
        "SELECT gap_from, part_number FROM records WHERE thing = ? AND epoch = ? "
        "AND part_number >= ? AND gap_from IS NOT NULL AND gap_from <= ?",
        (thing, epoch, first, last),
    )
    return sorted(rows.fetchall())


def _find_gap_modes(
    connection: sqlite3.Connection, thing: str, epoch: int, number: int
) -> list[str]:
    """The mode of the gap that counts a number; the first received if several do."""
    rows = connection.execute(
        "SELECT body FROM records WHERE thing = ? AND epoch = ? AND part_number >= ? "
        "AND gap_from IS NOT NULL AND gap_from <= ? ORDER BY sequence LIMIT 1",
        (thing, epoch, number, number),
    )
    return [(parse_object(body) or {}).get("mode", "production") for (body,) in rows]


def _count_recorded(
    connection: sqlite3.Connection, thing: str, epoch: int, first: int, last: int
) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM records WHERE part_number BETWEEN ? AND ? AND thing = ? AND epoch = ? "
        "AND gap_from IS NULL",
        (first, last, thing, epoch),
    ).fetchone()
    return int(count)


def _subtract_ranges(whole: NumberRange, parts: Iterable[NumberRange]) -> list[NumberRange]:
    """What remains of a range without these sorted parts."""
    left, begin = [], whole[0]
    for first, last in parts:
        if first > begin:
            left.append((begin, min(first - 1, whole[1])))
        begin = max(begin, last + 1)
    if begin <= whole[1]:
        left.append((begin, whole[1]))
    return left


def sum_counts(committed: CommitResult) -> Counter[tuple[str, str]]:
    """Everything a batch adds to the counts."""
    counts: Counter[tuple[str, str]] = Counter()
    for stored in committed.new:
        counts.update((stored.thing, name) for name in list_count_names(stored))
    for thing, more in committed.adjustments.items():
        counts.update({(thing, name): count for name, count in more.items()})
    return counts
