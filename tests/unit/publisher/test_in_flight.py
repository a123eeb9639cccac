"""How many records are under way at once, and what is sent again when nothing is confirmed."""

from hypothesis import given
from hypothesis import strategies as some

from publisher.in_flight import MOST_AFTER_SILENCE, InFlight
from publisher.outbox import Stored

GREATEST_LOSSES = 10


def fly(flight: InFlight, queue: dict[str, Stored], now_s: float) -> list[str]:
    """Send what may be sent; the ids, in order."""
    sent: list[str] = []
    while flight.has_room():
        after = [name for name, s in queue.items() if s.sequence > flight.sent_up_to]
        if not after:
            break
        flight.sent(after[0], queue[after[0]], now_s)
        sent.append(after[0])
    return sent


def a_queue(count: int) -> dict[str, Stored]:
    return {f"part-{number}": Stored(number, b"") for number in range(1, count + 1)}


def test_no_more_are_under_way_than_allowed() -> None:
    flight, queue = InFlight(most=3), a_queue(5)
    assert fly(flight, queue, 0.0) == ["part-1", "part-2", "part-3"]
    flight.confirm("part-2", 0.1)
    del queue["part-2"]
    assert fly(flight, queue, 0.2) == ["part-4"]


def test_after_a_silence_one_goes_out_until_one_is_confirmed() -> None:
    flight, queue = InFlight(most=3, patience_s=1.0), a_queue(3)
    fly(flight, queue, 0.0)
    assert not flight.is_silent(0.9)
    assert flight.is_silent(1.1)
    flight.go_back(1.1)
    assert not flight.is_silent(1.2)
    assert fly(flight, queue, 1.2) == ["part-1"]
    assert fly(flight, queue, 1.3) == []
    flight.confirm("part-1", 1.4)
    del queue["part-1"]
    assert fly(flight, queue, 1.5) == ["part-2", "part-3"]


def test_a_record_that_the_cloud_never_takes_holds_the_others_up_for_a_while_only() -> None:
    flight, queue = InFlight(most=3, patience_s=1.0), a_queue(4)
    assert fly(flight, queue, 0.0) == ["part-1", "part-2", "part-3"]
    flight.go_back(2.0)
    assert fly(flight, queue, 2.0) == ["part-1"]
    flight.go_back(4.0)
    assert fly(flight, queue, 4.0) == ["part-1", "part-2"]
    flight.confirm("part-2", 4.1)
    del queue["part-2"]
    assert fly(flight, queue, 4.2) == ["part-3", "part-4"]


def test_a_cloud_that_is_away_gets_few_repeats() -> None:
    flight, queue = InFlight(patience_s=1.0), a_queue(100)
    fly(flight, queue, 0.0)
    for silence in range(1, 50):
        flight.go_back(2.0 * silence)
        assert len(fly(flight, queue, 2.0 * silence)) == min(silence, MOST_AFTER_SILENCE)


def test_who_sends_nothing_is_not_silent() -> None:
    flight, queue = InFlight(patience_s=1.0), a_queue(1)
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
    flight, queue, now_s = InFlight(most, patience_s=1.0), a_queue(count), 0.0
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
            flight.go_back(now_s)
    assert {stored.sequence for stored in queue.values()} <= refused
    assert sorted([*arrived, *queue]) == sorted(a_queue(count))
