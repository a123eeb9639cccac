"""Numbers of parts: never one twice, no epoch backwards, whatever the PLC's counter does."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.numbering import (
    LARGE_JUMP,
    MAX_JUMP,
    MAX_PARTS_PER_S,
    NumberingFile,
    NumberingState,
    NumberingStep,
    adopt_counter,
    begin_epoch,
    next_by_counter,
    next_by_own_count,
)
from sightline.errors import MessageError
from sightline.messaging.messages import Part

STATE = NumberingState(epoch=1000, last_number=50, first_number=1)

events = st.tuples(
    st.sampled_from(["trigger", "announced", "own"]), st.integers(0, 3000), st.integers(900, 1100)
)


@given(st.lists(events, max_size=60))
def test_numbers_never_repeat_and_epochs_never_go_backwards(
    happenings: list[tuple[str, int, int]],
) -> None:
    state: NumberingState | None = None
    given_numbers: set[tuple[int, int]] = set()
    for kind, counter, now_s in happenings:
        step: NumberingStep | None
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
    state: NumberingState | None = None
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


@pytest.mark.parametrize(("counter", "first"), [(49, 1), (3, 1), (1, 1), (0, 0)])
def test_a_plc_that_counts_anew_has_counted_from_one_on(counter: int, first: int) -> None:
    step = next_by_counter(STATE, counter, 2000, away_s=5)
    assert step is not None
    assert (step.state.epoch, step.state.first_number) == (2000, first)
    assert step.state.last_number == counter
    assert step.state.ended_before == Part(1000, 50)
    assert step.fault is not None
    assert f"from 50 to {counter}" in step.fault


@pytest.mark.parametrize("counter", [0, 3, 49])
def test_an_announced_count_that_began_anew_leaves_none_of_its_parts_out(counter: int) -> None:
    step = adopt_counter(STATE, counter, 2000, away_s=5)
    assert step is not None
    assert (step.state.first_number, step.state.last_number) == (1, counter)


@pytest.mark.parametrize("unseen", [1, LARGE_JUMP - 1, LARGE_JUMP, 50_000, MAX_JUMP - 51])
def test_parts_that_nobody_saw_are_a_gap_of_the_same_epoch_however_many(unseen: int) -> None:
    step = next_by_counter(STATE, 51 + unseen, 2000, away_s=0)
    assert step is not None
    assert (step.state.epoch, step.state.first_number, step.state.last_number) == (
        1000,
        1,
        51 + unseen,
    )
    assert (step.fault is None) == (unseen < LARGE_JUMP)
    if step.fault is not None:
        assert f"from 50 to {51 + unseen}: {unseen} parts passed" in step.fault


def test_the_longer_nobody_looked_the_further_a_count_may_have_gone() -> None:
    week_end_s = 60 * 3600
    counted = 50 + MAX_JUMP + week_end_s * 25
    step = next_by_counter(STATE, counted, 2000, away_s=week_end_s)
    assert step is not None
    assert step.state.epoch == 1000
    soon = next_by_counter(STATE, counted, 2000, away_s=week_end_s / 1000)
    assert soon is not None
    assert soon.state.epoch == 2000


@pytest.mark.parametrize("counter", [50 + MAX_JUMP + MAX_PARTS_PER_S + 1, 3_000_000_000])
def test_a_counter_that_no_line_can_have_reached_begins_an_epoch_and_fills_nothing(
    counter: int,
) -> None:
    step = next_by_counter(STATE, counter, 2000, away_s=1)
    assert step is not None
    assert (step.state.epoch, step.state.first_number) == (2000, counter)
    assert step.fault is not None
    assert "further than a line can count" in step.fault


@pytest.mark.parametrize("wrong", [3_000_000_000, 0, 7, 20_000])
def test_a_wrong_reading_of_a_moment_costs_no_part_of_the_count_that_goes_on(wrong: int) -> None:
    before = msgspec.structs.replace(STATE, last_number=700_000)
    glitch = next_by_counter(before, wrong, 2000, away_s=0.2)
    assert glitch is not None
    back = next_by_counter(glitch.state, 700_002, 2001, away_s=0.2)
    assert back is not None
    assert (back.state.first_number, back.state.last_number) == (700_001, 700_002)
    again = next_by_counter(glitch.state, 700_000, 2001, away_s=0.2)
    assert again is None


TOPS = [(32_767, -32_768), (65_535, 0), (2**31 - 1, -(2**31)), (2**31 - 1, 0), (2**32 - 1, 0)]


@pytest.mark.parametrize(("top", "bottom"), TOPS)
@pytest.mark.parametrize(("unseen_before", "unseen_after"), [(0, 0), (0, 3), (2, 0), (400, 400)])
@pytest.mark.parametrize("announced", [False, True])
def test_a_counter_that_wraps_leaves_no_part_out_on_either_side(
    top: int, bottom: int, unseen_before: int, unseen_after: int, announced: bool
) -> None:
    before = msgspec.structs.replace(STATE, last_number=top - unseen_before)
    step_to = adopt_counter if announced else next_by_counter
    step = step_to(before, bottom + unseen_after, 2000, away_s=60)
    assert step is not None
    assert step.fault is None
    assert step.state.ended_before == Part(1000, top)
    assert (step.state.first_number, step.state.last_number) == (bottom, bottom + unseen_after)


def test_where_the_file_was_lost_inference_is_told_that_the_count_may_go_on() -> None:
    first = next_by_counter(None, 42, 2000)
    assert first is not None
    assert (first.state.first_number, first.state.continues) == (42, True)
    announced = adopt_counter(None, 42, 2000)
    assert announced is not None
    assert (announced.state.first_number, announced.state.continues) == (43, True)
    later = next_by_counter(first.state, 1, 3000)
    assert later is not None
    assert not later.state.continues
    assert not next_by_own_count(None, 2000).state.continues


@pytest.mark.parametrize("now_s", [0, 10, 1_900_000_000, 7_000_000_000])
def test_epochs_go_on_whatever_the_clock_says(now_s: int) -> None:
    begun = begin_epoch(STATE, 1, 1, now_s)
    later = begin_epoch(begun, 1, 1, 5)
    assert STATE.epoch < begun.epoch < later.epoch


def test_the_longest_state_fits_into_its_file(tmp_path: Path) -> None:
    far = 2**63 - 1
    longest = NumberingState(
        epoch=far,
        last_number=far,
        first_number=-far,
        deadline_monotonic_ns=far,
        boot_id="6f1c2a9e-5a53-4c0e-9a6e-0d8f0a3b7c11",
        ended_before=Part(far, -far),
        before_jump=far,
        given_monotonic_ns=far,
        given_utc_s=far,
    )
    NumberingFile(tmp_path / "numbering.record").store(longest)
    assert NumberingFile(tmp_path / "numbering.record").load() == longest


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
