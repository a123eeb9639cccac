"""A store that refuses for a while loses no record, and tells meanwhile."""

import threading
from collections.abc import Callable

from cloud.live.site_summary import SiteSummary
from cloud.message_intake import MessageIntake
from cloud.store.record_store import PartsPage, PartsQuery
from cloud.store.stored_messages import CommitResult, MessageBatch
from sightline.errors import RetryableError
from sightline.messaging.codec import encode
from tests.cloud.example_records import record

TOPIC = "sightline/station-1/records"


class FullDisk:
    """Refuses to store until it is given room."""

    def __init__(self) -> None:
        self.room = threading.Event()
        self.refused = threading.Event()
        self.kept: list[int] = []

    def commit(self, batch: MessageBatch) -> CommitResult:
        if not self.room.is_set():
            self.refused.set()
            raise RetryableError("no space left on the disk")
        self.kept += [stored.record.partNumber for stored in batch.records]
        return CommitResult(tuple(batch.records), 0)

    def load_parts(self, query: PartsQuery) -> PartsPage:
        raise NotImplementedError

    def load_part(self, record_id: str, thing: str | None = None) -> str | None:
        raise NotImplementedError


def started(store: FullDisk) -> MessageIntake:
    intake = MessageIntake(store, SiteSummary(), retry_s=0.01)
    intake.start()
    return intake


def wait_until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    waiting = threading.Event()
    for _ in range(int(timeout_s / 0.01)):
        if true():
            return
        waiting.wait(0.01)
    raise AssertionError("did not come true")


def test_records_wait_while_the_store_refuses_and_go_in_afterwards_in_order() -> None:
    store = FullDisk()
    intake = started(store)
    for number in range(1, 6):
        intake.deliver(TOPIC, encode(record(number)))
    assert store.refused.wait(20)
    wait_until(lambda: "no space left" in intake.fault)
    store.room.set()
    wait_until(lambda: len(store.kept) == 5)
    assert store.kept == [1, 2, 3, 4, 5]
    wait_until(lambda: intake.fault == "")
    intake.close(10)


def test_closing_commits_what_waits() -> None:
    store = FullDisk()
    store.room.set()
    intake = started(store)
    for number in range(1, 1201):
        intake.deliver(TOPIC, encode(record(number)))
    intake.close(20)
    assert store.kept == list(range(1, 1201))


def test_closing_does_not_wait_for_a_store_that_refuses() -> None:
    store = FullDisk()
    intake = started(store)
    intake.deliver(TOPIC, encode(record(1)))
    assert store.refused.wait(20)
    intake.close(20)
    assert not intake.is_alive()


class Breaking(FullDisk):
    """Fails in a way that nobody thought of."""

    def commit(self, batch: MessageBatch) -> CommitResult:
        raise LookupError("what is this?")


def test_a_site_that_can_store_nothing_says_why_tries_on_and_refuses_nobody() -> None:
    store, told = Breaking(), list[MessageBatch]()
    intake = MessageIntake(store, SiteSummary(), retry_s=0.01, publish_receipts=told.append)
    intake.start()
    assert intake.fault == ""
    intake.deliver(TOPIC, encode(record(1)))
    wait_until(lambda: "what is this?" in intake.fault)
    assert intake.is_alive()
    assert told == []
    intake.close(20)
