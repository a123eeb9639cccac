"""Numbers of parts: never one twice, no epoch backwards, whatever the PLC's counter does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.numbering import (
    GREATEST_JUMP,
    Numbering,
    NumberingFile,
    Step,
    adopt_counter,
    begin_epoch,
    next_by_counter,
    next_by_own_count,
)
from sightline.errors import MessageError

STATE = Numbering(epoch=1000, last_number=50, first_number=1)

events = st.tuples(
    st.sampled_from(["trigger", "announced", "own"]), st.integers(0, 3000), st.integers(900, 1100)
)


@given(st.lists(events, max_size=60))
def test_numbers_never_repeat_and_epochs_never_go_backwards(
    happenings: list[tuple[str, int, int]],
) -> None:
    state: Numbering | None = None
    given_numbers: set[tuple[int, int]] = set()
    for kind, counter, now_s in happenings:
        step: Step | None
        if kind == "own":
            step = next_by_own_count(state, now_s)
        elif kind == "trigger":
            step = next_by_counter(state, counter, now_s)
        else:
            step = adopt_counter(state, counter, now_s)
        if step is None:
            continue
        before, state = state, step.state
        assert before is None or state.last > before.last or state.epoch > before.epoch
        assert before is None or state.epoch >= before.epoch
        if kind != "announced":
            name = (state.epoch, state.last_number)
            assert name not in given_numbers
            given_numbers.add(name)


@given(st.lists(st.integers(0, 5000), max_size=40))
def test_every_trigger_is_numbered_as_the_plc_counted_it(counters: list[int]) -> None:
    state: Numbering | None = None
    for counter in counters:
        step = next_by_counter(state, counter, 1000)
        state = step.state if step is not None else state
        assert state is not None
        assert state.last_number == counter
        assert state.first_number <= state.last_number


def test_a_gap_in_the_counter_goes_on_in_the_same_epoch() -> None:
    step = next_by_counter(STATE, 53, 2000)
    assert step is not None
    assert (step.state.epoch, step.state.last_number, step.fault) == (1000, 53, None)


@pytest.mark.parametrize("counter", [49, 0, 50 + GREATEST_JUMP + 1])
def test_a_counter_that_runs_backwards_or_jumps_begins_an_epoch_with_the_reason(
    counter: int,
) -> None:
    step = next_by_counter(STATE, counter, 2000)
    assert step is not None
    assert (step.state.epoch, step.state.first_number) == (2000, counter)
    assert step.fault is not None
    assert f"from 50 to {counter}" in step.fault


def test_the_greatest_jump_is_still_a_gap() -> None:
    step = next_by_counter(STATE, 50 + GREATEST_JUMP, 2000)
    assert step is not None
    assert step.fault is None
    assert step.state.epoch == 1000


def test_an_epoch_is_later_than_the_one_before_even_if_the_clock_went_back() -> None:
    assert begin_epoch(STATE, 1, 1, now_s=10).epoch == 1001


def test_a_change_of_who_counts_begins_an_epoch_that_is_no_fault() -> None:
    own = next_by_own_count(STATE, 2000)
    assert (own.state.epoch, own.state.last_number, own.fault) == (2000, 1, None)
    back = next_by_counter(own.state, 400, 3000)
    assert back is not None
    assert (back.state.epoch, back.state.first_number, back.fault) == (3000, 400, None)


def test_an_announced_counter_of_an_unknown_past_is_where_counting_begins_after() -> None:
    step = adopt_counter(None, 7, 2000)
    assert step is not None
    assert (step.state.first_number, step.state.last_number) == (8, 7)


def test_the_file_gives_back_what_was_stored(tmp_path: Path) -> None:
    file = NumberingFile(tmp_path / "numbering.record")
    assert file.load() is None
    file.store(STATE)
    assert NumberingFile(tmp_path / "numbering.record").load() == STATE


def test_an_empty_file_is_one_that_nothing_was_stored_in(tmp_path: Path) -> None:
    (tmp_path / "numbering.record").touch()
    assert NumberingFile(tmp_path / "numbering.record").load() is None


@pytest.mark.parametrize("content", [b'{"epoch": 10', b"\xff\xfe\x00", b'{"epoch": "x"}'])
def test_a_damaged_file_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "numbering.record").write_bytes(content)
    with pytest.raises(MessageError, match=r"Numbering|part number"):
        NumberingFile(tmp_path / "numbering.record").load()
