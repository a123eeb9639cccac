"""Records, gaps and what the gate did, in the SQLite store: each part counts once.

A record counts as itself, a gap as one `missed` for each of its numbers that nothing else tells of.
What left the database after its time is known by its number, so that a late repeat is none of news.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cloud.counts import counts_of, gap_counts, gate_count
from cloud.store.store import (
    Batch,
    Committed,
    StoredCorrection,
    StoredGap,
    StoredRecord,
    StoredRefusal,
)
from sightline.topics import GAP_RECORD, INSPECTION_RECORD

MAX_EARLY_CORRECTIONS = 100_000
MAX_CONFLICT_BYTES = 1024
INSERT = """
INSERT INTO records (record_id, thing, epoch, part_number, gap_from, verdict, gate,
    gate_corrected_utc_ns, judged_at, received_utc_ns, trigger_to_verdict_ms, model_ms, per_image_ms,
    body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thing, record_id) DO NOTHING
"""
KEEP_EARLY = """
INSERT INTO early_corrections VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET gate = excluded.gate, acted_utc_ns = excluded.acted_utc_ns
"""
OLD = """
SELECT sequence, thing, epoch, COALESCE(gap_from, part_number), part_number FROM records
WHERE received_utc_ns < ? AND sequence IN (SELECT sequence FROM records ORDER BY sequence LIMIT ?)
ORDER BY thing, epoch, 4
"""
GREATEST_NUMBER = 2**63 - 1  # of SQLite
Range = tuple[int, int]


@dataclass
class _Added:
    """What a batch has added so far."""

    new: list[StoredRecord] = field(default_factory=list)
    duplicates: int = 0
    conflicts: list[StoredRefusal] = field(default_factory=list)
    adjustments: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def insert_parts(connection: sqlite3.Connection, batch: Batch) -> Committed:
    """Store a batch's records, gaps and corrections, once each."""
    added = _Added()
    for record in batch.records:
        _insert_record(connection, record, added)
    for gap in batch.gaps:
        _insert_gap(connection, gap, added)
    for correction in batch.corrections:
        _correct(connection, correction, added)
    adjustments = {
        thing: counts for thing, counts in added.adjustments.items() if any(counts.values())
    }
    return Committed(tuple(added.new), added.duplicates, tuple(added.conflicts), adjustments)


def _insert_record(connection: sqlite3.Connection, stored: StoredRecord, added: _Added) -> None:
    record, thing = stored.record, stored.thing
    part = (thing, record.epoch, record.partNumber)
    if _ranges(connection, "forgotten", *part, record.partNumber):
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
    if connection.execute(INSERT, values).rowcount != 1:
        _repeat(connection, INSPECTION_RECORD.topic_of(thing), record.recordId, stored, added)
        return
    added.new.append(stored)
    if early is not None:
        connection.execute(
            "DELETE FROM early_corrections WHERE thing = ? AND record_id = ?",
            (thing, record.recordId),
        )
        _count_gate(added, thing, record.gate, gate)
    for mode in _modes_of_gaps(connection, *part):
        added.adjustments[thing].subtract(gap_counts(mode, 1))


def _insert_gap(connection: sqlite3.Connection, stored: StoredGap, added: _Added) -> None:
    gap, thing = stored.gap, stored.thing
    pieces = [
        piece
        for around in _without(
            (gap.from_, gap.to),
            _ranges(connection, "forgotten", thing, gap.epoch, gap.from_, gap.to),
        )
        for piece in _without(around, _gaps(connection, thing, gap.epoch, *around))
    ]
    values = (
        *(gap.gapId, thing, gap.epoch, gap.to, gap.from_, "missed", "unconfirmed", None),
        *(gap.timestamp, stored.received_utc_ns, None, 0.0, "[]", stored.body),
    )
    if connection.execute(INSERT, values).rowcount != 1:
        _repeat(connection, GAP_RECORD.topic_of(thing), gap.gapId, stored, added)
        return
    width = sum(last - first + 1 for first, last in pieces)
    width -= sum(_recorded_in(connection, thing, gap.epoch, *piece) for piece in pieces)
    added.adjustments[thing].update(gap_counts(gap.mode, width))


def _correct(connection: sqlite3.Connection, stored: StoredCorrection, added: _Added) -> None:
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
    if not _ranges(connection, "forgotten", thing, int(epoch), int(number), int(number)):
        connection.execute(KEEP_EARLY, (*key, *told, stored.received_utc_ns))
        connection.execute(
            "DELETE FROM early_corrections WHERE rowid <= "
            f"(SELECT max(rowid) FROM early_corrections) - {MAX_EARLY_CORRECTIONS}"
        )


def _count_gate(added: _Added, thing: str, before: str, after: str) -> None:
    if before != after:
        added.adjustments[thing].update({gate_count(before): -1, gate_count(after): 1})


def _repeat(
    connection: sqlite3.Connection,
    topic: str,
    part_id: str,
    stored: StoredRecord | StoredGap,
    added: _Added,
) -> None:
    added.duplicates += 1
    (first,) = connection.execute(
        "SELECT body FROM records WHERE thing = ? AND record_id = ?", (stored.thing, part_id)
    ).fetchone()
    if first == stored.body:
        return
    now = msgspec.json.decode(stored.body)
    before = object_in(first)
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
                reason=f"{part_id} came again and says otherwise in {', '.join(names[:10])}; "
                "what came first stays",
                payload=stored.body.encode()[:MAX_CONFLICT_BYTES],
                refused_utc_ns=stored.received_utc_ns,
                kind="conflict",
            )
        )


def object_in(body: str) -> dict[str, Any] | None:
    """The JSON object of a row; None where a disk damaged its bytes, which SQLite does not see."""
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return content if isinstance(content, dict) else None


def forget_old(connection: sqlite3.Connection, oldest_ns: int, most: int) -> None:
    """Delete what came earlier, at most so much at a time, and keep its numbers in mind."""
    rows = connection.execute(OLD, (oldest_ns, most)).fetchall()
    for thing, epoch, first, last in _runs([row[1:] for row in rows]):
        _remember(connection, thing, epoch, first, last)
    connection.executemany("DELETE FROM records WHERE sequence = ?", [row[:1] for row in rows])
    connection.execute("DELETE FROM early_corrections WHERE received_utc_ns < ?", (oldest_ns,))


def _runs(parts: Sequence[tuple[str, int, int, int]]) -> Iterator[tuple[str, int, int, int]]:
    """Neighbouring ranges as one; the parts are in their order."""
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


def _remember(
    connection: sqlite3.Connection, thing: str, epoch: int, first: int, last: int
) -> None:
    touching = (first - 1, min(last + 1, GREATEST_NUMBER))
    near = _ranges(connection, "forgotten", thing, epoch, *touching)
    for begin, _ in near:
        connection.execute(
            "DELETE FROM forgotten WHERE thing = ? AND epoch = ? AND first = ?",
            (thing, epoch, begin),
        )
    first = min([first, *(begin for begin, _ in near)])
    last = max([last, *(end for _, end in near)])
    connection.execute("INSERT INTO forgotten VALUES (?, ?, ?, ?)", (thing, epoch, first, last))


def _ranges(
    connection: sqlite3.Connection, table: str, thing: str, epoch: int, first: int, last: int
) -> list[Range]:
    """Ranges that never overlap each other, as far as they touch this one."""
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


def _gaps(
    connection: sqlite3.Connection, thing: str, epoch: int, first: int, last: int
) -> list[Range]:
    rows = connection.execute(
        "SELECT gap_from, part_number FROM records WHERE thing = ? AND epoch = ? "
        "AND part_number >= ? AND gap_from IS NOT NULL AND gap_from <= ?",
        (thing, epoch, first, last),
    )
    return sorted(rows.fetchall())


def _modes_of_gaps(
    connection: sqlite3.Connection, thing: str, epoch: int, number: int
) -> list[str]:
    """The mode of the gap that counts a number, if one does: of several the one that came first."""
    rows = connection.execute(
        "SELECT body FROM records WHERE thing = ? AND epoch = ? AND part_number >= ? "
        "AND gap_from IS NOT NULL AND gap_from <= ? ORDER BY sequence LIMIT 1",
        (thing, epoch, number, number),
    )
    return [(object_in(body) or {}).get("mode", "production") for (body,) in rows]


def _recorded_in(
    connection: sqlite3.Connection, thing: str, epoch: int, first: int, last: int
) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM records WHERE part_number BETWEEN ? AND ? AND thing = ? AND epoch = ? "
        "AND gap_from IS NULL",
        (first, last, thing, epoch),
    ).fetchone()
    return int(count)


def _without(whole: Range, parts: Iterable[Range]) -> list[Range]:
    """What is left of a range without these, which are in their order."""
    left, begin = [], whole[0]
    for first, last in parts:
        if first > begin:
            left.append((begin, min(first - 1, whole[1])))
        begin = max(begin, last + 1)
    if begin <= whole[1]:
        left.append((begin, whole[1]))
    return left


def counts_by_thing(committed: Committed) -> Counter[tuple[str, str]]:
    """All that a batch adds to the counts."""
    counts: Counter[tuple[str, str]] = Counter()
    for stored in committed.new:
        counts.update((stored.thing, name) for name in counts_of(stored))
    for thing, more in committed.adjustments.items():
        counts.update({(thing, name): count for name, count in more.items()})
    return counts
