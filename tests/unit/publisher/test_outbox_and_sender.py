"""What the outbox keeps, and how records leave it."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from publisher.cloud_sender import CLOUD_AWAY_FAULT, UNREADABLE_FAULT, RecordSender
from publisher.inspection_record import RecordOrigin, build_record
from publisher.messages_in_flight import MessagesInFlight
from publisher.outbox import Outbox, OutboxError
from sightline.backoff import Backoff
from sightline.errors import CloudUnreachableError, FatalError, NucleusGoneError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Inbox
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import InspectionRecord, Part
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
    StandingClock,
    a_verdict,
    an_outcome,
    wait_until,
)

PLACE = RecordOrigin("site", "line-1", "belt_speed", frozenset())


def a_record(number: int) -> InspectionRecord:
    return build_record(a_verdict(number), "passed", None, PLACE, 0)


def numbers(records: list[msgspec.Struct]) -> list[int]:
    return [record.partNumber for record in records if isinstance(record, InspectionRecord)]


class FlakyCloud(MemoryBus):
    """A bus whose cloud is away on demand, refuses the given attempts, and loses others unseen.

    What reaches it is stored, and it says so.
    """

    def __init__(self, exchange: MemoryExchange, inbox: Inbox) -> None:
        super().__init__(exchange, inbox)
        self.away = False
        self.refused_attempts: set[int] = set()
        self.lost_attempts: set[int] = set()
        self.gone = False
        self.attempts = 0
        self.confirm: Callable[[Sequence[str]], None] = lambda record_ids: None

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        if stream is INSPECTION_RECORD:
            self.attempts += 1
            if self.gone:
                raise NucleusGoneError("closed")
            if self.away or self.attempts in self.refused_attempts:
                raise CloudUnreachableError("no answer")
            if self.attempts in self.lost_attempts:
                return  # the nucleus spooled it, and ended
        super().publish(stream, message)
        if isinstance(message, InspectionRecord):
            self.confirm([message.recordId])


class Sending:
    """An outbox with a sender behind it."""

    def __init__(self, path: Path, rate_hz: float = 1000.0, patience_s: float = 30.0) -> None:
        self.exchange = MemoryExchange()
        self.cloud = FlakyCloud(self.exchange, Inbox())
        self.outbox = Outbox(path)
        self.health = ComponentHealth(PUBLISHER, "0", STATION, StandingClock())
        flight = MessagesInFlight(patience_s=patience_s)
        backoff = Backoff(0.005, 0.02)
        self.sender = RecordSender(self.cloud, self.outbox, self.health, rate_hz, backoff, flight)
        self.cloud.confirm = self.sender.note_confirmed

    def commit(self, *part_numbers: int) -> None:
        records = [a_record(number) for number in part_numbers]
        self.outbox.commit(records, Part(EPOCH, part_numbers[-1]))
        self.sender.wake()

    def sent(self) -> list[int]:
        return numbers(self.exchange.messages_on(INSPECTION_RECORD))

    def faults(self) -> set[str]:
        return {fault.code for fault in self.health.build_report().faults}


def test_a_record_committed_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from publisher.outbox import Outbox
from sightline.messaging.messages import Part
from tests.unit.publisher.test_outbox_and_sender import a_record
from tests.unit.publisher.publisher_kit import EPOCH
outbox = Outbox(Path(sys.argv[1]))
outbox.commit([a_record(1), a_record(2)], Part(EPOCH, 2))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "outbox.sqlite"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, check=False, timeout=60
    )
    assert ended.returncode == -9
    sending = Sending(path)
    assert sending.outbox.load_settled_part() == Part(EPOCH, 2)
    assert sending.outbox.depth == 2
    sending.sender.start()
    wait_until(lambda: sending.sent() == [1, 2])
    assert sending.sender.close()
    sending.outbox.close()


def test_a_station_restarted_while_the_cloud_is_away_sends_what_it_had(
    make_desk: MakeDesk,
) -> None:
    class CloudAway(MemoryBus):
        def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
            if stream is INSPECTION_RECORD:
                raise CloudUnreachableError("no answer")
            super().publish(stream, message)

    desk = make_desk(bus_of=CloudAway)
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(2))
    desk.deliver(GATE_ACTED, an_outcome(1), an_outcome(2))
    wait_until(lambda: CLOUD_AWAY_FAULT in desk.faults())
    desk.kill()
    assert desk.sent() == []
    desk.bus_of = MemoryBus
    desk.start()
    assert numbers(list(desk.records(2))) == [1, 2]


def test_records_keep_their_order_while_the_cloud_comes_and_goes(tmp_path: Path) -> None:
    sending = Sending(tmp_path / "outbox.sqlite")
    sending.cloud.refused_attempts = {1, 2, 5, 9, 10, 11, 20}
    sending.sender.start()
    for number in range(1, 31):
        sending.commit(number)
    wait_until(lambda: len(sending.sent()) >= 30)
    wait_until(lambda: sending.outbox.depth == 0)
    assert sending.sent() == list(range(1, 31))
    assert sending.health.build_report().counters["records_sent"] == 30
    assert sending.faults() == set()
    assert sending.sender.close()
    sending.outbox.close()


def test_a_record_stays_in_the_outbox_until_the_cloud_accepted_it(tmp_path: Path) -> None:
    sending = Sending(tmp_path / "outbox.sqlite")
    sending.cloud.away = True
    sending.sender.start()
    sending.commit(1)
    wait_until(lambda: sending.cloud.attempts >= 3)
    assert CLOUD_AWAY_FAULT in sending.faults()
    assert sending.outbox.depth == 1
    sending.cloud.away = False
    wait_until(lambda: sending.outbox.depth == 0)
    assert sending.sent() == [1]
    wait_until(lambda: CLOUD_AWAY_FAULT not in sending.faults())
    assert sending.sender.close()
    sending.outbox.close()


def test_records_that_the_nucleus_took_and_lost_are_sent_again_in_their_order(
    tmp_path: Path,
) -> None:
    sending = Sending(tmp_path / "outbox.sqlite", patience_s=0.05)
    sending.cloud.lost_attempts = {3, 4, 5, 6}
    sending.commit(*range(1, 7))
    sending.sender.start()
    wait_until(lambda: sending.outbox.depth == 0)
    assert list(dict.fromkeys(sending.sent())) == list(range(1, 7))
    assert sending.health.build_report().counters["records_sent"] == 6
    wait_until(lambda: CLOUD_AWAY_FAULT not in sending.faults())
    assert sending.sender.close()
    sending.outbox.close()


def test_a_record_that_the_cloud_does_not_confirm_stays_and_the_fault_says_so(
    tmp_path: Path,
) -> None:
    sending = Sending(tmp_path / "outbox.sqlite", patience_s=0.05)
    sending.cloud.confirm = lambda record_ids: None
    sending.commit(1)
    sending.sender.start()
    wait_until(lambda: CLOUD_AWAY_FAULT in sending.faults())
    assert sending.outbox.depth == 1
    assert sending.health.build_report().counters.get("records_sent", 0) == 0
    sending.sender.note_confirmed([a_record(1).recordId])
    wait_until(lambda: sending.outbox.depth == 0)
    wait_until(lambda: CLOUD_AWAY_FAULT not in sending.faults())
    assert sending.sender.close()
    sending.outbox.close()


def test_no_more_records_leave_in_a_second_than_configured(tmp_path: Path) -> None:
    sending = Sending(tmp_path / "outbox.sqlite", rate_hz=50.0)
    sending.commit(*range(1, 11))
    began_s = time.monotonic()
    sending.sender.start()
    wait_until(lambda: sending.outbox.depth == 0)
    assert time.monotonic() - began_s >= 9 / 50
    assert sending.sender.close()
    sending.outbox.close()


def test_a_record_that_cannot_be_read_is_kept_aside_and_the_others_pass(tmp_path: Path) -> None:
    sending = Sending(tmp_path / "outbox.sqlite")
    sending.commit(1, 2, 3)
    with sqlite3.connect(tmp_path / "outbox.sqlite") as other:
        other.execute("UPDATE records SET payload = x'7b' WHERE sequence = 2")
    other.close()
    sending.sender.start()
    wait_until(lambda: sending.outbox.depth == 0)
    assert sending.sent() == [1, 3]
    assert UNREADABLE_FAULT in sending.faults()
    assert sending.sender.close()
    sending.outbox.close()


def test_the_sender_ends_when_the_nucleus_goes(tmp_path: Path) -> None:
    sending = Sending(tmp_path / "outbox.sqlite")
    sending.cloud.gone = True
    sending.commit(1)
    sending.sender.start()
    sending.sender.join(20.0)
    assert not sending.sender.is_alive()
    assert sending.outbox.depth == 1
    sending.outbox.close()


def test_a_commit_that_fails_changes_neither_records_nor_position(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    outbox.commit([a_record(1)], Part(EPOCH, 1))
    outbox._writer.execute("PRAGMA max_page_count = 1")
    with pytest.raises(OutboxError, match="disk"):
        outbox.commit([a_record(number) for number in range(2, 40)], Part(EPOCH, 39))
    assert outbox.load_settled_part() == Part(EPOCH, 1)
    assert outbox.depth == 1
    outbox.close()


def test_a_reopened_outbox_knows_how_many_records_wait(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    assert outbox.depth == 0
    outbox.commit([a_record(number) for number in range(1, 6)], Part(EPOCH, 5))
    for _ in range(2):
        oldest = outbox.load_oldest()
        assert oldest is not None
        outbox.remove(oldest)
    outbox.close()
    reopened = Outbox(tmp_path / "outbox.sqlite")
    assert reopened.depth == 3
    reopened.close()


def test_a_file_that_is_no_outbox_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(b"not a database, however long it is" * 100)
    with pytest.raises(FatalError, match="not a usable journal"):
        Outbox(tmp_path / "outbox.sqlite")


def test_records_are_committed_while_others_are_sent(tmp_path: Path) -> None:
    sending = Sending(tmp_path / "outbox.sqlite")
    sending.sender.start()

    def commit_a_hundred() -> None:
        for number in range(1, 101):
            sending.commit(number)

    committing = threading.Thread(target=commit_a_hundred)
    committing.start()
    wait_until(lambda: len(sending.sent()) >= 100)
    committing.join()
    assert sending.sent() == list(range(1, 101))
    assert sending.sender.close()
    sending.outbox.close()
