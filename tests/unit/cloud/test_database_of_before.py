"""A database of an earlier Sightline is opened and converted, and nothing of it is lost."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from cloud.site import restore_summary
from cloud.store.record_store import PartsQuery
from cloud.store.schema import SCHEMA_VERSION, SERIAL_OF_BODY
from cloud.store.sqlite_store import SqliteStore
from cloud.wire.site_limits import SiteLimits
from sightline.errors import FatalError
from sightline.messaging.codec import encode
from sightline.messaging.messages import InspectionRecord
from tests.cloud.example_records import THING, defect, health, machine_state, record
from tests.unit.cloud.old_schema import SCHEMA
from tests.unit.cloud.test_parts_counted_once import Site

SQUATTED = ("station-2", defect(3))  # of another station, as it was allowed then


def written_before(path: Path) -> None:
    """Three records, one of them under another thing's name, and one row of each other table."""
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    of_things: list[tuple[str, InspectionRecord]] = [
        (THING, record(1)),
        (THING, defect(2)),
        SQUATTED,
    ]
    for number, (thing, one) in enumerate(of_things, start=5):
        values = (one.recordId, thing, 7, one.partNumber, one.verdict, one.gate, one.timestamp)
        connection.execute(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, 10, 110.0, 100.0, '[]', ?)",
            (number, *values, encode(one).decode()),
        )
        for name in ("received", f"parts/{one.verdict}", f"production/{one.verdict}"):
            connection.execute(
                "INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                (thing, name),
            )
    told = (encode(health("c", 5)).decode(), encode(machine_state(7)).decode())
    connection.execute("INSERT INTO health VALUES (?, 'c', 5, ?)", (THING, told[0]))
    connection.execute(
        "INSERT INTO machine_states VALUES (?, 'conveyor-1', 7, ?)", (THING, told[1])
    )
    connection.execute(
        "INSERT INTO refused (topic, reason, payload, refused_utc_ns) VALUES ('t', 'r', x'00', 1)"
    )
    connection.execute("UPDATE tallies SET count = 4 WHERE name = 'refused'")
    connection.execute("UPDATE sqlite_sequence SET seq = 40 WHERE name = 'records'")
    connection.commit()
    connection.close()


def test_a_database_of_version_2_finds_serial_numbers_too(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.executescript("DROP INDEX records_by_serial; PRAGMA user_version = 2")
    connection.close()
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN SELECT body FROM records WHERE {SERIAL_OF_BODY} = 'a'"
    ).fetchone()
    connection.close()
    assert "records_by_serial" in plan[3]


def test_records_counts_and_what_was_told_are_all_there_and_more_can_come(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    written_before(path)
    for _ in range(2):
        store = SqliteStore(path)
        page = store.load_parts(PartsQuery(limit=9))
        found = [msgspec.json.decode(body, type=InspectionRecord) for body in page.bodies]
        assert found == [defect(3), defect(2), record(1)]
        snapshot = restore_summary(store, SiteLimits()).snapshot(0, THING)
        assert snapshot["parts"]["ok"] == snapshot["parts"]["defect"] == 1
        assert snapshot["records"]["refused"] == 4
        assert list(snapshot["health"]) == ["c"]
        assert list(snapshot["machine"]) == ["conveyor-1"]
        assert [refusal.kind for refusal in store.load_refusals(9)] == ["refused"]
        store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


def test_the_true_record_of_a_number_that_was_taken_by_another_is_stored_now(
    tmp_path: Path,
) -> None:
    path = tmp_path / "records.sqlite"
    written_before(path)
    site = Site(path)
    site.take(record(3), record(2, verdict="defect"))
    (true,) = site.rows(part_number=3, station=THING)
    assert true["verdict"] == "ok"
    assert site.store.load_part("station-1-7-3", "station-2") is not None
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT sequence FROM records ORDER BY sequence DESC").fetchall()
    connection.close()
    assert rows[0] == (41,)  # numbers that were given are not given again: pages hold still
    site.store.close()


def test_a_conversion_that_is_cut_off_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.sqlite"
    written_before(path)
    with monkeypatch.context() as cut:
        cut.setattr("cloud.store.migration.SCHEMA", "CREATE TABLE x (y); no statement")
        with pytest.raises(FatalError, match=r"records\.sqlite"):
            SqliteStore(path)
    store = SqliteStore(path)
    assert len(store.load_parts(PartsQuery(limit=9)).bodies) == 3
    store.close()


def test_a_database_of_a_later_sightline_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(FatalError, match="later Sightline"):
        SqliteStore(path)
    assert [each.name for each in tmp_path.iterdir() if "damaged" in each.name] == []
