"""A broker that is away at the start, goes, and comes back: records sent after that arrive."""

from pathlib import Path

from tests.cloud.example_records import record
from tests.cloud.site_processes import BrokerProcess, RecordPublisher, SiteProcess, ending, wait_for


def test_the_site_serves_without_a_broker_and_receives_once_it_is_there(tmp_path: Path) -> None:
    gone = BrokerProcess(tmp_path)
    gone.terminate()
    site = SiteProcess(tmp_path, gone.port)
    with ending(site):
        assert site.summary()["broker"]["connected"] is False
        wait_for(lambda: "cannot connect to the broker" in site.log())
        broker = BrokerProcess(tmp_path, gone.port)
        with ending(broker):
            site.wait_subscribed()
            sender = RecordPublisher(broker.port)
            sender.send(record(1))
            assert site.wait_received(1)["broker"]["connected"] is True
            sender.close()


def test_a_broker_that_restarts_and_forgets_the_session_is_subscribed_again(
    tmp_path: Path,
) -> None:
    first = BrokerProcess(tmp_path)
    with ending(first):
        site = SiteProcess(tmp_path, first.port)
        with ending(site):
            site.wait_subscribed()
            before = RecordPublisher(first.port)
            before.send(record(1))
            site.wait_received(1)
            first.kill()
            wait_for(lambda: site.summary()["broker"]["connected"] is False)
            second = BrokerProcess(tmp_path, first.port)
            with ending(second):
                site.wait_subscribed(times=2)
                after = RecordPublisher(second.port)
                after.send(record(2))
                assert site.wait_received(2)["records"]["duplicates"] == 0
                after.close()


def test_records_sent_while_the_site_is_down_wait_at_the_broker(
    tmp_path: Path, broker: BrokerProcess, site: SiteProcess, sender: RecordPublisher
) -> None:
    site.terminate()
    for number in range(1, 6):
        sender.send(record(number))
    again = SiteProcess(tmp_path, broker.port)
    with ending(again):
        again.wait_received(5)
        parts = again.get("/api/parts")["parts"]
        assert [part["partNumber"] for part in parts] == [5, 4, 3, 2, 1]


def test_records_that_a_restarted_broker_took_before_the_site_was_back_arrive(
    tmp_path: Path,
) -> None:
    broker = BrokerProcess(tmp_path)
    with ending(broker):
        sender = RecordPublisher(broker.port)
        for number in range(1, 4):
            sender.send(record(number))
        sender.close()
        site = SiteProcess(tmp_path, broker.port)
        with ending(site):
            site.wait_received(3)
            assert site.summary()["records"]["duplicates"] == 0
