"""What the station reports when its disk is full or the cloud is away for long."""

from publisher.configuration import PublisherConfiguration, RecordsConfiguration
from publisher.recorder import BACKLOG, DISK, GAP, GREATEST_WAITING
from sightline.topics import GATE_ACTED, PART_JUDGED
from tests.unit.publisher.conftest import MakeDesk
from tests.unit.publisher.making import Desk, a_verdict, an_outcome


def test_parts_wait_while_the_disk_is_full_and_none_is_lost(desk: Desk) -> None:
    disk = desk.recorder._outbox._writer
    (pages,) = disk.execute("PRAGMA page_count").fetchone()
    disk.execute(f"PRAGMA max_page_count = {pages}")
    verdicts = [a_verdict(number, reason="long " * 200) for number in range(1, 11)]
    desk.say(PART_JUDGED, *verdicts)
    desk.say(GATE_ACTED, *(an_outcome(number) for number in range(1, 11)))
    assert DISK in desk.faults()
    assert 0 < desk.recorder.tick() <= 0.5
    disk.execute("PRAGMA max_page_count = 1000000")
    desk.pass_seconds(0.5)
    assert [record.partNumber for record in desk.records(10)] == list(range(1, 11))
    assert DISK not in desk.faults()


def test_more_parts_than_can_wait_are_left_to_the_ledger(desk: Desk) -> None:
    count = GREATEST_WAITING + 5
    desk.say(PART_JUDGED, *(a_verdict(number) for number in range(1, count + 1)))
    assert desk.counter("parts_deferred") == 5
    desk.pass_seconds(3)
    desk.say(PART_JUDGED, *(a_verdict(number, replayed=True) for number in range(996, count + 1)))
    desk.pass_seconds(1)
    assert desk.counter("records_committed") == count


def test_a_backlog_beyond_the_configured_is_a_fault_until_it_is_gone(make_desk: MakeDesk) -> None:
    records = RecordsConfiguration(rate_hz=0.1, greatest_backlog=1)
    desk = make_desk(configuration=PublisherConfiguration(station_folder="s", records=records))
    desk.say(PART_JUDGED, *(a_verdict(number) for number in range(1, 5)))
    desk.say(GATE_ACTED, *(an_outcome(number) for number in range(1, 5)))
    desk.records(1)
    desk.pass_seconds(1)
    assert BACKLOG in desk.faults()
    assert desk.health.report().gauges["outbox_depth"] >= 2


def test_closing_commits_what_is_ready_and_leaves_the_rest_to_the_replay(desk: Desk) -> None:
    desk.say(PART_JUDGED, a_verdict(1), a_verdict(2))
    desk.say(GATE_ACTED, an_outcome(1))
    desk.recorder.close()
    desk.start()
    assert desk.settled()[-1] == 1
    assert [record.partNumber for record in desk.records(1)] == [1]


def test_a_gap_that_nobody_closes_is_a_fault_until_it_is_closed(desk: Desk) -> None:
    desk.say(PART_JUDGED, a_verdict(1), a_verdict(3))
    desk.pass_seconds(14)
    assert GAP not in desk.faults()
    desk.pass_seconds(2)
    assert GAP in desk.faults()
    desk.say(PART_JUDGED, a_verdict(2, replayed=True))
    assert GAP not in desk.faults()
    desk.pass_seconds(16)
    assert GAP not in desk.faults()
    assert [record.partNumber for record in desk.records(3)] == [1, 2, 3]
