"""How many records are under way at once, and what is sent again when nothing is confirmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from publisher.messages_in_flight import (
    MAX_AFTER_SILENCE,
    MAX_ROUNDS,
    SLOW_AGAIN_S,
    MessagesInFlight,
)
from publisher.outbox import QueuedMessage

GREATEST_LOSSES = 10


def fly(flight: MessagesInFlight, queue: dict[str, QueuedMessage], now_s: float) -> list[str]:
    """Send what may be sent, as the sender does; the ids, in order."""
    sent: list[str] = []
    flight.return_overtaken(now_s)
    while (name := _next(flight, queue, now_s)) is not None:
        flight.mark_sent(name, queue[name].sequence, now_s)
        sent.append(name)
    return sent


def _next(flight: MessagesInFlight, queue: dict[str, QueuedMessage], now_s: float) -> str | None:
    slow = flight.find_next_slow(now_s)
    if slow is not None:
        return slow.name
    if not flight.has_room():
        return None
    new = [name for name, s in queue.items() if s.sequence > flight.sent_up_to]
    if new and flight.sends_new_first():
        return new[0]
    returned = flight.find_next_returned()
    return returned.name if returned is not None else new[0] if new else None


def a_queue(count: int) -> dict[str, QueuedMessage]:
    return {f"part-{number}": QueuedMessage(number, b"") for number in range(1, count + 1)}


def test_no_more_are_under_way_than_allowed() -> None:
    flight, queue = MessagesInFlight(max_in_flight=3), a_queue(5)
    assert fly(flight, queue, 0.0) == ["part-1", "part-2", "part-3"]
    flight.confirm("part-2", 0.1)
    del queue["part-2"]
    assert fly(flight, queue, 0.2) == ["part-4"]


def test_after_a_silence_one_goes_out_until_one_is_confirmed() -> None:
    flight, queue = MessagesInFlight(max_in_flight=4, patience_s=1.0), a_queue(3)
    fly(flight, queue, 0.0)
    assert not flight.is_silent(0.9)
    assert flight.is_silent(1.1)
    flight.return_all(1.1)
    assert not flight.is_silent(1.2)
    assert fly(flight, queue, 1.2) == ["part-1"]
    assert fly(flight, queue, 1.3) == []
    flight.confirm("part-1", 1.4)
    del queue["part-1"]
    assert fly(flight, queue, 1.5) == ["part-2", "part-3"]


def test_a_record_that_the_cloud_never_takes_holds_the_others_up_for_a_while_only() -> None:
    flight, queue = MessagesInFlight(max_in_flight=3, patience_s=1.0), a_queue(4)
    assert fly(flight, queue, 0.0) == ["part-1", "part-2", "part-3"]
    flight.return_all(2.0)
    assert fly(flight, queue, 2.0) == ["part-4"]
    flight.confirm("part-4", 2.1)
    del queue["part-4"]
    assert fly(flight, queue, 2.2) == ["part-1"]  # what is overtaken has half of the room
    assert not flight.is_silent(100.0)
    queue["part-5"] = QueuedMessage(5, b"")
    flight.confirm("part-1", 2.3)
    del queue["part-1"]
    assert fly(flight, queue, 2.4) == ["part-2", "part-5"]


@pytest.mark.parametrize("refused", [1, 8, 1000])
def test_records_without_a_word_of_the_cloud_wait_apart_and_go_again_slowly(refused: int) -> None:
    flight, queue, now_s = MessagesInFlight(patience_s=1.0), a_queue(refused + 100), 0.0
    apart = {name for name, stored in queue.items() if stored.sequence <= refused}
    rounds = 0
    while set(flight.slow_names) != apart:
        rounds += 1
        if queue.keys() == apart:  # the line goes on, else nothing would overtake them
            queue[f"part-{rounds + 2000}"] = QueuedMessage(rounds + 2000, b"")
        assert rounds < 10 * (refused + 10)
        for name in fly(flight, queue, now_s):
            if name not in apart:
                flight.confirm(name, now_s)
                del queue[name]
        now_s += 1.1
        if flight.is_silent(now_s):
            flight.return_all(now_s)
    assert len(queue) <= refused + 1
    now_s += SLOW_AGAIN_S
    first = fly(flight, queue, now_s)
    assert len(first) == 1
    assert fly(flight, queue, now_s + 0.5) == []
    flight.confirm(first[0], now_s)
    assert len(flight.slow_names) == refused - 1


def test_what_was_lost_on_its_way_goes_again_while_others_are_confirmed() -> None:
    flight, queue = MessagesInFlight(patience_s=1.0), a_queue(3)
    fly(flight, queue, 0.0)
    flight.confirm("part-2", 0.1)
    assert fly(flight, queue, 0.9) == []
    assert fly(flight, queue, 1.1) == ["part-1"]
    flight.confirm("part-1", 1.2)
    assert flight.slow_names == []
    assert MAX_ROUNDS > 1


def test_one_that_others_overtook_makes_no_silence_of_the_next_that_is_sent() -> None:
    flight, queue = MessagesInFlight(patience_s=1.0), a_queue(3)
    fly(flight, queue, 0.0)
    for number in (2, 3):
        flight.confirm(f"part-{number}", 0.1)
        del queue[f"part-{number}"]
    assert fly(flight, queue, 1.1) == ["part-1"]
    queue["part-4"] = QueuedMessage(4, b"")
    assert fly(flight, queue, 1.5) == ["part-4"]
    assert not flight.is_silent(2.4)
    assert flight.is_silent(2.6)


def test_what_was_sent_later_and_waits_itself_overtakes_nothing() -> None:
    flight, queue = MessagesInFlight(patience_s=1.0), a_queue(4)
    fly(flight, queue, 0.0)
    flight.confirm("part-1", 5.0)  # a slow cloud, which answers in order
    assert fly(flight, queue, 5.0) == []
    assert not flight.is_silent(5.9)


def test_a_cloud_that_is_away_gets_few_repeats() -> None:
    flight, queue = MessagesInFlight(patience_s=1.0), a_queue(100)
    fly(flight, queue, 0.0)
    for silence in range(1, 50):
        flight.return_all(2.0 * silence)
        assert len(fly(flight, queue, 2.0 * silence)) == min(silence, MAX_AFTER_SILENCE)


def test_who_sends_nothing_is_not_silent() -> None:
    flight, queue = MessagesInFlight(patience_s=1.0), a_queue(1)
    assert not flight.is_silent(100.0)
    fly(flight, queue, 200.0)
    assert not flight.is_silent(200.5)
    flight.confirm("part-1", 200.6)
    assert not flight.is_silent(300.0)


@given(
    count=some.integers(1, 20),
    most=some.integers(4, 8),
    fates=some.lists(some.booleans(), max_size=GREATEST_LOSSES),
    refused=some.sets(some.integers(1, 20), max_size=3),
)
def test_whatever_is_lost_or_refused_each_other_record_is_confirmed_in_the_end(
    count: int, most: int, fates: list[bool], refused: set[int]
) -> None:
    flight, queue, now_s = MessagesInFlight(most, patience_s=1.0), a_queue(count), 0.0
    arrived: list[str] = []
    lost = iter(fates)
    for _ in range(10 * (count + GREATEST_LOSSES)):
        for name in fly(flight, queue, now_s):
            if queue[name].sequence not in refused and not next(lost, False):
                arrived.append(name)
                flight.confirm(name, now_s)
                del queue[name]
        now_s += 2.0
        if flight.is_silent(now_s):
            flight.return_all(now_s)
    assert {stored.sequence for stored in queue.values()} <= refused
    assert sorted([*arrived, *queue]) == sorted(a_queue(count))
