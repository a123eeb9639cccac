"""What the ledger keeps, and what comes of one that is damaged: inference lives, and no part is forgotten."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from inference.ledger import verdict_ledger
from inference.ledger.ledger_errors import LedgerDamagedError, LedgerError
from inference.ledger.state_store import ProductThresholds
from inference.ledger.verdict_ledger import MAX_ROWS_AT_ONCE, UNREADABLE_VERDICT_REASON, Ledger
from sightline.errors import FatalError
from sightline.kernel.component import NewConfiguration
from sightline.messaging.messages import HoldRange, Part, PartJudged, PartSettled
from sightline.messaging.topics import PART_SETTLED, PARTS_ANNOUNCED
from tests.unit.inference.conftest import EPOCH, InferenceUnderTest
from tests.unit.inference.test_verdict_messages import announcement
from tests.unit.inference.test_verdict_replay import verdict


def kept(bench: InferenceUnderTest) -> int:
    """How many verdicts lie on disk."""
    with closing(sqlite3.connect(bench.folder / "ledger.sqlite")) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM verdicts").fetchone()
    return int(count)


def faults(bench: InferenceUnderTest) -> dict[str, str]:
    return {fault.code: fault.text for fault in bench.health.build_report().faults}


def test_another_number_of_parts_to_keep_is_in_force_without_a_restart(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    running.deliver(PARTS_ANNOUNCED, announcement(running, 2500, in_time_ms=-1))
    assert kept(running) == 2500
    fewer = msgspec.structs.replace(running.configuration, max_ledger_parts=1000)
    assert running.inspector is not None
    running.inspector.handle(NewConfiguration(fewer))
    up_to = Part(EPOCH, 2500)
    running.deliver(PART_SETTLED, PartSettled(station_id=running.station, up_to=up_to))
    assert 1000 <= kept(running) <= 1001


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.sqlite", 10**6)
    yield found
    found.close()


def test_marking_and_forgetting_take_some_at_a_time_however_much_is_settled_at_once(
    ledger: Ledger,
) -> None:
    parts = 2 * MAX_ROWS_AT_ONCE + 500
    ledger.commit([verdict(number) for number in range(1, parts + 1)])
    ledger.max_parts = 1000
    marked = [ledger.mark_settled(Part(1, parts))]
    assert ledger.find_unsettled_parts(10) == []  # what is settled is not told again, marked or not
    while marked[-1]:
        marked.append(ledger.mark_more_settled())
    assert marked == [MAX_ROWS_AT_ONCE, MAX_ROWS_AT_ONCE, 500, 0]
    (count,) = ledger._connection.execute("SELECT COUNT(*) FROM verdicts").fetchone()
    assert 1000 <= count <= 1000 + MAX_ROWS_AT_ONCE


@pytest.mark.parametrize("part", [Part(1, 2**63), Part(-(2**64), 1)])
def test_a_number_that_no_database_holds_is_refused_and_changes_nothing(
    ledger: Ledger, part: Part
) -> None:
    with pytest.raises(LedgerError, match="cannot hold"):
        ledger.commit([msgspec.structs.replace(verdict(1), part=part)])
    ledger.commit([verdict(1)])
    assert ledger.last_part == Part(1, 1)


GARBAGE: list[object] = [
    b"\x00\xff\xfe garbled",
    b"",
    b"{}",
    b'{"part": [1, 2]}',
    b"[" * 10_000,
    "text in place of bytes",
    17,
    msgspec.json.encode(msgspec.structs.replace(verdict(9), part=Part(EPOCH, 9))),
    msgspec.json.encode(msgspec.structs.replace(verdict(2), schema_version=99)),
]


@pytest.mark.parametrize("row", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("while_running", [True, False])
def test_a_verdict_that_cannot_be_read_becomes_missed_in_its_place_and_the_rest_is_told(
    running: InferenceUnderTest, row: object, while_running: bool
) -> None:
    for number in (1, 2, 3):
        running.judge(number)
    if not while_running:
        running.stop()
    with closing(sqlite3.connect(running.folder / "ledger.sqlite")) as connection:
        connection.execute("UPDATE verdicts SET message = ? WHERE part_number = 2", (row,))
        connection.commit()
    running.stop()
    running.exchange.published.clear()
    running.start()
    running.run_until("the replay", lambda: len(running.verdicts()) >= 3)
    told = [(v.part.part_number, v.verdict) for v in running.verdicts()]
    assert told == [(1, "ok"), (2, "missed"), (3, "ok")]
    assert running.verdicts()[1].reason == UNREADABLE_VERDICT_REASON
    assert running.verdicts()[1].follows == Part(EPOCH, 1)
    assert running.verdicts()[1].station_id == running.station
    assert "on part 2 of epoch 100" in faults(running)["ledger-damaged"]
    assert running.judge(4).verdict == "ok"
    assert running.verdicts()[-1].follows == Part(EPOCH, 3)


def test_a_row_that_stood_for_many_numbers_still_does_when_it_cannot_be_read(
    ledger: Ledger,
) -> None:
    many = msgspec.structs.replace(verdict(20_001), verdict="missed", gap_from=2)
    ledger.commit([verdict(1), many])
    ledger._connection.execute("UPDATE verdicts SET message = x'00' WHERE part_number > 1")
    assert ledger.load_verdict(Part(1, 20_001)).gap_from == 2


UNDECODABLE = "CAST(x'ff31' AS TEXT)"


@pytest.mark.parametrize(
    "damage",
    [
        f"INSERT INTO verdicts VALUES ({UNDECODABLE}, 3, x'00', 0)",
        "UPDATE verdicts SET epoch = 'x' WHERE part_number = 2",
        "UPDATE verdicts SET part_number = 2.5 WHERE part_number = 2",
        f"UPDATE verdicts SET message = {UNDECODABLE} WHERE part_number = 2",
        f"INSERT INTO holds (hold, message) VALUES ({UNDECODABLE}, x'00')",
        "INSERT INTO holds (hold, message) VALUES ('\N{SUPERSCRIPT TWO}-1', x'00')",
        f"INSERT INTO thresholds VALUES ({UNDECODABLE}, x'00')",
        "INSERT INTO challenges VALUES ('x', 1, 'scratch', 'found', 5)",
        "INSERT INTO challenges VALUES (100, 1, 'scratch', 'found', 'x')",
    ],
)
def test_a_value_of_another_kind_in_the_ledger_is_told_and_the_next_parts_are_judged(
    running: InferenceUnderTest, damage: str
) -> None:
    for number in (1, 2):
        running.judge(number)
    running.stop()
    with closing(sqlite3.connect(running.folder / "ledger.sqlite")) as connection:
        connection.execute(damage)
        connection.commit()
    running.exchange.published.clear()
    running.start(settled=Part(EPOCH, 1))
    assert running.inspector is not None
    for _ in range(3):
        running.inspector.tick()
    assert running.judge(3).verdict in ("ok", "review")  # a hold stays open
    running.publish_recorded(Part(EPOCH, 3))
    assert "ledger-not-writable" not in faults(running)


@pytest.mark.parametrize("table", ["verdicts", "challenges", "holds", "thresholds"])
def test_a_large_ledger_of_which_some_cannot_be_read_at_the_start_is_set_aside(
    running: InferenceUnderTest, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.storage.journal.MAX_BYTES_CHECKED_AT_START", 0)
    running.judge(1)
    running.stop()
    file = running.folder / "ledger.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    garble((page - 1) * size)(file)
    running.start(settled=Part(EPOCH, 1))
    assert "kept as ledger.sqlite.damaged-" in faults(running)["ledger-damaged"]
    assert running.judge(2).verdict == "ok"


def garble(offset: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        with file.open("r+b") as opened:
            opened.seek(offset)
            opened.write(os.urandom(3000))

    return damage


def as_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "something").write_text("else")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "head": garble(0),
    "middle": garble(4096),
    "cut": lambda file: os.truncate(file, 5000),
    "no database": lambda file: file.write_text("no database"),
    "folder": as_folder,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_ledger_is_set_aside_and_the_next_parts_are_judged_none_twice(
    running: InferenceUnderTest, damage: Callable[[Path], object]
) -> None:
    for number in range(1, 31):
        running.judge(number)
    running.publish_recorded(Part(EPOCH, 30))
    running.stop()
    file = running.folder / "ledger.sqlite"
    damage(file)
    running.exchange.published.clear()
    running.start(settled=Part(EPOCH, 30))
    assert "kept as ledger.sqlite.damaged-" in faults(running)["ledger-damaged"]
    assert "check what is on hold" in faults(running)["ledger-damaged"]
    assert running.judge(32).verdict == "ok"
    told = [(v.part.part_number, v.verdict) for v in running.verdicts() if not v.replayed]
    assert told == [(31, "missed"), (32, "ok")]
    assert list(running.folder.glob("ledger.sqlite.damaged-*"))


@pytest.mark.parametrize("at", ["while a part is judged", "while verdicts are told again"])
def test_a_ledger_that_gets_damaged_while_parts_pass_is_replaced_and_parts_are_judged_on(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    for number in range(1, 4):
        running.judge(number)
    running.publish_recorded(Part(EPOCH, 3))
    assert running.inspector is not None
    broken = sqlite3.DatabaseError("database disk image is malformed")

    class Broken:
        """A connection on a file that went bad."""

        def execute(self, *_: object) -> None:
            raise broken

        def close(self) -> None:
            """As ever."""

    running.inspector._ledger._connection.close()
    monkeypatch.setattr(running.inspector._ledger, "_connection", Broken())
    if at == "while a part is judged":
        running.deliver_captured(4)
    running.run_until("a new one", lambda: "ledger-damaged" in faults(running))
    running.publish_recorded(Part(EPOCH, 3))
    assert running.judge(6).verdict == "ok"
    fresh = [v for v in running.verdicts() if not v.replayed]
    assert [(v.part.part_number, v.verdict) for v in fresh][3:] == [
        (4, "missed"),
        (5, "missed"),
        (6, "ok"),
    ]


def test_an_empty_ledger_file_is_a_new_one(running: InferenceUnderTest) -> None:
    running.judge(1)
    running.publish_recorded(Part(EPOCH, 1))
    running.stop()
    for file in running.folder.glob("ledger.sqlite*"):
        file.write_bytes(b"") if file.suffix == ".sqlite" else file.unlink()
    running.exchange.published.clear()
    running.start(settled=Part(EPOCH, 1))
    assert running.judge(2).verdict == "ok"
    assert [v.part.part_number for v in running.verdicts()] == [2]


def test_holds_and_thresholds_are_written_down_again_in_a_new_ledger(tmp_path: Path) -> None:
    held = HoldRange(hold="7-12", first=None, last=Part(7, 12))
    thresholds = {
        "bottle": ProductThresholds(version="1", changes=1, labels={"dent": {"keep": 0.1}})
    }
    ledger = Ledger(tmp_path / "ledger.sqlite", 1000, lambda _: None)
    ledger.replace_damaged("the disk")
    ledger.state_store.store_again([held], thresholds)
    assert ledger.state_store.load_open_holds() == [held]
    assert ledger.state_store.load_thresholds() == thresholds
    ledger.close()


def test_a_hold_that_cannot_be_read_stays_open_and_can_be_acknowledged(tmp_path: Path) -> None:
    problems: list[str] = []
    ledger = Ledger(tmp_path / "ledger.sqlite", 1000, problems.append)
    connection = ledger._connection
    connection.execute("INSERT INTO holds (hold, message) VALUES ('7-12', x'00')")
    connection.execute("INSERT INTO thresholds VALUES ('bottle', x'00')")
    connection.execute("INSERT INTO answers (command_id, message) VALUES ('c-1', x'00')")
    [held] = ledger.state_store.load_open_holds()
    assert (held.hold, held.first, held.last) == ("7-12", None, Part(7, 12))
    assert ledger.state_store.load_thresholds() == {}
    assert ledger.state_store.find_reply("c-1") is None
    assert len(problems) == 3
    ledger.close()


def test_what_was_judged_reads_as_it_was_committed(ledger: Ledger) -> None:
    verdicts: list[PartJudged] = [verdict(1), verdict(2)]
    ledger.commit(verdicts)
    assert ledger.load_unsettled(10) == verdicts


def test_a_new_ledger_that_cannot_be_opened_is_opened_when_the_disk_takes_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.commit([verdict(1)])

    def refuse(*_: object) -> sqlite3.Connection:
        raise FatalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(verdict_ledger, "open_journal", refuse)
        with pytest.raises(FatalError):
            ledger.replace_damaged("it is malformed")
    with pytest.raises(LedgerDamagedError):  # so that it is replaced once more
        ledger.commit([verdict(2)])
    ledger.replace_damaged("it is closed")  # no error: its caller then writes the holds down again
    assert ledger.last_part is None
    ledger.commit([verdict(2)])
    assert [judged.part.part_number for judged in ledger.load_unsettled(10)] == [2]
