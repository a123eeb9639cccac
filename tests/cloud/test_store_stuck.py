"""A store that takes nothing for a while: the page says so, and no record is lost for it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.example_records import record
from tests.cloud.site_processes import RecordPublisher, SiteProcess, wait_for


class Lock:
    """Another process's hold on the database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        """Let the site write again."""
        self._connection.close()


@pytest.fixture
def lock(tmp_path: Path, site: SiteProcess) -> Iterator[Lock]:
    lock = Lock(tmp_path / "records.sqlite")
    yield lock
    lock.release()


def test_the_page_says_so_and_the_record_goes_in_when_the_store_takes_it(
    site: SiteProcess, sender: RecordPublisher, lock: Lock
) -> None:
    sender.send(record(1))
    wait_for(lambda: "locked" in site.summary()["broker"]["fault"])
    assert site.summary()["records"]["received"] == 0
    lock.release()
    assert site.wait_received(1)["broker"]["fault"] == ""


def test_sigterm_ends_a_site_whose_store_is_stuck(
    site: SiteProcess, sender: RecordPublisher, lock: Lock
) -> None:
    sender.send(record(1))
    wait_for(lambda: "locked" in site.summary()["broker"]["fault"])
    code, took_s = site.terminate()
    assert (code, "Traceback" in site.log()) == (0, False)
    assert took_s < 5.0
