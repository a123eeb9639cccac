"""How many records are under way at once, and what is sent again when nothing is confirmed."""

from hypothesis import given
from hypothesis import strategies as some

from publisher.in_flight import InFlight
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


def test_after_a_silence_one_goes_out_at_a_time_until_one_is_confirmed() -> None:
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


def test_who_sends_nothing_is_not_silent() -> None:
    flight, queue = InFlight(patience_s=1.0), a_queue(1)
    assert not flight.is_silent(100.0)
    fly(flight, queue, 200.0)
    assert not flight.is_silent(200.5)
    flight.confirm("part-1", 200.6)
    assert not flight.is_silent(300.0)


@given(
    count=some.integers(1, 20),
    most=some.integers(1, 5),
    fates=some.lists(some.booleans(), max_size=GREATEST_LOSSES),
)
def test_whatever_is_lost_each_record_is_confirmed_in_the_end(
    count: int, most: int, fates: list[bool]
) -> None:
    flight, queue, now_s = InFlight(most, patience_s=1.0), a_queue(count), 0.0
    arrived: list[str] = []
    lost = iter(fates)
    for _ in range(count + GREATEST_LOSSES + 1):
        for name in fly(flight, queue, now_s):
            if not next(lost, False):
                arrived.append(name)
                flight.confirm(name, now_s)
                del queue[name]
        now_s += 2.0
        if flight.is_silent(now_s):
            flight.go_back(now_s)
    assert not queue
    assert sorted(arrived) == sorted(a_queue(count))
