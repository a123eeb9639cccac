"""Batches become one state an interval, with limits and related tags, whatever the readings are."""

import math
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.messaging.codec import MAX_MESSAGE_BYTES, decode, encode
from sightline.messaging.messages import MachineSamples, MachineState, TagQuality, TagSample
from sightline.messaging.state_pages import split_into_pages
from telemetry.configuration import TagProfile
from telemetry.consolidation import ConsolidatedReading, consolidate_samples
from telemetry.state_builder import TelemetryFunction
from tests.unit.telemetry.telemetry_kit import START, S, a_function, batch, run_batches, sample


def only(samples: list[TagSample]) -> ConsolidatedReading:
    (reading,) = consolidate_samples(samples)
    return reading


def test_two_batches_of_half_a_second_are_one_state_a_second() -> None:
    batches = [batch(n, sample("vibration", float(n))) for n in range(11)]
    states = list(run_batches(a_function(), batches))
    assert [state.state_utc_ns for state in states] == [START + n * S for n in range(1, 6)]
    assert [state.sequence for state in states] == [1, 2, 3, 4, 5]
    assert [state.values[0].value for state in states] == [1.0, 3.5, 5.5, 7.5, 9.5]


def test_a_state_names_its_machine_and_line() -> None:
    (state,) = run_batches(a_function(interval_s=0.5), [batch(0), batch(1)])
    assert (state.station_id, state.equipment_id, state.line_id) == (
        "test-station",
        "conveyor-1",
        "line-1",
    )


def test_a_batch_a_little_early_still_completes_its_interval() -> None:
    batches = [batch(n, at_s=n * 0.5 - 0.04 * (n % 2)) for n in range(9)]
    assert len(list(run_batches(a_function(), batches))) == 4


def test_intervals_that_nobody_told_of_are_not_made_up_for() -> None:
    batches = [batch(1, at_s=0.0), batch(2, at_s=60.0), batch(3, at_s=60.5), batch(4, at_s=61.0)]
    states = list(run_batches(a_function(), batches))
    assert [state.state_utc_ns for state in states] == [START + 60 * S, START + 61 * S]


def test_a_clock_that_was_set_back_holds_up_no_state_for_longer_than_an_interval() -> None:
    batches = [batch(n, at_s=n * 0.5) for n in range(5)]
    batches += [batch(n, at_s=n * 0.5 - 3600) for n in range(5, 10)]
    assert len(list(run_batches(a_function(), batches))) == 4


def test_an_empty_batch_each_interval_gives_a_state_of_a_machine_of_unknown_status() -> None:
    states = list(run_batches(a_function(), [batch(n) for n in range(5)]))
    assert [(state.status, state.values) for state in states] == [("unknown", ())] * 2


def test_numbers_are_averaged_and_of_switches_and_texts_the_last_good_one_counts() -> None:
    assert only([sample("a", 1.0), sample("a", 2.0), sample("a", 6.0)]).value == 3.0
    assert only([sample("a", True), sample("a", False)]).value is False
    assert only([sample("a", "idle"), sample("a", "busy")]).value == "busy"
    assert only([sample("a", 1.0), sample("a", "busy")]).value == "busy"


def test_a_reading_of_bad_quality_does_not_touch_the_good_ones() -> None:
    reading = only([sample("a", 1.0), sample("a", 99.0, "bad"), sample("a", None, "missing")])
    assert (reading.value, reading.quality) == (1.0, "good")


@pytest.mark.parametrize("quality", ["bad", "missing", "stale"])
def test_a_tag_without_any_good_reading_has_no_value_and_says_why(quality: TagQuality) -> None:
    reading = only([sample("a", None, "bad"), sample("a", 5.0, quality)])
    assert (reading.value, reading.quality) == (None, quality)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, None])
def test_a_good_reading_without_a_number_is_bad(value: float | None) -> None:
    assert only([sample("a", value), sample("a", value)]) == ConsolidatedReading(
        "a", None, "", "bad"
    )


def test_tags_keep_the_order_in_which_the_machine_lists_them() -> None:
    readings = consolidate_samples([sample("b", 1.0), sample("a", 1.0), sample("b", 3.0)])
    assert [reading.tag for reading in readings] == ["b", "a"]


def state_of(*samples: TagSample, **configuration: object) -> MachineState:
    batches = [batch(0, *samples), batch(1, *samples)]
    (state,) = run_batches(a_function(interval_s=0.5, **configuration), batches)
    return state


@pytest.mark.parametrize(
    ("samples", "status"),
    [
        ([sample("line_running", True), sample("belt_speed", 0.0)], "running"),
        ([sample("line_running", False), sample("belt_speed", 0.5)], "stopped"),
        ([sample("line_running", None, "stale"), sample("belt_speed", 0.5)], "running"),
        ([sample("belt_speed", 0.005)], "stopped"),
        ([sample("belt_speed", -0.5)], "running"),
        ([sample("belt_speed", None, "bad")], "unknown"),
        ([sample("line_running", "yes"), sample("belt_speed", "fast")], "unknown"),
    ],
)
def test_the_machine_says_whether_it_runs_or_else_its_belt_does(
    samples: list[TagSample], status: str
) -> None:
    assert state_of(*samples).status == status


def test_each_value_carries_its_limits_its_step_and_the_tags_it_moves_with() -> None:
    (value,) = state_of(sample("vibration", 1.8, unit="mm/s")).values
    assert (value.tag, value.value, value.unit, value.quality) == (
        "vibration",
        1.8,
        "mm/s",
        "good",
    )
    assert (value.normal_low, value.normal_high, value.step) == (0.5, 3.5, "transport")
    assert value.related == ("motor_current", "belt_speed")


def test_a_tag_without_a_profile_is_told_without_limits() -> None:
    (value,) = state_of(sample("oil", 3.0), profiles=(TagProfile(tag="other"),)).values
    assert (value.value, value.normal_low, value.normal_high, value.step) == (3.0, None, None, "")


def test_a_machine_that_is_away_is_stale_in_each_value() -> None:
    state = state_of(sample("line_running", None, "stale"), sample("vibration", None, "stale"))
    assert state.status == "unknown"
    assert [(v.value, v.quality, v.outlier_score) for v in state.values] == [(None, "stale", 0)] * 2


def test_a_batch_that_comes_twice_counts_once_and_lost_ones_are_counted() -> None:
    function = a_function()
    assert list(run_batches(function, [batch(1), batch(1), batch(2), batch(2), batch(6)]))
    assert function.batches_lost == 3


def test_a_sender_that_was_started_again_counts_anew_and_loses_nothing() -> None:
    function = a_function()
    batches = [batch(n, at_s=n * 0.5) for n in range(1, 9)]
    batches += [batch(n, at_s=4.0 + n * 0.5) for n in range(1, 5)]
    assert len(list(run_batches(function, batches))) == 5
    assert function.batches_lost == 0


def test_a_sender_that_was_started_again_under_a_clock_that_went_back_is_heard_at_once() -> None:
    function = a_function()
    batches = [batch(n, at_s=7200 + n * 0.5) for n in range(1, 401)]
    batches += [batch(n, at_s=n * 0.5) for n in range(1, 21)]
    states = list(run_batches(function, batches))
    assert len([state for state in states if state.state_utc_ns < START + 3600 * S]) >= 9
    assert function.batches_lost == 0


def test_each_machine_has_its_own_interval_and_numbering() -> None:
    function = a_function()
    mixed = [
        batch(n, sample("vibration", value), equipment_id=machine)
        for n in range(5)
        for machine, value in (("a", 1.0), ("b", 2.0))
    ]
    states = list(run_batches(function, mixed))
    assert [(s.equipment_id, s.sequence) for s in states] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("b", 2),
    ]
    assert [s.values[0].value for s in states] == [1.0, 2.0, 1.0, 2.0]


def hundred_tags(sampling: int) -> tuple[TagSample, ...]:
    """A hundred tags, the last of them the belt's: more than one message holds."""
    names = [f"machine.axis{number}.position" for number in range(99)] + ["belt_speed"]
    return tuple(sample(name, float(sampling), unit="mm") for name in names)


def batches_of(sampling: int, first_sequence: int) -> list[MachineSamples]:
    groups = list(split_into_groups(hundred_tags(sampling)))
    return [
        msgspec.structs.replace(
            batch(first_sequence + number, *group, at_s=float(sampling)),
            batches_to_come=len(groups) - 1 - number,
        )
        for number, group in enumerate(groups)
    ]


def split_into_groups(samples: tuple[TagSample, ...]) -> Iterator[tuple[TagSample, ...]]:
    for start in range(0, len(samples), 40):
        yield samples[start : start + 40]


def test_a_hundred_tags_of_one_sampling_are_one_state_on_several_pages() -> None:
    function = a_function(interval_s=1.0)
    batches = [each for n in range(4) for each in batches_of(n, first_sequence=1 + 3 * n)]
    states = list(run_batches(function, batches))
    assert [len(state.values) for state in states] == [100] * 3
    mean = [{value.value for value in state.values} for state in states]
    assert mean == [{0.5}, {2.0}, {3.0}]  # each from whole samplings
    pages = split_into_pages(states[-1])
    assert len(pages) > 1
    assert all(len(encode(page)) <= MAX_MESSAGE_BYTES for page in pages)
    assert pages[0].values[0].tag == "belt_speed"  # what records tell is on the first page
    assert function.values_omitted == 0


def test_where_the_last_batch_of_a_sampling_is_lost_the_next_sampling_closes_the_interval() -> None:
    function = a_function(interval_s=1.0)
    batches = [each for n in range(4) for each in batches_of(n, first_sequence=1 + 3 * n)]
    lost = batches.pop(5)
    assert lost.batches_to_come == 0
    states = list(run_batches(function, batches))
    assert [state.state_utc_ns for state in states] == [START + 2 * S, START + 3 * S]
    assert (len(states[0].values), function.batches_lost) == (100, 1)


def test_a_text_too_long_for_a_message_is_left_out_and_counted() -> None:
    function = a_function(interval_s=0.1)
    function.handle_batch(batch(1, at_s=0.0))
    state = function.handle_batch(batch(2, sample("note", "x" * 5_000), sample("a", 1.0), at_s=0.2))
    assert state is not None
    assert [value.tag for value in state.values] == ["a"]
    assert function.values_omitted == 1


texts = st.text(max_size=64)
any_value = st.one_of(st.none(), st.booleans(), st.floats(), texts)
any_sample = st.builds(
    TagSample,
    tag=st.one_of(st.sampled_from(["line_running", "belt_speed", "vibration"]), texts),
    value=any_value,
    unit=st.text(max_size=16),
    quality=st.sampled_from(["good", "bad", "missing", "stale"]),
    source_utc_ns=st.integers(0, 2**63 - 1),
)
any_batch = st.builds(
    MachineSamples,
    station_id=texts,
    equipment_id=st.sampled_from(["a", "b"]),
    line_id=texts,
    sequence=st.integers(0, 50),
    sampled_utc_ns=st.integers(0, 20 * S),
    samples=st.lists(any_sample, max_size=12).map(tuple),
)


@given(batches=st.lists(any_batch, max_size=30))
def test_any_readings_in_any_order_give_states_that_are_messages(
    batches: list[MachineSamples],
) -> None:
    function: TelemetryFunction = a_function(interval_s=0.5)
    for state in run_batches(function, batches):
        for page in split_into_pages(state):
            assert (
                decode(MachineState, encode(page)) == page
            )  # so no NaN: it would come back as null
        assert len({value.tag for value in state.values}) == len(state.values)
        for value in state.values:
            assert (value.quality == "good") == (value.value is not None)
            assert 0 <= value.outlier_score <= 1000
