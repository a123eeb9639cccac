"""Each record is kept once, pages hold still while records arrive, and a restart loses nothing."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from cloud.live.site_summary import SiteSummary
from cloud.live.station_figures import Json
from cloud.store import sqlite_store, station_tables
from cloud.store.record_store import PartsPage, PartsQuery
from cloud.store.sqlite_store import SqliteStore
from cloud.store.stored_messages import CommitResult, MessageBatch
from cloud.web.query_string import parse_parts_query
from cloud.wire.batches import ArrivedMessage, build_batch
from sightline.errors import RetryableError
from sightline.messaging.codec import encode
from sightline.messaging.messages import CommandOutcome
from sightline.messaging.topics import (
    COMMAND_OUTCOME,
    INSPECTION_RECORD,
    MACHINE_STATE_TO_CLOUD,
    STATION_HEALTH,
)
from sightline.storage.journal import open_journal
from tests.cloud.example_records import THING, defect, health, machine_state, record


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "records.sqlite")
    yield store
    store.close()


def batch(*messages: msgspec.Struct) -> MessageBatch:
    topics = {
        "MachineState": MACHINE_STATE_TO_CLOUD,
        "StationHealth": STATION_HEALTH,
        "CommandOutcome": COMMAND_OUTCOME,
    }
    return build_batch(
        [
            ArrivedMessage(
                topics.get(type(m).__name__, INSPECTION_RECORD).build_topic(THING), encode(m), 1_000
            )
            for m in messages
        ]
    )


def commit(store: SqliteStore, *messages: msgspec.Struct) -> CommitResult:
    return store.commit(batch(*messages))


def numbers(page: PartsPage) -> list[int]:
    return [msgspec.json.decode(body)["partNumber"] for body in page.bodies]


def test_a_record_sent_twice_is_one_row_and_the_first_wins(store: SqliteStore) -> None:
    first = commit(store, record(1, reason="first"), record(1, reason="in the same batch"))
    again = commit(store, record(1, reason="later"))
    assert (len(first.new), first.duplicates) == (1, 1)
    assert (len(again.new), again.duplicates) == (0, 1)
    body = store.load_part(record(1).recordId)
    assert body is not None
    assert msgspec.json.decode(body)["reason"] == "first"


def test_pages_run_from_the_newest_to_the_first_part_without_a_gap(store: SqliteStore) -> None:
    commit(store, *(record(number) for number in range(1, 8)))
    first = store.load_parts(PartsQuery(limit=3))
    commit(store, record(8))
    second = store.load_parts(PartsQuery(limit=3, before=first.next_cursor))
    third = store.load_parts(PartsQuery(limit=3, before=second.next_cursor))
    assert [numbers(page) for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert third.next_cursor is None


def test_a_last_page_that_is_just_full_has_no_next(store: SqliteStore) -> None:
    commit(store, record(1), record(2))
    assert store.load_parts(PartsQuery(limit=2)).next_cursor is None


def test_parts_are_found_by_number_and_by_verdict(store: SqliteStore) -> None:
    other_epoch = record(2, epoch=8)
    commit(store, record(1), defect(2), record(3), other_epoch)
    assert numbers(store.load_parts(PartsQuery(limit=9, part_number=2))) == [2, 2]
    assert numbers(store.load_parts(PartsQuery(limit=9, verdict="defect"))) == [2]
    assert numbers(store.load_parts(PartsQuery(limit=9, verdict="ok", part_number=3))) == [3]


def test_a_part_is_found_by_its_serial_number(store: SqliteStore) -> None:
    marked = replace(record(2), serial="SN-2")
    commit(store, record(1), marked, replace(record(3), serial="SN-3"), record(4))
    query = parse_parts_query({"serial": "SN-2"}, ())
    assert numbers(store.load_parts(query)) == [2]
    assert numbers(store.load_parts(PartsQuery(limit=9, serial="SN-9"))) == []


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    store = SqliteStore(path)
    store.commit(batch(record(1), record(1), defect(2), machine_state(7), health("c", 5)))
    store.commit(build_batch([ArrivedMessage("sightline/a/records", b"?", 1)]))
    store.close()
    again = SqliteStore(path)
    history = again.load_history()
    assert [stored.record.partNumber for stored in history.records] == [1, 2]
    assert (history.duplicates, history.refused) == (1, 1)
    assert [stored.state.state_utc_ns for stored in history.states] == [7]
    assert [stored.health.component for stored in history.health] == ["c"]
    again.close()


def test_only_the_newest_state_and_health_are_current(store: SqliteStore) -> None:
    commit(store, machine_state(9, vibration=2.0), machine_state(5, vibration=1.0))
    commit(store, health("c", 9, ready=True), health("c", 4, ready=False))
    history = store.load_history()
    assert history.states[0].state.values[0].value == 2.0
    assert history.health[0].health.ready


def test_refusals_are_listed_newest_first_and_do_not_grow_without_end(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_tables, "MAX_KEPT_REFUSALS", 3)
    for count in range(5):
        store.commit(build_batch([ArrivedMessage("sightline/a/records", b"?%d" % count, count)]))
    assert [refusal.refused_utc_ns for refusal in store.load_refusals(10)] == [4, 3, 2]
    assert store.load_history().refused == 5


def test_what_became_of_a_command_is_kept_once_however_often_it_is_told(
    store: SqliteStore,
) -> None:
    first, second = (
        CommandOutcome(
            station_id=THING,
            command_id=f"c{number}",
            kind="pause",
            issued_by="operator",
            result="done",
            decided_utc_ns=number,
        )
        for number in (1, 2)
    )
    commit(store, first, second, first)
    commit(store, first)
    told = [msgspec.json.decode(body)["command_id"] for body in store.load_outcomes(10)]
    assert told == ["c2", "c1"]
    assert len(store.load_outcomes(1)) == 1


def test_what_became_of_a_command_is_said_by_the_station_that_it_went_to(
    store: SqliteStore,
) -> None:
    for thing, result in ((THING, "accepted"), ("station-2", "done")):
        outcome = CommandOutcome(
            station_id=thing,
            command_id="c1",
            kind="pause",
            issued_by="operator",
            result=result,  # type: ignore[arg-type]
            decided_utc_ns=1,
        )
        store.commit(
            build_batch([ArrivedMessage(COMMAND_OUTCOME.build_topic(thing), encode(outcome), 1)])
        )
    (told,) = store.load_outcomes_for_command("c1", THING)
    assert msgspec.json.decode(told)["result"] == "accepted"
    assert len(store.load_outcomes_for_command("c1", None)) == 2
    assert store.load_outcomes_for_command("c2", THING) == ()


def test_a_database_has_one_name_of_its_own_as_long_as_it_lives(tmp_path: Path) -> None:
    names = []
    for file in ("a.sqlite", "a.sqlite", "b.sqlite"):
        store = SqliteStore(tmp_path / file)
        names.append(store.site_id())
        store.close()
    assert names[0] == names[1] != names[2]


def test_a_disk_that_takes_nothing_keeps_no_site_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.sqlite"
    first = SqliteStore(path)
    commit(first, record(1))
    first.close()

    def taking_nothing(*arguments: object, **more: object) -> sqlite3.Connection:
        connection = open_journal(*arguments, **more)  # type: ignore[arg-type]
        connection.execute("PRAGMA query_only = ON")
        return connection

    monkeypatch.setattr(sqlite_store, "open_journal", taking_nothing)
    store = SqliteStore(path)
    assert store.site_id()
    assert len(list(store.load_history().records)) == 1
    with pytest.raises(RetryableError):
        commit(store, record(2))
    store.close()


def test_parts_of_one_station_are_found_among_those_of_others(store: SqliteStore) -> None:
    for thing, number in (("station-1", 1), ("station-2", 2), ("station-2", 3)):
        part = encode(record(number, thing))
        store.commit(build_batch([ArrivedMessage(INSPECTION_RECORD.build_topic(thing), part, 1)]))
    assert numbers(store.load_parts(PartsQuery(limit=9, station="station-2"))) == [3, 2]
    assert numbers(store.load_parts(PartsQuery(limit=9))) == [3, 2, 1]


def counted(path: Path) -> tuple[Json, int]:
    """The summary after a start, and how many records were read for it."""
    store, summary = SqliteStore(path), SiteSummary()
    summary.restore(store.load_history())
    read = len(list(store.load_history().records))
    store.close()
    return summary.snapshot(0), read


@pytest.mark.parametrize("counted_before", [True, False])
def test_a_start_reads_the_last_records_only_and_the_counts_are_those_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted_before: bool
) -> None:
    monkeypatch.setattr(sqlite_store, "MAX_RECORDS_READ", 3)
    path = tmp_path / "records.sqlite"
    store = SqliteStore(path)
    store.commit(batch(*(record(number) for number in range(1, 7)), record(6)))
    store.commit(batch(defect(7, challenge="scratch", challengeResult="found"), record(1)))
    if not counted_before:  # a file from before there were counts
        store._writer.execute("DELETE FROM counts")
    store.close()
    for more in (0, 1, 2):  # starts, and after each of them one part more
        found, read = counted(path)
        assert read == 3
        told = {"received": 7 + more, "duplicates": 2, "refused": 0, "conflicts": 0, "unseen": 0}
        assert found["records"] == told
        assert (found["parts"]["ok"], found["parts"]["defect"]) == (6 + more, 1)
        assert (found["production"]["ok"], found["production"]["defect"]) == (6 + more, 0)
        assert found["apart"]["challenge"]["found"] == 1
        assert (found["gate"]["passed"], found["gate"]["rejected"]) == (6 + more, 1)
        store = SqliteStore(path)
        store.commit(batch(record(8 + more)))
        store.close()


def test_records_older_than_they_are_kept_leave_the_store_and_still_count(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    store = SqliteStore(path, keep_ns=10)
    for number in range(1, 9):
        part = ArrivedMessage(
            INSPECTION_RECORD.build_topic(THING), encode(record(number)), 5 * number
        )
        store.commit(build_batch([part]))
    assert numbers(store.load_parts(PartsQuery(limit=9))) == [8, 7, 6]
    store.close()
    assert counted(path)[0]["records"]["received"] == 8
