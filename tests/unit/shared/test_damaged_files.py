"""A damaged file is set aside, reported and replaced: it keeps no component from starting."""

import sqlite3
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.errors import FatalError
from sightline.storage.journal import (
    DurableRecord,
    DurableText,
    is_damage,
    mark_suspect,
    open_journal,
)

SCHEMA = "CREATE TABLE IF NOT EXISTS parts (number INTEGER PRIMARY KEY, text TEXT)"


def filled(path: Path, rows: int = 500) -> bytes:
    connection = open_journal(path, SCHEMA)
    connection.executemany(
        "INSERT INTO parts VALUES (?, ?)", [(number, "x" * 100) for number in range(rows)]
    )
    connection.close()
    return path.read_bytes()


def damaged_head(whole: bytes) -> bytes:
    return b"\xff" * 100 + whole[100:]


def damaged_middle(whole: bytes) -> bytes:
    half = len(whole) // 2
    return whole[:half] + b"\xa5" * 4096 + whole[half + 4096 :]


def cut_short(whole: bytes) -> bytes:
    return whole[: len(whole) // 2 + 77]


@pytest.mark.parametrize("damage", [damaged_head, damaged_middle, cut_short])
def test_a_damaged_database_is_kept_beside_and_a_new_one_begins(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "ledger.sqlite"
    damaged = damage(filled(path))
    path.write_bytes(damaged)
    reports: list[str] = []
    connection = open_journal(path, SCHEMA, reports.append)
    assert connection.execute("SELECT COUNT(*) FROM parts").fetchone() == (0,)
    (report,) = reports
    (kept,) = tmp_path.glob("ledger.sqlite.damaged-*[0-9Z]")
    assert kept.read_bytes() == damaged
    assert "ledger.sqlite is damaged" in report
    assert kept.name in report
    connection.execute("INSERT INTO parts VALUES (1, 'a part of now')")


def test_a_folder_in_the_place_of_a_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.mkdir()
    reports: list[str] = []
    open_journal(path, SCHEMA, reports.append).execute("INSERT INTO parts VALUES (1, '')")
    assert "not a file" in reports[0]


def test_two_damages_within_a_second_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for _ in range(3):
        path.write_bytes(b"no database at all, for certain" * 50)
        open_journal(path, SCHEMA, lambda text: None).close()
    assert len(list(tmp_path.glob("ledger.sqlite.damaged-*"))) == 3


def test_a_whole_database_is_opened_as_it_is_and_nothing_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    filled(path)
    reports: list[str] = []
    connection = open_journal(path, SCHEMA, reports.append)
    assert connection.execute("SELECT COUNT(*) FROM parts").fetchone() == (500,)
    assert reports == []


def test_without_anyone_to_tell_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database at all, for certain" * 50)
    with pytest.raises(FatalError, match="not a usable journal"):
        open_journal(path, SCHEMA)
    assert path.exists()


def test_what_only_another_process_holds_is_not_taken_for_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    filled(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    reader = sqlite3.connect(path, isolation_level=None, timeout=0)
    with pytest.raises(sqlite3.OperationalError) as raised:
        reader.execute("INSERT INTO parts VALUES (501, '')")
    assert not is_damage(raised.value)


def test_a_suspect_database_is_checked_however_large_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.storage.journal.MAX_BYTES_CHECKED_AT_START", 0)
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(damaged_middle(filled(path)))
    reports: list[str] = []
    open_journal(path, SCHEMA, reports.append).close()
    assert reports == []
    mark_suspect(path)
    open_journal(path, SCHEMA, reports.append).close()
    assert len(reports) == 1
    open_journal(path, SCHEMA, reports.append).close()
    assert len(reports) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe paused", b"\x80"])
def test_a_text_that_is_none_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mode.txt"
    path.write_bytes(content)
    reports: list[str] = []
    text = DurableText(path)
    assert text.load_or_set_aside(reports.append) is None
    assert "mode.txt is damaged" in reports[0]
    text.store("production")
    assert text.load_or_set_aside(reports.append) == "production"
    assert len(reports) == 1
    (kept,) = tmp_path.glob("mode.txt.damaged-*")
    assert kept.read_bytes() == content


def test_a_folder_in_the_place_of_a_text_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "chosen.json").mkdir()
    reports: list[str] = []
    assert DurableText(tmp_path / "chosen.json").load_or_set_aside(reports.append) is None
    assert "is a directory" in reports[0]
    DurableText(tmp_path / "chosen.json").store("{}")


@given(content=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_bytes_at_all_keep_a_text_from_being_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.txt"
    path.write_bytes(content)
    loaded = DurableText(path).load_or_set_aside(lambda text: None)
    assert loaded is None or loaded.encode() == content
    DurableText(path).store("new")
    assert DurableText(path).load() == "new"


def test_a_record_of_an_earlier_version_is_read_and_goes_on(tmp_path: Path) -> None:
    """Until version 0.1 each of the two places took 512 bytes."""
    path = tmp_path / "numbering.record"
    places = []
    for sequence, content in ((6, b"before"), (7, b"newest")):
        checksum = zlib.crc32(content, sequence)
        head = struct.pack("<QII", sequence, len(content), checksum)
        places.append((head + content).ljust(512, b"\0"))
    path.write_bytes(b"".join(places))
    record = DurableRecord(path)
    assert record.load() == b"newest"
    record.store(b"next")
    record.close()
    assert path.stat().st_size == 2 * DurableRecord.SLOT_BYTES
    assert DurableRecord(path).load() == b"next"


def test_the_two_places_of_a_record_share_no_page(tmp_path: Path) -> None:
    record = DurableRecord(tmp_path / "numbering.record")
    record.store(b"a")
    record.store(b"b")
    content = (tmp_path / "numbering.record").read_bytes()
    page = 4096
    assert any(content[:page])
    assert any(content[page:])
    assert len(content) == 2 * page
