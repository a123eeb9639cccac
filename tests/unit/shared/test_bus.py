"""What comes on the bus stands in one inbox, in order, decoded or refused."""

import threading
import time

import msgspec
import pytest

from sightline.errors import MessageError
from sightline.messaging.bus import Delivery, Inbox, RefusedMessage
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import CounterAnnounced, GateActed
from sightline.messaging.topics import COUNTER_ANNOUNCED, GATE_ACTED


def counter(number: int) -> CounterAnnounced:
    return CounterAnnounced(station_id="station-1", counter=number, counted_utc_ns=number)


def taken(inbox: Inbox) -> list[object]:
    events = []
    while (event := inbox.next_event(0)) is not None:
        events.append(event)
    return events


def test_events_come_out_in_the_order_in_which_they_came_in() -> None:
    inbox = Inbox()
    inbox.post("first")
    inbox.deliver(COUNTER_ANNOUNCED, msgspec.json.encode(counter(1)))
    inbox.deliver(COUNTER_ANNOUNCED, b"nothing of the kind")
    inbox.post("last")
    assert inbox.depth() == 4
    first, delivery, refused, last = taken(inbox)
    assert (first, last) == ("first", "last")
    assert isinstance(delivery, Delivery)
    assert delivery.message == counter(1)
    assert isinstance(refused, RefusedMessage)
    assert refused.stream is COUNTER_ANNOUNCED
    assert inbox.depth() == 0


def test_what_is_no_message_says_what_was_found() -> None:
    inbox = Inbox()
    inbox.deliver(GATE_ACTED, b'{"station_id":"s","part_number":1,"action":"flew"}')
    (refused,) = taken(inbox)
    assert isinstance(refused, RefusedMessage)
    assert isinstance(refused.error, MessageError)
    assert "flew" in str(refused.error)


def test_a_delivery_knows_when_it_was_received() -> None:
    inbox = Inbox()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    inbox.deliver(COUNTER_ANNOUNCED, msgspec.json.encode(counter(1)))
    (delivery,) = taken(inbox)
    assert isinstance(delivery, Delivery)
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert before <= delivery.received_monotonic_ns <= after


def test_an_empty_inbox_gives_none_and_a_waiting_taker_is_woken() -> None:
    inbox = Inbox()
    assert inbox.next_event(0) is None
    assert inbox.next_event(0.001) is None
    poster = threading.Timer(0.01, inbox.post, ["woken"])
    poster.start()
    assert inbox.next_event(30) == "woken"
    poster.join()


def test_each_thread_s_events_keep_their_order() -> None:
    inbox = Inbox()

    def post_many(name: str) -> None:
        for number in range(200):
            inbox.post((name, number))

    threads = [threading.Thread(target=post_many, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = taken(inbox)
    for name in ("left", "right"):
        assert [event for event in events if event[0] == name] == [  # type: ignore[index]
            (name, number) for number in range(200)
        ]


def test_a_memory_bus_brings_a_message_to_every_reader_and_no_one_else() -> None:
    exchange = MemoryExchange()
    inboxes = [Inbox(), Inbox(), Inbox()]
    sender, *readers = [MemoryBus(exchange, inbox) for inbox in inboxes]
    for reader in readers:
        reader.subscribe(COUNTER_ANNOUNCED)
    sender.publish(COUNTER_ANNOUNCED, counter(1))
    sender.publish(COUNTER_ANNOUNCED, counter(2))
    sender.publish(
        GATE_ACTED, GateActed(station_id="s", part_number=1, action="passed", acted_utc_ns=1)
    )
    assert inboxes[0].depth() == 0
    for inbox in inboxes[1:]:
        messages = [event.message for event in taken(inbox) if isinstance(event, Delivery)]
        assert messages == [counter(1), counter(2)]
    assert exchange.messages_on(COUNTER_ANNOUNCED) == [counter(1), counter(2)]


def test_a_memory_bus_refuses_what_the_real_one_refuses() -> None:
    bus = MemoryBus(MemoryExchange(), Inbox())
    large = msgspec.structs.replace(counter(1), station_id="s" * 10_000)
    with pytest.raises(MessageError, match="bytes"):
        bus.publish(COUNTER_ANNOUNCED, large)
    bus.close()
