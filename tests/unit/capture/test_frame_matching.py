"""The part's frame is the one of its trigger's time, never a stale one, never another part's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.sources.camera_device import RawFrame
from capture.sources.frame_matching import (
    build_match_window,
    choose_frame,
    count_lost_frames,
    explain_no_match,
    is_match_decided,
)
from capture.sources.v4l2_configuration import MatchingConfiguration

TRIGGERED_NS = 5_000_000_000
FREE = MatchingConfiguration(before_ms=20, after_ms=20)
TRIGGERED = MatchingConfiguration(before_ms=20, after_ms=20, free_running=False)


def at(offset_ms: float, **flags: bool) -> RawFrame:
    return RawFrame(b"", TRIGGERED_NS + round(offset_ms * 1e6), 0, **flags)


def chosen_ms(frames: list[RawFrame], matching: MatchingConfiguration) -> float | None:
    chosen = choose_frame(frames, build_match_window(TRIGGERED_NS, matching))
    return None if chosen is None else (chosen.timestamp_ns - TRIGGERED_NS) / 1e6


def test_of_a_camera_that_runs_free_the_nearest_frame_is_taken() -> None:
    assert chosen_ms([at(-30), at(-12), at(4), at(18), at(40)], FREE) == 4


def test_of_a_triggered_camera_the_first_frame_in_the_window_is_taken() -> None:
    assert chosen_ms([at(-400), at(9), at(12)], TRIGGERED) == 9


def test_a_stale_frame_is_not_taken() -> None:
    assert chosen_ms([at(-21), at(21)], FREE) is None


def test_an_offset_moves_the_window() -> None:
    late = MatchingConfiguration(offset_ms=100, before_ms=5, after_ms=5)
    assert chosen_ms([at(0), at(97), at(110)], late) == 97


def test_a_whole_frame_is_preferred_to_a_nearer_damaged_one() -> None:
    assert chosen_ms([at(-9), at(1, is_damaged=True)], FREE) == -9
    assert chosen_ms([at(1, is_damaged=True)], FREE) == 1


@pytest.mark.parametrize(
    ("frames", "matching", "decided"),
    [
        ([], FREE, False),
        ([at(-10)], FREE, False),  # a nearer one may come
        ([at(-10), at(3)], FREE, True),
        ([at(-10), at(3, is_damaged=True)], FREE, False),
        ([at(-10), at(21)], FREE, True),
        ([at(-10)], TRIGGERED, True),
        ([at(-10, is_damaged=True)], TRIGGERED, True),
        ([at(-30)], TRIGGERED, False),
    ],
)
def test_it_is_decided_when_no_better_frame_can_come(
    frames: list[RawFrame], matching: MatchingConfiguration, decided: bool
) -> None:
    assert is_match_decided(frames, build_match_window(TRIGGERED_NS, matching)) is decided


@given(
    st.lists(st.floats(-100, 100), max_size=8).map(sorted),
    st.integers(0, 8),
    st.booleans(),
)
def test_what_is_decided_stays_so_whatever_comes_later(
    offsets_ms: list[float], seen: int, free_running: bool
) -> None:
    matching = FREE if free_running else TRIGGERED
    window = build_match_window(TRIGGERED_NS, matching)
    frames = [at(offset) for offset in offsets_ms]
    if is_match_decided(frames[:seen], window):
        early = choose_frame(frames[:seen], window)
        late = choose_frame(frames, window)
        assert (early and early.timestamp_ns) == (late and late.timestamp_ns)


def test_the_reason_says_how_far_the_nearest_frame_was() -> None:
    window = build_match_window(TRIGGERED_NS, FREE)
    assert "41.5 ms before it" in explain_no_match([at(-300), at(-41.5)], window)
    assert "60.0 ms after it; taken are 20 ms before to 20 ms after" in explain_no_match(
        [at(60)], window
    )
    assert explain_no_match([], window) == "no frame came"


def test_sequence_numbers_only_count_what_the_driver_dropped() -> None:
    assert count_lost_frames(None, 17) == 0
    assert count_lost_frames(17, 18) == 0
    assert count_lost_frames(17, 21) == 3
    assert count_lost_frames(2**32 - 1, 1) == 1
    assert count_lost_frames(900, 0) == 0
