"""A steady machine scores low; one that changes names the tag that changed."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.messaging.messages import MachineSamples, MachineState, TagSample
from telemetry.configuration import OutlierConfiguration, TagProfile
from telemetry.outlier_scoring import ALARM_SCORE, OutlierScorer, robust_deviation
from tests.unit.telemetry.telemetry_kit import (
    NOISE,
    a_function,
    batch,
    healthy_readings,
    run_batches,
    sample,
    with_value,
)


def states_over(readings: list[list[TagSample]]) -> list[MachineState]:
    """One state for each reading, of a function that begins with the first."""
    first = batch(0, at_s=-1.0)
    batches: list[MachineSamples] = [batch(n + 1, *r, at_s=n) for n, r in enumerate(readings)]
    return list(run_batches(a_function(), [first, *batches]))


@pytest.mark.parametrize("seed", range(5))
def test_ten_minutes_of_a_steady_machine_raise_no_alarm(seed: int) -> None:
    chance = random.Random(seed)
    states = states_over([healthy_readings(chance) for _ in range(600)])
    assert len(states) == 600
    assert max(state.outlier_score for state in states) < ALARM_SCORE
    assert {state.outlier_cause for state in states} == {""}


@pytest.mark.parametrize("tag", sorted(NOISE))
def test_a_step_in_one_tag_is_an_alarm_that_names_it(tag: str) -> None:
    chance = random.Random(7)
    mean, deviation = NOISE[tag]
    steady = [healthy_readings(chance) for _ in range(100)]
    step = max(12 * deviation, 0.06 * mean)
    after = with_value(healthy_readings(chance), tag, mean + step)
    *before, state = states_over([*steady, after])
    assert all(s.outlier_cause == "" for s in before)
    assert state.outlier_cause == tag
    assert state.outlier_score >= ALARM_SCORE
    scores = {value.tag: value.outlier_score for value in state.values}
    assert scores[tag] == state.outlier_score == max(scores.values())


def test_a_new_level_that_stays_becomes_the_usual_one() -> None:
    chance = random.Random(3)
    steady = [healthy_readings(chance) for _ in range(100)]
    raised = [
        with_value(healthy_readings(chance), "vibration", chance.gauss(3.0, 0.12))
        for _ in range(130)
    ]
    states = states_over([*steady, *raised])
    assert states[100].outlier_cause == "vibration"
    assert states[-1].outlier_cause == ""


def test_stopping_and_starting_the_line_is_no_alarm() -> None:
    chance = random.Random(5)
    runs = [True] * 60 + [False] * 60 + [True] * 60 + [False] * 60
    states = states_over([healthy_readings(chance, running) for running in runs])
    assert {state.outlier_cause for state in states} == {""}


def test_few_readings_score_nothing_and_a_switch_never_does() -> None:
    wild = [
        [sample("vibration", float(n % 2) * 100), sample("line_running", True)] for n in range(15)
    ]
    assert {state.outlier_score for state in states_over(wild)} == {0.0}


def test_a_reading_that_is_lacking_scores_nothing_and_does_not_blur_the_rest() -> None:
    chance = random.Random(9)
    steady = [healthy_readings(chance) for _ in range(60)]
    lacking = [[sample("vibration", None, "bad")] for _ in range(10)]
    jump = with_value(healthy_readings(chance), "vibration", 9.0)
    states = states_over([*steady, *lacking, *[healthy_readings(chance)] * 4, jump])
    assert all(state.outlier_score < ALARM_SCORE for state in states[:-1])
    assert states[-1].outlier_cause == "vibration"


def test_a_sensor_without_any_noise_may_change_its_last_digit() -> None:
    still = np.full(50, 6.1)
    assert abs(robust_deviation(6.11, still)) < 1
    assert robust_deviation(7.0, still) > 20


def test_a_change_of_status_settles_before_it_is_scored_or_learned() -> None:
    configuration = OutlierConfiguration(settle_intervals=3, min_readings=4, window=8)
    scorer = OutlierScorer(configuration, [TagProfile(tag="motor_current")])
    for n in range(20):
        scorer.score("running", {"motor_current": 4.0 + 0.1 * (n % 2)})
    scores = []
    for value in (9.0, 8.0, 7.0):
        scores.append(scorer.score("stopped", {"motor_current": value}).score)
    for value in (9.0, 8.0, 7.0, 3000.0):
        scores.append(scorer.score("running", {"motor_current": value}).score)
    assert scores[:6] == [0.0] * 6
    assert scores[6] > 0.3  # eight readings know little: a score, no alarm


@given(
    window=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30),
    value=st.floats(-1e300, 1e300),
)
def test_any_deviation_is_a_number(window: list[float], value: float) -> None:
    with np.errstate(over="ignore"):
        assert abs(robust_deviation(value, np.array(window))) <= 1e6


@given(st.lists(st.floats(0, 100), min_size=5, max_size=5, unique=True))
def test_the_farther_from_the_usual_the_higher_the_deviation(values: list[float]) -> None:
    chance = random.Random(1)
    window = np.array([chance.gauss(50, 5) for _ in range(40)])
    centre = float(np.median(window))
    by_distance = sorted(values, key=lambda value: abs(value - centre))
    deviations = [abs(robust_deviation(value, window)) for value in by_distance]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(deviations))
