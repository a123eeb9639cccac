"""Journals that are damaged are set aside and reported; the publisher lives, and no part is lost."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from publisher.command_gateway import AUDIT_DAMAGED_FAULT as AUDIT_DAMAGED
from publisher.component import OUTBOX_DAMAGED_FAULT
from publisher.outbox import Outbox, OutboxError
from publisher.outbox_salvage import open_outbox, read_damaged_outbox
from sightline.errors import CloudUnreachableError, RestartNeededError
from sightline.messaging.bus import Delivery, NoNucleus
from sightline.messaging.codec import encode
from sightline.messaging.memory_bus import MemoryBus
from sightline.messaging.messages import Part
from sightline.messaging.topics import (
    COMMAND,
    GATE_ACTED,
    INSPECTION_RECORD,
    PART_JUDGED,
    MessageStream,
)
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    SECOND_NS,
    PublisherUnderTest,
    a_verdict,
    an_outcome,
    wait_until,
)
from tests.unit.publisher.test_command_authorisation import PAUSE
from tests.unit.publisher.test_command_gateway import CONFIGURATION, mode
from tests.unit.publisher.test_outbox_and_sender import a_record

Damage = Callable[[Path], None]
OUTBOX_OF_BEFORE = """
CREATE TABLE records (sequence INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL);
CREATE TABLE settled (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, part_number INTEGER NOT NULL
);
"""


def garble(start: float, length: int) -> Damage:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        place = int(start * len(content))
        content[place : place + length] = b"\xa5" * length
        path.write_bytes(content)

    return damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Damage] = {
    "head": garble(0.0, 100),
    "middle": garble(0.3, 9000),
    "end": garble(0.8, 9000),
    "cut": cut,
    "empty": empty,
    "folder": folder,
}


class CloudAway(MemoryBus):
    """A bus whose cloud takes no record."""

    def publish(self, stream: MessageStream, message: object) -> None:
        if stream is INSPECTION_RECORD:
            raise CloudUnreachableError("no answer")
        super().publish(stream, message)  # type: ignore[arg-type]


def damaged(desk: PublisherUnderTest, name: str, damage: Damage) -> None:
    """End the publisher, damage a file of it, and start it again."""
    desk.kill()
    path = desk.folder / name
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    damage(path)
    desk.start()


@pytest.mark.parametrize("kind", DAMAGES)
def test_the_publisher_lives_with_a_damaged_outbox_and_loses_no_unsettled_part(
    make_desk: MakeDesk, kind: str
) -> None:
    desk = make_desk(bus_of=CloudAway)
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in range(1, 41)))
    desk.deliver(GATE_ACTED, *(an_outcome(number) for number in range(1, 41)))
    desk.bus_of = MemoryBus
    damaged(desk, "outbox.sqlite", DAMAGES[kind])
    if kind != "empty":
        assert OUTBOX_DAMAGED_FAULT in desk.faults()
        assert list(desk.folder.glob("outbox.sqlite.damaged-*"))
    for _ in range(3):  # inference tells again what is not settled, until it is
        for number in range(41, 44):
            judged = a_verdict(number, replayed=True)
            desk.recorder.handle(Delivery(PART_JUDGED, judged, desk.clock.monotonic_ns()))
        desk.pass_seconds(2)
    desk.deliver(PART_JUDGED, a_verdict(44))
    desk.pass_seconds(3)
    wait_until(desk.all_are_stored)
    assert [r.partNumber for r in desk.sent() if r.partNumber > 40] == [41, 42, 43, 44]
    assert desk.recorded_numbers()[-1] == 44


def test_what_can_be_read_of_a_damaged_outbox_is_sent_and_the_position_goes_on(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk(bus_of=CloudAway)
    numbers = range(1, 201)
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in numbers))
    desk.deliver(GATE_ACTED, *(an_outcome(number) for number in numbers))
    desk.bus_of = MemoryBus
    damaged(desk, "outbox.sqlite", garble(0.5, 5000))
    text = next(f.text for f in desk.health.build_report().faults if f.code == OUTBOX_DAMAGED_FAULT)
    assert "is kept as outbox.sqlite.damaged-" in text
    assert "messages to the cloud were read from it and are sent" in text
    wait_until(desk.all_are_stored)
    sent = desk.sent()
    assert len(sent) > 100
    assert all(record.gate == "passed" for record in sent)
    assert desk.recorder._settled_part == Part(EPOCH, 200)


def test_a_damaged_outbox_of_a_version_that_knew_records_only_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    records = [a_record(number) for number in range(1, 101)]
    with sqlite3.connect(path) as connection:
        connection.executescript(OUTBOX_OF_BEFORE)
        rows = [(encode(record),) for record in records]
        connection.executemany("INSERT INTO records (payload) VALUES (?)", rows)
        connection.execute("INSERT INTO settled VALUES (1, ?, 100)", (EPOCH,))
    connection.close()
    garble(0.5, 5000)(path)
    outbox = open_outbox(path, lambda text: None)
    assert outbox.load_settled_part() == Part(EPOCH, 100)
    assert outbox.depth > 50
    stored = outbox.load_oldest()
    assert stored is not None
    assert (stored.payload, stored.name) == (encode(records[0]), records[0].recordId)
    outbox.close()


def test_dead_letters_of_a_damaged_outbox_are_sent_once_more_too(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = Outbox(path)
    records = [a_record(number) for number in range(1, 201)]
    outbox.commit(records, Part(EPOCH, 200))
    outbox.move_to_dead_letters(records[0].recordId, "partNumber is -1", 1)
    outbox.close()
    garble(0.5, 5000)(path)
    outbox = open_outbox(path, lambda text: None)
    waiting = outbox._reader.execute("SELECT name FROM records").fetchall()
    assert (records[0].recordId,) in waiting
    assert outbox.summarise_dead_letters().count == 0
    outbox.close()


def test_a_damaged_outbox_that_a_full_disk_kept_from_being_saved_is_read_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = Outbox(path)
    outbox.commit([a_record(number) for number in range(1, 201)], Part(EPOCH, 200))
    outbox.close()
    garble(0.5, 5000)(path)

    def full(*_: object) -> int:
        raise OutboxError("database or disk is full")

    reports: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "append_salvaged", full)
        with pytest.raises(OutboxError):
            open_outbox(path, reports.append)
    outbox = open_outbox(path, reports.append)
    saved = outbox.depth
    assert saved > 100
    assert outbox.load_settled_part() == Part(EPOCH, 200)
    assert f"{saved} messages to the cloud were read from it" in reports[0]
    outbox.commit([a_record(201)], Part(EPOCH, 201))
    outbox.close()
    outbox = open_outbox(path, reports.append)  # once is enough
    assert (outbox.depth, outbox.load_settled_part(), len(reports)) == (
        saved + 1,
        Part(EPOCH, 201),
        1,
    )
    outbox.close()


def test_damage_that_shows_while_it_works_makes_a_new_process_set_the_file_aside(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in range(1, 41)))
    desk.deliver(GATE_ACTED, *(an_outcome(number) for number in range(1, 41)))
    with pytest.raises(OutboxError), desk.recorder._outbox._disk.translate_errors():
        raise sqlite3.DatabaseError("database disk image is malformed")
    with pytest.raises(RestartNeededError, match=r"outbox\.sqlite is damaged"):
        desk.recorder.tick()
    assert (desk.folder / "outbox.sqlite.suspect").exists()
    desk.recorder._outbox._disk.damage = ""


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize(
    ("before", "after"),
    [("pause", "paused"), ("maintenance", "maintenance"), ("bypass", "production")],
)
def test_a_damaged_audit_trail_lets_no_part_pass_that_did_not_before(
    make_desk: MakeDesk, kind: str, before: str, after: str
) -> None:
    desk = make_desk(configuration=CONFIGURATION)
    desk.deliver(COMMAND, replace(PAUSE, kind=before))
    damaged(desk, "commands.sqlite", DAMAGES[kind])
    assert mode(desk).mode == after
    assert (AUDIT_DAMAGED in desk.faults()) == (kind != "empty")
    desk.deliver(COMMAND, replace(PAUSE, command_id="c-9"))
    assert mode(desk).mode == "paused"
    desk.kill()
    desk.start()
    assert mode(desk).mode == "paused"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"open", b"bypass"])
def test_a_damaged_mode_beside_a_lost_trail_is_production(
    make_desk: MakeDesk, content: bytes
) -> None:
    desk = make_desk(configuration=CONFIGURATION)
    desk.kill()
    (desk.folder / "commands.sqlite").unlink()
    (desk.folder / "mode.txt").write_bytes(content)
    desk.start()
    assert mode(desk).mode == "production"


def test_a_settled_row_that_is_no_position_is_none(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    outbox.commit([a_record(1)], Part(EPOCH, 1))
    outbox._writer.execute("UPDATE settled SET part_number = 'x'")
    assert outbox.load_settled_part() is None
    outbox.close()
    assert read_damaged_outbox(tmp_path / "outbox.sqlite")[1] == Part(EPOCH, 1)
    assert read_damaged_outbox(tmp_path / "nothing") == ([], None)


def test_values_that_a_database_has_no_room_for_are_errors_of_the_outbox(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    for part in (Part(2**63, 1), Part(1, 2**70), Part(-(2**64), 0)):
        with pytest.raises(OutboxError):
            outbox.find_verdicts({part})
        with pytest.raises(OutboxError):
            outbox.commit([], part)
    outbox._writer.execute("INSERT INTO verdicts (epoch, part_number, verdict) VALUES (1, 1, 'x')")
    assert outbox.find_verdicts({Part(1, 1)}) == {}
    outbox.close()


def test_a_publisher_that_is_not_the_only_one_leaves_before_it_sets_the_position_back(
    tmp_path: Path,
) -> None:
    first = Outbox(tmp_path / "outbox.sqlite")
    second = Outbox(tmp_path / "outbox.sqlite")
    second.commit([a_record(number) for number in range(1, 9)], Part(EPOCH, 8))
    with pytest.raises(RestartNeededError, match="another publisher uses it"):
        first.commit([a_record(5)], Part(EPOCH, 5))
    assert first.load_settled_part() == Part(EPOCH, 8)
    first.commit([a_record(8)], Part(EPOCH, 8))  # as after an answer of the disk that was lost
    assert first.depth == 0
    first.close()
    second.close()


def test_unreadable_commands_block_none_behind_them(make_desk: MakeDesk) -> None:
    desk = make_desk(configuration=CONFIGURATION, nucleus=NoNucleus())
    desk.deliver(COMMAND, PAUSE)
    audit = desk.recorder._commands._audit._writer
    audit.execute("UPDATE commands SET command = '{', announced = 0, told = 0")
    audit.execute("UPDATE modes SET mode = 'ajar'")
    desk.kill()
    desk.start()
    desk.deliver(
        COMMAND, replace(PAUSE, command_id="c-2", issued_utc_ns=PAUSE.issued_utc_ns + SECOND_NS)
    )
    assert mode(desk).mode == "paused"
    wait_until(lambda: desk.counter("command_outcomes_sent") == 1)
