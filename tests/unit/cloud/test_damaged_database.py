"""A damaged database is set aside and said to be so; the site goes on with a new one."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cloud.message_intake import MessageIntake
from cloud.site import restore_summary
from cloud.store.record_store import PartsQuery
from cloud.store.sqlite_store import SqliteStore
from cloud.wire.site_limits import SiteLimits
from sightline.errors import RetryableError
from sightline.messaging.codec import encode
from sightline.messaging.topics import INSPECTION_RECORD
from tests.cloud.example_records import THING, record
from tests.unit.cloud.test_message_intake import wait_until
from tests.unit.cloud.test_parts_counted_once import Site

RECORDS = 400
TOPIC = INSPECTION_RECORD.build_topic(THING)


def garbled(path: Path, begin: float, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * begin) // 4096 * 4096)
        file.write(b"\xa5garbage" * (size // 8))


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 + 7)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def text(path: Path) -> None:
    path.write_text("no database at all, but long enough to be looked at" * 99)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "head": lambda path: garbled(path, 0.0, 4096),
    "tables": lambda path: garbled(path, 0.01, 65536),
    "middle": lambda path: garbled(path, 0.5, 65536),
    "all": lambda path: garbled(path, 0.0, path.stat().st_size),
    "cut": cut,
    "text": text,
    "folder": folder,
}


def filled(path: Path) -> None:
    site = Site(path)
    site.take(*(record(number, reason="x" * 900) for number in range(1, RECORDS)))
    site.store.close()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_it_is_kept_under_another_name_and_repeats_fill_a_new_one(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "records.sqlite"
    filled(path)
    damage(path)
    reports: list[str] = []
    store = SqliteStore(path, report=reports.append)
    restore_summary(store, SiteLimits())
    kept = [each for each in tmp_path.iterdir() if ".damaged-" in each.name]
    assert len(reports) == 1
    assert "records.sqlite is damaged" in reports[0]
    assert kept[0].name in reports[0]
    assert store.load_parts(PartsQuery(limit=9)).bodies == ()
    store.close()
    site = Site(path)
    site.take(record(1), record(1))
    assert site.figures()["records"]["received"] == 1
    site.store.close()


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    path.touch()
    reports: list[str] = []
    SqliteStore(path, report=reports.append).close()
    assert reports == []


def test_one_that_is_damaged_while_the_site_runs_is_replaced_and_what_waits_is_stored(
    tmp_path: Path,
) -> None:
    path = tmp_path / "records.sqlite"
    reports: list[str] = []
    store = SqliteStore(path, report=reports.append)
    intake = MessageIntake(store, restore_summary(store, SiteLimits()), retry_s=0.01)
    intake.start()
    intake.deliver(TOPIC, encode(record(1)))
    wait_until(lambda: store.load_part(record(1).recordId) is not None)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA writable_schema = ON")
    other.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE records (' WHERE name = 'records'")
    other.execute("PRAGMA schema_version = 1000")
    other.close()
    for number in (2, 3):
        intake.deliver(TOPIC, encode(record(number)))

    def is_there(number: int) -> bool:
        try:
            return store.load_part(record(number).recordId) is not None
        except RetryableError:  # what the page is told meanwhile
            return False

    wait_until(lambda: is_there(3))
    assert is_there(2)
    assert "malformed" in reports[0]
    assert intake.fault == ""
    assert intake.is_alive()
    intake.close(20)
    store.close()


def test_a_record_whose_bytes_a_disk_changed_is_said_to_be_damaged_and_its_repeat_mends_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "records.sqlite"
    site = Site(path)
    site.take(record(1), record(2))
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE records SET body = CAST(x'7b22ff' AS TEXT) WHERE part_number = 1"
        )
    connection.close()
    site.restart()
    (damaged,) = site.rows(part_number=1)
    assert (damaged["recordId"], damaged["verdict"]) == (record(1).recordId, "ok")
    assert "damaged in the database" in damaged["reason"]
    assert site.take(record(1)).conflicts == ()
    assert site.rows(part_number=1) == [msgspec.json.decode(encode(record(1)))]
    site.store.close()
