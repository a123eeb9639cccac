"""A new machine takes over what the old one knew: whole, and never over a memory of its own."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from sightline.messaging.topics import INFERENCE, PUBLISHER
from sightline.storage.journal import open_journal
from sightline.storage.station_memory import MEMORY_FILES, main

SCHEMA = "CREATE TABLE IF NOT EXISTS pairs (first INTEGER, second INTEGER)"


def save(work: Path, folder: Path) -> int:
    return main(["save", "--work", str(work), "--to", str(folder)])


def restore(work: Path, folder: Path) -> int:
    return main(["restore", "--work", str(work), "--from", str(folder)])


def read_pairs(folder: Path, component: str) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(folder / component / MEMORY_FILES[component])) as found:
        return found.execute("SELECT first, second FROM pairs").fetchall()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The work folders of a station whose databases are open, with what is in no file but the log."""
    for component, file in MEMORY_FILES.items():
        journal = open_journal(tmp_path / "work" / component / file, SCHEMA)
        journal.execute("INSERT INTO pairs VALUES (1, 1)")
    return tmp_path / "work"


def test_what_was_saved_while_it_ran_is_found_on_the_new_machine(
    work: Path, tmp_path: Path
) -> None:
    assert save(work, tmp_path / "usb") == 0
    assert restore(tmp_path / "new", tmp_path / "usb") == 0
    for component in (PUBLISHER, INFERENCE):
        assert read_pairs(tmp_path / "new", component) == [(1, 1)]
        assert sorted(path.name for path in (tmp_path / "new" / component).iterdir()) == [
            MEMORY_FILES[component]
        ]


def test_a_copy_has_each_commit_whole_however_much_is_written_meanwhile(
    work: Path, tmp_path: Path
) -> None:
    ends, begun = threading.Event(), threading.Event()
    path = work / INFERENCE / MEMORY_FILES[INFERENCE]

    def write() -> None:
        journal = open_journal(path, SCHEMA)
        number = 0
        while not ends.is_set():
            number += 1
            journal.execute("BEGIN")
            journal.execute("INSERT INTO pairs VALUES (?, 0)", (number,))
            journal.execute("UPDATE pairs SET second = first WHERE first = ?", (number,))
            journal.execute("COMMIT")
            begun.set()
        journal.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        begun.wait(10)
        for attempt in range(5):
            assert save(work, tmp_path / str(attempt)) == 0
            pairs = read_pairs(tmp_path / str(attempt), INFERENCE)
            assert pairs
            assert all(first == second for first, second in pairs)
    finally:
        ends.set()
        writer.join()


def test_a_station_with_a_memory_of_its_own_keeps_it(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(work, tmp_path / "usb")
    own = tmp_path / "new" / INFERENCE / MEMORY_FILES[INFERENCE]
    open_journal(own, SCHEMA).close()
    assert restore(tmp_path / "new", tmp_path / "usb") == 1
    assert "has a memory of its own, which stays" in capsys.readouterr().err
    assert read_pairs(tmp_path / "new", INFERENCE) == []
    assert not (tmp_path / "new" / PUBLISHER).exists()


def test_a_damaged_copy_is_refused_before_anything_is_put_in_place(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(work, tmp_path / "usb")
    damaged = tmp_path / "usb" / INFERENCE / MEMORY_FILES[INFERENCE]
    damaged.write_bytes(b"no database" * 1000)
    assert restore(tmp_path / "new", tmp_path / "usb") == 1
    assert "ledger.sqlite is damaged" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_no_stations_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert save(tmp_path, tmp_path / "usb") == 1
    assert "--work is not a station's" in capsys.readouterr().err
    assert not (tmp_path / "usb").exists()
