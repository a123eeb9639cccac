"""What the cloud refuses, or never confirms, is kept, told in words, and blocks nothing."""

import sqlite3
from pathlib import Path

import pytest

from publisher.cloud_sender import CLOUD_AWAY_FAULT, REFUSED_FAULT, UNCONFIRMED_FAULT, RecordSender
from publisher.messages_in_flight import MessagesInFlight
from publisher.outbox import Outbox
from sightline.backoff import Backoff
from sightline.kernel.health import THREAD_FAULT, ComponentHealth
from sightline.messaging.bus import Inbox, NoNucleus
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import DeadLetter, InspectionRecord, Part
from sightline.messaging.topics import (
    GATE_ACTED,
    INSPECTION_RECORD,
    PART_JUDGED,
    PUBLISHER,
    MessageStream,
)
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import (
    EPOCH,
    STATION,
    PublisherUnderTest,
    StandingClock,
    StoringCloud,
    a_verdict,
    an_outcome,
    wait_until,
)
from tests.unit.publisher.test_outbox_and_sender import Sending, a_record


def ids(numbers: range) -> set[str]:
    return {f"{STATION}-{EPOCH}-{number}" for number in numbers}


def judge(desk: PublisherUnderTest, numbers: range) -> None:
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in numbers))
    desk.deliver(GATE_ACTED, *(an_outcome(number) for number in numbers))


def fault(health: ComponentHealth, code: str) -> str:
    return next((f.text for f in health.build_report().faults if f.code == code), "")


@pytest.mark.parametrize("refused", [1, 8, 200])
def test_what_the_cloud_refuses_lies_apart_with_its_reason_and_the_others_pass(
    make_desk: MakeDesk, refused: int
) -> None:
    cloud = StoringCloud()
    cloud.refuses = ids(range(1, refused + 1))
    desk = make_desk(exchange=cloud)
    judge(desk, range(1, refused + 101))
    wait_until(desk.all_are_stored)
    assert len(desk.sent()) == refused + 100
    first = f"{STATION}-{EPOCH}-1"
    wait_until(lambda: f"refuses {refused} records" in fault(desk.health, REFUSED_FAULT))
    assert f"first {first}: partNumber is -1; they are kept" in fault(desk.health, REFUSED_FAULT)
    assert desk.counter("records_refused") == refused
    assert CLOUD_AWAY_FAULT not in desk.faults()


def test_dead_letters_are_sent_once_more_at_each_start_and_leave_when_they_are_stored(
    make_desk: MakeDesk,
) -> None:
    cloud = StoringCloud()
    cloud.refuses = ids(range(1, 3))
    desk = make_desk(exchange=cloud)
    judge(desk, range(1, 4))
    wait_until(desk.all_are_stored)
    desk.kill()
    desk.start()
    wait_until(desk.all_are_stored)
    wait_until(lambda: "refuses 2 records" in fault(desk.health, REFUSED_FAULT))
    desk.kill()
    cloud.refuses = set()
    desk.start()
    wait_until(desk.all_are_stored)
    assert desk.recorder._outbox.summarise_dead_letters().count == 0
    assert REFUSED_FAULT not in desk.faults()
    assert {record.partNumber for record in desk.sent()} == {1, 2, 3}


def test_the_correction_of_a_dead_letter_waits_with_it(make_desk: MakeDesk) -> None:
    cloud = StoringCloud()
    cloud.refuses = ids(range(1, 2))
    desk = make_desk(exchange=cloud)
    desk.deliver(PART_JUDGED, a_verdict(1))
    desk.pass_seconds(3)
    wait_until(lambda: bool(desk.on(INSPECTION_RECORD)) and REFUSED_FAULT in desk.faults())
    desk.deliver(GATE_ACTED, an_outcome(1))
    judge(desk, range(2, 4))
    wait_until(lambda: len(desk.sent()) == 3)
    assert desk.corrections(0) == []
    desk.kill()
    cloud.refuses = set()
    desk.start()
    desk.corrections(1)
    wait_until(desk.all_are_stored)


def test_a_refusal_of_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    sending = Sending(tmp_path / "outbox.sqlite")
    sending.sender.start()
    sending.sender.note_refused([DeadLetter(record_id="station-9-1-1", reason="not ours")])
    sending.commit(1)
    wait_until(lambda: sending.outbox.depth == 0)
    assert sending.faults() == set()
    assert sending.sender.close()
    sending.outbox.close()


def test_eight_records_that_the_cloud_ignores_block_nothing_and_it_is_not_called_away(
    tmp_path: Path,
) -> None:
    sending = Sending(tmp_path / "outbox.sqlite", patience_s=0.05)
    sending.cloud.confirm = lambda record_ids: sending.sender.note_confirmed(
        [name for name in record_ids if int(name.rsplit("-", 1)[1]) > 8]
    )
    sending.commit(*range(1, 109))
    sending.sender.start()
    number = 108

    def all_wait_apart() -> bool:
        nonlocal number
        number += 1
        sending.commit(number)
        return (
            UNCONFIRMED_FAULT in sending.faults() and len(sending.sender._in_flight.slow_names) == 8
        )

    wait_until(all_wait_apart)
    wait_until(lambda: sending.outbox.depth == 8)
    text = fault(sending.health, UNCONFIRMED_FAULT)
    assert "are not confirmed though later ones are" in text
    wait_until(lambda: CLOUD_AWAY_FAULT not in sending.faults())
    assert sending.sender.close()
    sending.outbox.close()


def test_the_depth_is_a_count_also_after_a_restart_and_receipts_from_the_middle(
    tmp_path: Path,
) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = Outbox(path)
    outbox.commit([a_record(number) for number in range(1, 2001)], Part(EPOCH, 2000))
    first = outbox.load_oldest()
    assert first is not None
    for _ in range(1998):
        stored = outbox.load_oldest(first.sequence)
        assert stored is not None
        outbox.remove(stored)
    assert outbox.depth == 2
    outbox.close()
    outbox = Outbox(path)
    assert outbox.depth == 2
    outbox.close()


def test_an_outbox_of_an_earlier_version_is_sent_and_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE records (sequence INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL)"
        )
        old.execute("INSERT INTO records (payload) VALUES (x'7b')")
    old.close()
    outbox = Outbox(path)
    outbox.close()
    sending = Sending(path)
    sending.outbox._writer.execute("UPDATE records SET payload = x'ff00'")
    sending.commit(1)
    sending.sender.start()
    wait_until(lambda: sending.outbox.depth == 0)
    assert sending.sent() == [1]
    assert sending.sender.close()
    sending.outbox.close()


class Brittle(MemoryBus):
    """A bus whose first publishes fail with what nobody foresaw."""

    failures = 2

    def publish(self, stream: MessageStream, message: object) -> None:
        if stream is INSPECTION_RECORD and self.failures:
            self.failures -= 1
            raise RuntimeError("AWS_IO_SOCKET_CLOSED")
        super().publish(stream, message)  # type: ignore[arg-type]


def test_what_nobody_foresaw_does_not_end_the_sending_and_is_told(tmp_path: Path) -> None:
    outbox, exchange = Outbox(tmp_path / "outbox.sqlite"), MemoryExchange()
    outbox.commit([a_record(1)], Part(EPOCH, 1))
    health = ComponentHealth(PUBLISHER, "0", STATION, StandingClock())
    sender = RecordSender(Brittle(exchange, Inbox()), outbox, health, 1000.0)
    sender.start()
    wait_until(lambda: any(f.code.startswith(THREAD_FAULT) for f in health.build_report().faults))
    assert "AWS_IO_SOCKET_CLOSED" in health.build_report().faults[0].text
    wait_until(lambda: bool(exchange.messages_on(INSPECTION_RECORD)))
    assert sender.is_alive()
    sender.note_confirmed([a_record(1).recordId])
    wait_until(lambda: outbox.depth == 0)
    assert sender.close()
    outbox.close()


class Hating(MemoryBus):
    """A bus that fails with what nobody foresaw at one record, each time."""

    def publish(self, stream: MessageStream, message: object) -> None:
        if isinstance(message, InspectionRecord) and message.partNumber == 2:
            raise RuntimeError("cannot be sent")
        super().publish(stream, message)  # type: ignore[arg-type]


def test_a_record_that_the_bus_cannot_send_holds_up_no_others(make_desk: MakeDesk) -> None:
    desk = make_desk(bus_of=Hating)
    judge(desk, range(1, 6))
    assert {record.partNumber for record in desk.records(4)} == {1, 3, 4, 5}
    wait_until(lambda: desk.all_are_stored() or desk.recorder._outbox.depth == 1)
    assert any(code.startswith(THREAD_FAULT) for code in desk.faults())


class Renewing(NoNucleus):
    """A nucleus that counts how often its subscriptions at the cloud were bound anew."""

    renewed = 0

    def renew_cloud_subscriptions(self) -> None:
        self.renewed += 1


def test_a_silence_that_lasts_while_publishes_are_answered_binds_the_subscriptions_anew(
    tmp_path: Path,
) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    outbox.commit([a_record(number) for number in (1, 2)], Part(EPOCH, 2))
    health, nucleus = ComponentHealth(PUBLISHER, "0", STATION, StandingClock()), Renewing()
    bus, flight = MemoryBus(MemoryExchange(), Inbox()), MessagesInFlight(patience_s=0.02)
    sender = RecordSender(bus, outbox, health, 1000.0, Backoff(0.005, 0.01), flight, nucleus)
    sender.start()
    wait_until(lambda: nucleus.renewed >= 2)
    assert flight.silences >= 6
    assert CLOUD_AWAY_FAULT in {f.code for f in health.build_report().faults}
    assert sender.close()
    outbox.close()


def test_a_record_is_never_lost_by_a_letter_and_never_sent_under_another_name(
    desk: PublisherUnderTest,
) -> None:
    judge(desk, range(1, 6))
    for record in desk.records(5):
        assert isinstance(record, InspectionRecord)
        assert record.recordId == f"{STATION}-{EPOCH}-{record.partNumber}"
