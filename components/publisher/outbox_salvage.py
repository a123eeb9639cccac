"""What a damaged outbox still tells: the messages that were not stored yet, and the position.

It may be one of an earlier version, which holds records only, without their names.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from publisher.outbox import Outbox, OutboxError
from sightline.errors import SightlineError
from sightline.messaging.codec import decode
from sightline.messaging.messages import GapRecord, InspectionRecord, Part
from sightline.messaging.topics import GAP_RECORD, GATE_CORRECTION, INSPECTION_RECORD

SalvagedRow = tuple[bytes, str, str, str]
EARLIER_VERSION_COLUMNS = f"'{INSPECTION_RECORD.name}', '', ''"
STREAMS = {stream.name: stream for stream in (INSPECTION_RECORD, GAP_RECORD, GATE_CORRECTION)}


def open_outbox(path: Path, report: Callable[[str], None]) -> Outbox:
    """The outbox; of a damaged one, which is set aside and reported, all that can be read goes on.

    One whose messages the disk had no room for, or that a kill came between, is read at the next start.
    """
    damaged: list[str] = []
    outbox = Outbox(path, damaged.append)
    try:
        for kept in _find_unread(path):
            rows, settled = read_damaged_outbox(kept)
            saved = outbox.append_salvaged(rows, settled)
            with suppress(OSError):  # then it is read again: repeats of their recordIds
                _build_mark_path(kept).touch()
            told = (text for text in damaged if kept.name in text)
            text = next(told, f"{kept.name} was damaged.")
            report(f"{text} {saved} messages to the cloud were read from it and are sent.")
    except OutboxError:
        outbox.close()
        raise
    return outbox


def _find_unread(path: Path) -> list[Path]:
    kept = path.parent.glob(f"{path.name}.damaged-*[Z0-9]")
    return sorted(
        (one for one in kept if not _build_mark_path(one).exists()),
        key=lambda one: one.stat().st_ctime,
    )


def _build_mark_path(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.read")


def read_damaged_outbox(path: Path) -> tuple[list[SalvagedRow], Part | None]:
    """The whole messages of a damaged outbox in their order, and the last part that is known to be in it."""
    if not path.is_file():
        return [], None
    connection = sqlite3.connect(path)
    try:
        rows = [*_read_table(connection, "records"), *_read_table(connection, "dead_letters")]
        parts = [_read_settled(connection), *(_parse_part(row) for row in rows)]
    finally:
        connection.close()
    return rows, max((part for part in parts if part is not None), default=None)


def _read_table(connection: sqlite3.Connection, table: str) -> list[SalvagedRow]:
    found: dict[int, SalvagedRow] = {}
    for order in ("ASC", "DESC"):  # from both ends to the damage
        found.update(_read_rows(connection, table, order))
    return [found[sequence] for sequence in sorted(found)]


def _read_rows(
    connection: sqlite3.Connection, table: str, order: str
) -> Iterator[tuple[int, SalvagedRow]]:
    try:
        known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        columns = "stream, name, about" if "stream" in known else EARLIER_VERSION_COLUMNS
        query = f"SELECT sequence, payload, {columns} FROM {table} ORDER BY sequence {order}"
        for sequence, *row in connection.execute(query):
            if _is_readable_row(row):
                payload, stream, name, about = row
                yield sequence, (payload, stream, name or _parse_record_id(payload, stream), about)
    except sqlite3.Error:
        return  # here the damage begins


def _read_settled(connection: sqlite3.Connection) -> Part | None:
    try:
        row = connection.execute("SELECT epoch, part_number FROM settled").fetchone()
    except sqlite3.Error:
        return None
    numbers = row is not None and all(isinstance(value, int) for value in row)
    return Part(*row) if numbers else None


def _is_readable_row(row: Sequence[object]) -> bool:
    payload, stream = row[0], STREAMS.get(str(row[1]))
    if stream is None or not isinstance(payload, bytes):
        return False
    try:
        decode(stream.message, payload)
    except (SightlineError, ValueError):
        return False
    return True


def _parse_record_id(payload: bytes, stream: str) -> str:
    is_record = stream == INSPECTION_RECORD.name
    return decode(InspectionRecord, payload).recordId if is_record else ""


def _parse_part(row: SalvagedRow) -> Part | None:
    stream = STREAMS[row[1]]
    message: msgspec.Struct = decode(stream.message, row[0])
    if isinstance(message, InspectionRecord):
        return Part(message.epoch, message.partNumber)
    return Part(message.epoch, message.to) if isinstance(message, GapRecord) else None
