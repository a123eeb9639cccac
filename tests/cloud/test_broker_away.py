"""A broker that is away at the start, goes, and comes back: records sent after that arrive."""

from pathlib import Path

from tests.cloud.records import record
from tests.cloud.running import Broker, Sender, Site, ending, wait_for


def test_the_site_serves_without_a_broker_and_receives_once_it_is_there(tmp_path: Path) -> None:
    gone = Broker(tmp_path)
    gone.terminate()
    site = Site(tmp_path, gone.port)
    with ending(site):
        assert site.summary()["broker"]["connected"] is False
        wait_for(lambda: "the broker is away" in site.log())
        broker = Broker(tmp_path, gone.port)
        with ending(broker):
            site.wait_subscribed()
            sender = Sender(broker.port)
            sender.send(record(1))
            assert site.wait_received(1)["broker"]["connected"] is True
            sender.close()


def test_a_broker_that_restarts_and_forgets_the_session_is_subscribed_again(
    tmp_path: Path,
) -> None:
    first = Broker(tmp_path)
    with ending(first):
        site = Site(tmp_path, first.port)
        with ending(site):
            site.wait_subscribed()
            before = Sender(first.port)
            before.send(record(1))
            site.wait_received(1)
            first.kill()
            wait_for(lambda: site.summary()["broker"]["connected"] is False)
            second = Broker(tmp_path, first.port)
            with ending(second):
                site.wait_subscribed(times=2)
                after = Sender(second.port)
                after.send(record(2))
                assert site.wait_received(2)["records"]["duplicates"] == 0
                after.close()


def test_records_sent_while_the_site_is_down_wait_at_the_broker(
    tmp_path: Path, broker: Broker, site: Site, sender: Sender
) -> None:
    site.terminate()
    for number in range(1, 6):
        sender.send(record(number))
    again = Site(tmp_path, broker.port)
    with ending(again):
        again.wait_received(5)
        parts = again.get("/api/parts")["parts"]
        assert [part["partNumber"] for part in parts] == [5, 4, 3, 2, 1]


def test_records_that_a_restarted_broker_took_before_the_site_was_back_arrive(
    tmp_path: Path,
) -> None:
    broker = Broker(tmp_path)
    with ending(broker):
        sender = Sender(broker.port)
        for number in range(1, 4):
            sender.send(record(number))
        sender.close()
        site = Site(tmp_path, broker.port)
        with ending(site):
            site.wait_received(3)
            assert site.summary()["records"]["duplicates"] == 0
