"""What is committed survives the end of its process at any moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from sightline.errors import FatalError
from sightline.storage.journal import DurableRecord, DurableText, open_journal

SCHEMA = "CREATE TABLE IF NOT EXISTS parts (number INTEGER PRIMARY KEY)"
COMMITTER = f"""
import sys
from pathlib import Path
from sightline.storage.journal import open_journal

journal = open_journal(Path(sys.argv[1]), {SCHEMA!r})
journal.execute("INSERT INTO parts VALUES (1)")
journal.execute("BEGIN")
journal.execute("INSERT INTO parts VALUES (2)")
print("one is committed, two is not", flush=True)
sys.stdin.read()
"""
REPLACER = """
import sys
from pathlib import Path
from sightline.storage.journal import DurableText

text = DurableText(Path(sys.argv[1]))
while True:
    text.store("a" * 5000)
    text.store("b" * 5000)
    print("stored", flush=True)
"""
WITHOUT_ROOM = """
import resource
import sys
from pathlib import Path
from sightline.storage.journal import DurableText

resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
try:
    DurableText(Path(sys.argv[1])).store("b" * 100)
except OSError as error:
    print(error.strerror)
"""


def start(script: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_commit_survives_kill_9_and_what_was_not_committed_does_not(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with start(COMMITTER, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("one is committed")
        process.kill()
    journal = open_journal(path, SCHEMA)
    assert journal.execute("SELECT number FROM parts").fetchall() == [(1,)]
    journal.close()


def test_a_journal_syncs_each_commit(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "deep" / "ledger.db", SCHEMA)
    assert journal.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal.execute("PRAGMA synchronous").fetchone() == (2,)
    journal.close()


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this was never a database" * 100)
    with pytest.raises(FatalError, match=r"ledger\.db is not a usable journal"):
        open_journal(path, SCHEMA)


def test_a_text_is_replaced_as_a_whole_even_under_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "epoch.txt"
    whole = {"a" * 5000, "b" * 5000}
    with start(REPLACER, path) as process:
        assert process.stdout is not None
        for _ in range(20):
            assert process.stdout.readline() == "stored\n"
            assert DurableText(path).load() in whole
        process.kill()
    assert DurableText(path).load() in whole


def test_a_text_that_was_never_stored_is_none(tmp_path: Path) -> None:
    assert DurableText(tmp_path / "new" / "epoch.txt").load() is None


def test_the_last_text_stored_is_loaded(tmp_path: Path) -> None:
    text = DurableText(tmp_path / "epoch.txt")
    text.store("long text, first")
    text.store("größer")
    assert DurableText(tmp_path / "epoch.txt").load() == "größer"
    assert [file.name for file in tmp_path.iterdir()] == ["epoch.txt"]


def test_a_text_for_which_there_is_only_half_the_room_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "epoch.txt"
    text = DurableText(path)
    text.store("a" * 20)
    with start(WITHOUT_ROOM, path) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "File too large\n"
    assert text.load() == "a" * 20
    assert [file.name for file in tmp_path.iterdir()] == ["epoch.txt"]


def test_a_text_is_not_for_everyone_to_read(tmp_path: Path) -> None:
    path = tmp_path / "epoch.txt"
    DurableText(path).store("secret")
    assert path.stat().st_mode & 0o007 == 0


def test_a_record_is_given_back_by_another_reader_however_often_it_is_replaced(
    tmp_path: Path,
) -> None:
    record = DurableRecord(tmp_path / "deep" / "number.record")
    assert record.load() is None
    for number in range(5):
        record.store(f"number {number}".encode())
        again = DurableRecord(tmp_path / "deep" / "number.record")
        assert again.load() == f"number {number}".encode()
        again.close()
    record.close()


@pytest.mark.parametrize("cut_at", [0, 5, 17, 20])
def test_a_record_whose_writing_was_cut_off_leaves_the_one_before(
    tmp_path: Path, cut_at: int
) -> None:
    path = tmp_path / "number.record"
    record = DurableRecord(path)
    record.store(b"the first")
    before = path.read_bytes()
    record.store(b"the second")
    record.close()
    after = path.read_bytes()
    torn = after[:cut_at] + before[cut_at : DurableRecord.SLOT_BYTES]
    path.write_bytes(torn + after[DurableRecord.SLOT_BYTES :])
    survivor = DurableRecord(path)
    assert survivor.load() in (b"the first", b"the second")
    survivor.store(b"the third")
    survivor.close()
    assert DurableRecord(path).load() == b"the third"


@pytest.mark.parametrize("place", [0, 1])
def test_a_sequence_that_was_damaged_makes_no_older_record_the_last_one(
    tmp_path: Path, place: int
) -> None:
    path = tmp_path / "number.record"
    record = DurableRecord(path)
    for number in range(1, 6):
        record.store(f"number {number}".encode())
    record.close()
    content = bytearray(path.read_bytes())
    content[place * DurableRecord.SLOT_BYTES + 5] ^= 1
    path.write_bytes(content)
    survivor = DurableRecord(path)
    newest_is_damaged = place == 1
    assert survivor.load() == (b"number 4" if newest_is_damaged else b"number 5")
    assert survivor.may_be_older
    for number in range(6, 9):
        survivor.store(f"number {number}".encode())
        again = DurableRecord(path)
        assert again.load() == f"number {number}".encode()
        assert not again.may_be_older
    survivor.close()


def test_a_record_in_a_damaged_file_is_refused_and_one_that_is_too_long_is_not_taken(
    tmp_path: Path,
) -> None:
    (tmp_path / "number.record").write_bytes(b"something else" * 100)
    with pytest.raises(ValueError, match="no whole record"):
        DurableRecord(tmp_path / "number.record").load()
    with pytest.raises(ValueError, match="does not fit"):
        DurableRecord(tmp_path / "other.record").store(b"x" * 497)
