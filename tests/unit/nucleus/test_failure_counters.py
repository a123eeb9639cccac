"""Three errors out of one state, each within the reset time of the last, break a component."""

from hypothesis import given
from hypothesis import strategies as st

from hil.nucleus.supervision.failure_counters import MAX_ERRORS, ErrorCounter


def test_three_errors_in_a_row_break() -> None:
    count = ErrorCounter(reset_s=10)
    assert [count.record_error("RUNNING", at_s) for at_s in (0, 9, 18)] == [False, False, True]


def test_an_error_after_the_reset_time_is_the_first_again() -> None:
    count = ErrorCounter(reset_s=10)
    assert [count.record_error("RUNNING", at_s) for at_s in (0, 9, 19, 20)] == [
        False,
        False,
        False,
        False,
    ]


def test_errors_out_of_different_states_are_counted_apart() -> None:
    count = ErrorCounter(reset_s=10)
    found = [
        count.record_error(state, 0) for state in ("NEW", "STARTING", "RUNNING", "NEW", "STARTING")
    ]
    assert not any(found)


def test_a_state_that_was_left_in_good_order_is_forgotten() -> None:
    count = ErrorCounter(reset_s=10)
    count.record_error("STARTING", 0)
    count.record_error("STARTING", 1)
    count.clear("STARTING")
    assert not count.record_error("STARTING", 2)


@given(st.lists(st.floats(10, 1000), max_size=20))
def test_errors_that_lie_apart_never_break(waits_s: list[float]) -> None:
    count, now_s = ErrorCounter(reset_s=10), 0.0
    for wait_s in waits_s:
        now_s += wait_s + 0.001
        assert not count.record_error("RUNNING", now_s)
    assert MAX_ERRORS == 3
