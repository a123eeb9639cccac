"""What the station reports when its disk is full or the cloud is away for long."""

import pytest

from publisher.component import BACKLOG_FAULT, GAP_FAULT, MAX_UNCOMMITTED_PARTS, OUTBOX_WRITE_FAULT
from publisher.configuration import PublisherConfiguration, RecordsConfiguration
from publisher.outbox import OutboxError
from sightline.errors import RestartNeededError
from sightline.messaging.topics import GATE_ACTED, PART_JUDGED
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.publisher_kit import PublisherUnderTest, a_verdict, an_outcome


def test_parts_wait_while_the_disk_is_full_and_none_is_lost(desk: PublisherUnderTest) -> None:
    disk = desk.recorder._outbox._writer
    (pages,) = disk.execute("PRAGMA page_count").fetchone()
    disk.execute(f"PRAGMA max_page_count = {pages}")
    verdicts = [a_verdict(number, reason="long " * 200) for number in range(1, 11)]
    desk.deliver(PART_JUDGED, *verdicts)
    desk.deliver(GATE_ACTED, *(an_outcome(number) for number in range(1, 11)))
    assert OUTBOX_WRITE_FAULT in desk.faults()
    assert 0 < desk.recorder.tick() <= 0.5
    disk.execute("PRAGMA max_page_count = 1000000")
    desk.pass_seconds(0.5)
    assert [record.partNumber for record in desk.records(10)] == list(range(1, 11))
    assert OUTBOX_WRITE_FAULT not in desk.faults()


def test_a_commit_that_the_disk_refuses_is_tried_again_after_half_a_second(
    desk: PublisherUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OutboxError("the disk is full")

    desk.deliver(PART_JUDGED, a_verdict(1))
    monkeypatch.setattr(desk.recorder._outbox, "commit", refuse)
    desk.clock.pass_seconds(2.2)  # the timers are due in 0.8 s again
    assert 0 < desk.recorder.tick() <= 0.5
    assert OUTBOX_WRITE_FAULT in desk.faults()


def test_a_commit_that_shows_damage_ends_the_process_at_once(
    desk: PublisherUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        desk.recorder._outbox._disk.damage = "outbox.sqlite is damaged"
        raise OutboxError("the outbox is malformed")

    desk.deliver(PART_JUDGED, a_verdict(1))
    monkeypatch.setattr(desk.recorder._outbox, "commit", refuse)
    desk.clock.pass_seconds(2.2)
    with pytest.raises(RestartNeededError):
        desk.recorder.tick()
    monkeypatch.undo()
    desk.recorder._outbox._disk.damage = ""


def test_more_parts_than_can_wait_are_left_to_the_ledger(desk: PublisherUnderTest) -> None:
    count = MAX_UNCOMMITTED_PARTS + 5
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in range(1, count + 1)))
    assert desk.counter("parts_deferred") == 5
    desk.pass_seconds(3)
    desk.deliver(
        PART_JUDGED, *(a_verdict(number, replayed=True) for number in range(996, count + 1))
    )
    desk.pass_seconds(1)
    assert desk.counter("records_committed") == count


def test_a_backlog_beyond_the_configured_is_a_fault_until_it_is_gone(make_desk: MakeDesk) -> None:
    records = RecordsConfiguration(rate_hz=0.1, max_backlog=1)
    desk = make_desk(configuration=PublisherConfiguration(station_folder="s", records=records))
    desk.deliver(PART_JUDGED, *(a_verdict(number) for number in range(1, 5)))
    desk.deliver(GATE_ACTED, *(an_outcome(number) for number in range(1, 5)))
    desk.records(1)
    desk.pass_seconds(1)
    assert BACKLOG_FAULT in desk.faults()
    assert desk.health.build_report().gauges["outbox_depth"] >= 2


def test_closing_commits_what_is_ready_and_leaves_the_rest_to_the_replay(
    desk: PublisherUnderTest,
) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(2))
    desk.deliver(GATE_ACTED, an_outcome(1))
    desk.recorder.close()
    desk.start()
    assert desk.recorded_numbers()[-1] == 1
    assert [record.partNumber for record in desk.records(1)] == [1]


def test_a_gap_that_nobody_closes_is_a_fault_until_it_is_closed(desk: PublisherUnderTest) -> None:
    desk.deliver(PART_JUDGED, a_verdict(1), a_verdict(3))
    desk.pass_seconds(14)
    assert GAP_FAULT not in desk.faults()
    desk.pass_seconds(2)
    assert GAP_FAULT in desk.faults()
    desk.deliver(PART_JUDGED, a_verdict(2, replayed=True))
    assert GAP_FAULT not in desk.faults()
    desk.pass_seconds(16)
    assert GAP_FAULT not in desk.faults()
    assert [record.partNumber for record in desk.records(3)] == [1, 2, 3]
