"""Each step of the PLC's counter is a trigger, and what no trigger told is announced."""

from hypothesis import given
from hypothesis import strategies as st

from equipment.counting import Counting
from equipment.links.link import CounterSeen, TagsRead
from tests.unit.equipment.driven import NOW, Driven


def seen(counter: int) -> CounterSeen:
    return CounterSeen(counter, NOW + counter, NOW + counter, 0.5)


def read(counter: int | None) -> TagsRead:
    return TagsRead((), counter, NOW)


def started(counter: int = 5) -> Counting:
    counting = Counting()
    counting.connected(NOW)
    assert counting.see(seen(counter)) == "start"
    return counting


def test_each_step_is_a_part_and_the_same_value_again_is_known() -> None:
    counting = started(5)
    assert [counting.see(seen(value)) for value in (6, 7, 7, 10)] == [
        "part",
        "part",
        "known",
        "part",
    ]


def test_a_counter_that_runs_backwards_begins_anew_and_voids_verdicts_for_parts_before() -> None:
    counting = started(5)
    assert counting.see(seen(1)) == "restart"
    assert counting.since_monotonic_ns == NOW + 1


def test_a_value_that_was_only_read_is_announced_one_announcement_later() -> None:
    counting = started(5)
    first, second = counting.announce(read(8)), counting.announce(read(8))
    assert first is not None
    assert second is not None
    assert (first.counter, second.counter) == (5, 8)


def test_nothing_is_announced_before_the_counter_is_known() -> None:
    counting = Counting()
    counting.connected(NOW)
    assert counting.announce(read(8)) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["seen", "lost", "announce"]), st.integers(1, 50)), max_size=40
    )
)
def test_every_number_is_triggered_or_announced_even_if_changes_are_lost(
    events: list[tuple[str, int]],
) -> None:
    counting, counter = started(0), 0
    triggered, announced = {0}, 0
    for kind, more in [*events, ("announce", 0), ("announce", 0)]:
        if kind == "announce":
            count = counting.announce(read(counter))
            announced = count.counter if count is not None else announced
            assert announced <= counter
        else:
            counter += more
            if kind == "seen" and counting.see(seen(counter)) == "part":
                triggered.add(counter)
    assert all(number in triggered or number <= announced for number in range(counter + 1))
    assert announced == counter


def test_the_component_triggers_each_step_and_tells_where_the_counter_stood_at_first() -> None:
    driven = Driven()
    driven.connect(40)
    assert driven.triggers() == []
    assert driven.announced() == [40]
    assert driven.health.report().ready
    for value in (41, 42, 45):
        driven.see(value)
    assert driven.triggers() == [41, 42, 45]


def test_a_counter_back_at_nought_is_announced_and_one_back_at_a_part_is_that_part() -> None:
    driven = Driven()
    driven.connect(40)
    driven.see(0)
    assert driven.announced()[-1] == 0
    assert driven.triggers() == []
    driven.see(1)
    driven.see(1)
    driven.disconnect()
    driven.connect(3)
    assert driven.triggers() == [1]
    assert driven.announced()[-1] == 3
    assert driven.counter("counter_restarts") == 1


def test_while_the_plc_is_away_nothing_is_announced() -> None:
    driven = Driven()
    driven.connect(40)
    driven.disconnect()
    told = len(driven.announced())
    driven.later(5.0)
    assert len(driven.announced()) == told
