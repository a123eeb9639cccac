"""The rate of false alarms is the one that was asked for, and correlated tags are judged together."""

import itertools
import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.configuration import OutlierConfiguration, TagProfile
from telemetry.outlier_scoring import OutlierScorer, OutlierScores
from telemetry.tag_correlation import RunningCorrelation, group_related_tags
from telemetry.tail_calibration import TailCalibrator, compute_surprise, normal_equivalent

PAIR = (
    TagProfile(tag="current", related=("vibration",)),
    TagProfile(tag="vibration", related=("current",)),
    TagProfile(tag="pressure"),
)

TAGS = tuple(profile.tag for profile in PAIR)
BOTH = np.array([0, 1])


def readings(
    intervals: int, seed: int, carried_over: float = 0.0, together: float = 0.95
) -> list[dict[str, float]]:
    """Stable readings: current and vibration move together, and each follows its last value."""
    chance = np.random.default_rng(seed)
    mixed = np.linalg.cholesky(np.array([[1, together, 0], [together, 1, 0], [0, 0, 1]]))
    row, rows = np.zeros(3), []
    for fresh in chance.standard_normal((intervals, 3)) @ mixed.T:
        row = carried_over * row + math.sqrt(1 - carried_over**2) * fresh
        current, vibration, pressure = (float(number) for number in row)
        rows.append({"current": current, "vibration": vibration, "pressure": pressure})
    return rows


def scored(rows: list[dict[str, float]], wanted: int = 86_400) -> list[OutlierScores]:
    configuration = OutlierConfiguration(intervals_between_false_alarms=wanted)
    scorer = OutlierScorer(configuration, PAIR)
    return [scorer.score("running", row) for row in rows]


def alarms(scores: list[OutlierScores]) -> int:
    """How often an alarm began."""
    causes = [bool(score.cause) for score in scores]
    return sum(now and not before for before, now in itertools.pairwise([False, *causes]))


@pytest.mark.parametrize("carried_over", [0.0, 0.5, 0.9])
def test_on_stable_readings_alarms_are_about_as_rare_as_wanted(carried_over: float) -> None:
    wanted, intervals = 500, 12_000
    found = alarms(scored(readings(intervals, 5, carried_over), wanted))
    assert intervals / wanted / 4 <= found + 6 * (carried_over > 0.4)
    assert found <= intervals / wanted * 2


def test_the_longer_the_wanted_run_length_the_fewer_the_alarms() -> None:
    rows = readings(8_000, 7)
    found = [alarms(scored(rows, wanted)) for wanted in (100, 1_000, 100_000)]
    assert found[0] > found[1] > found[2]
    assert found[2] <= 1


def test_a_machine_of_which_little_is_known_yet_alarms_no_oftener() -> None:
    found = sum(alarms(scored(readings(50, seed), wanted=2_000)) for seed in range(100))
    assert found <= 8  # 5,000 intervals, of which 3,000 are scored


@pytest.mark.parametrize("cause", ["current", "vibration"])
def test_a_value_usual_in_itself_but_not_beside_the_others_is_an_alarm(cause: str) -> None:
    rows = readings(2_000, 11)
    other = "vibration" if cause == "current" else "current"
    alone = {**rows[-1], "current": 0.0, "vibration": 0.0, cause: 2.4}
    *before, last = scored([*rows, alone])
    assert not any(score.cause for score in before)
    assert last.score >= 1
    assert last.cause in (cause, other)  # of two tags, neither is known to be the odd one
    unrelated = [TagProfile(tag=profile.tag) for profile in PAIR]
    scorer = OutlierScorer(OutlierConfiguration(), unrelated)
    assert all(scorer.score("running", row).cause == "" for row in [*rows, alone])


def test_of_three_tags_that_move_together_the_odd_one_is_named() -> None:
    names = ("a", "b", "c")
    profiles = [TagProfile(tag=name, related=names) for name in names]
    scorer = OutlierScorer(OutlierConfiguration(), profiles)
    chance = random.Random(3)
    for _ in range(1_500):
        level = chance.gauss(0, 1)
        scorer.score("running", {name: level + chance.gauss(0, 0.2) for name in names})
    found = scorer.score("running", {"a": 1.5, "b": -1.5, "c": 1.5})
    assert (found.cause, found.score >= 1) == ("b", True)
    assert found.by_tag["b"] == found.score > max(found.by_tag["a"], found.by_tag["c"])


def test_a_fault_that_lasts_does_not_become_the_usual_at_once_and_a_lacking_tag_hides_nothing() -> (
    None
):
    rows = readings(1_000, 13)
    faulty = [{**row, "pressure": row["pressure"] + 30} for row in readings(20, 17)]
    assert all(score.cause == "pressure" for score in scored([*rows, *faulty])[-20:])
    lacking = [{**row, "vibration": math.nan} for row in faulty]
    assert all(score.cause == "pressure" for score in scored([*rows, *lacking])[-20:])


def test_a_fault_that_comes_back_is_found_each_time() -> None:
    rows = readings(4_000, 19)
    faulty = range(1_000, 4_000, 100)
    for number in faulty:
        rows[number]["pressure"] += 12
    scores = scored(rows)
    assert [scores[number].cause for number in faulty] == ["pressure"] * len(faulty)


@pytest.mark.parametrize(
    ("share", "dimensions", "quantile"),
    [
        (0.05, 1, 3.8415),
        (0.001, 1, 10.8276),
        (0.05, 2, 5.9915),
        (1e-5, 2, 23.0259),
        (1e-4, 4, 23.5127),
    ],
)
def test_the_surprise_of_a_chi_squared_quantile_is_that_of_its_probability(
    share: float, dimensions: int, quantile: float
) -> None:
    assert compute_surprise(quantile, dimensions) == pytest.approx(-math.log(share), rel=0.001)


@settings(deadline=None)
@given(st.floats(0, 1e12), st.integers(1, 100))
def test_any_statistic_has_a_finite_surprise(statistic: float, dimensions: int) -> None:
    assert 0 <= compute_surprise(statistic, dimensions) < math.inf


def test_few_degrees_of_freedom_make_a_deviation_less_surprising() -> None:
    assert normal_equivalent(3.0, 10_000) == pytest.approx(3.0, rel=1e-3)
    assert normal_equivalent(4.5869, 10) == pytest.approx(  # t with 10 of them: one in 2,000
        NormalDist().inv_cdf(1 - 0.0005), rel=0.01
    )
    assert normal_equivalent(-8.0, 5) == -normal_equivalent(8.0, 5)


def test_heavy_tails_raise_the_threshold_and_one_wild_value_does_not() -> None:
    chance = np.random.default_rng(1)
    calibrator = TailCalibrator(1e-4)
    for value in chance.standard_normal(20_000):
        calibrator.score_and_learn(float(value * value), 1)
    usual = calibrator.threshold
    assert usual == pytest.approx(-math.log(1e-4), rel=0.2)
    for _ in range(100):
        calibrator.score_and_learn(1e6, 1)  # one row of alarms
    assert calibrator.threshold < 1.05 * usual
    for value in chance.standard_t(4, 20_000):
        calibrator.score_and_learn(float(value * value), 1)
    assert calibrator.threshold > 3 * usual


@pytest.mark.parametrize("degrees_of_freedom", [4, 6])
def test_heavy_tails_alarm_about_as_often_as_wanted(degrees_of_freedom: int) -> None:
    chance = np.random.default_rng(5)
    wanted, intervals, learning = 250, 6_000, 1_000
    rows = [
        dict(zip(("current", "vibration", "pressure"), map(float, row), strict=True))
        for row in 20 + chance.standard_t(degrees_of_freedom, (intervals, 3))
    ]
    expected = (intervals - learning) / wanted
    assert expected / 4 <= alarms(scored(rows, wanted)[learning:]) <= expected * 1.6


def test_heavy_tails_of_which_little_is_known_yet_raise_few_alarms() -> None:
    wanted, found = 86_400, 0
    for seed in range(5):
        chance = np.random.default_rng(seed)
        rows = 20 + chance.standard_t(4, (1_500, 3))
        found += alarms(
            scored([dict(zip(TAGS, map(float, row), strict=True)) for row in rows], wanted)
        )
    assert found <= 4  # 7,500 intervals


def rounded(mean: float, noise: float, step: float, intervals: int, seed: int = 3) -> list[float]:
    chance = np.random.default_rng(seed)
    return [round(value / step) * step for value in chance.normal(mean, noise, intervals)]


COARSE = {
    "rests, a flicker of the last digit in one interval of seven": (0.0, 0.0068, 0.02),
    "rests, a flicker in one interval of five hundred": (0.0, 0.0032, 0.02),
    "between two digits": (1.55, 0.02, 0.1),
    "noise of a fifth of its digit": (1.5, 0.02, 0.1),
    "noise of half of its digit": (1.5, 0.05, 0.1),
    "noise of its digit": (1.5, 0.1, 0.1),
    "whole degrees": (40.0, 0.3, 1.0),
    "never moves": (6.0, 0.0, 0.1),
}


@pytest.mark.parametrize("sensor", COARSE)
def test_a_sensor_coarser_than_its_noise_raises_no_alarm_and_hides_no_fault(sensor: str) -> None:
    mean, noise, step = COARSE[sensor]
    values = rounded(mean, noise, step, 2_500)
    *healthy, faulty = scored([{"pressure": value} for value in [*values, mean + 12 * step]])
    assert [score.score for score in healthy if score.cause] == []
    assert (faulty.cause == "pressure") == (sensor != "never moves")  # its step is not known yet


def test_the_step_is_the_sensor_s_whatever_the_machine_does() -> None:
    scorer = OutlierScorer(OutlierConfiguration(), PAIR)
    for value in rounded(3.0, 0.05, 0.1, 200):
        scorer.score("running", {"pressure": value})
    still = [scorer.score("stopped", {"pressure": 0.0}) for _ in range(100)]
    assert scorer.score("stopped", {"pressure": 0.1}).cause == ""
    assert scorer.score("stopped", {"pressure": 1.5}).cause == "pressure"
    assert all(score.score == 0 for score in still)


def test_a_configured_step_counts_from_the_first_reading_on() -> None:
    scorer = OutlierScorer(OutlierConfiguration(), [TagProfile(tag="pressure", resolution=0.01)])
    for _ in range(100):
        scorer.score("stopped", {"pressure": 0.0})
    assert scorer.score("stopped", {"pressure": 0.01}).cause == ""
    assert scorer.score("stopped", {"pressure": 1.0}).cause == "pressure"


@pytest.mark.parametrize("lacking", ["", "vibration"])
def test_a_tag_that_is_not_there_leaves_the_others_joint_score_alive(lacking: str) -> None:
    names = ("current", "temperature", "vibration")
    profiles = [TagProfile(tag=name, related=names) for name in names]
    scorer = OutlierScorer(OutlierConfiguration(), profiles)
    chance = random.Random(3)
    for _ in range(2_000):
        level = chance.gauss(0, 1)
        row = {name: level + chance.gauss(0, 0.2) for name in names if name != lacking}
        assert scorer.score("running", row).cause == ""
    odd = {"current": 2.0, "temperature": -2.0, "vibration": 0.0}
    found = scorer.score("running", {name: v for name, v in odd.items() if name != lacking})
    assert found.cause in ("current", "temperature")


def test_the_running_correlation_comes_to_know_the_true_one() -> None:
    known = RunningCorrelation(2)
    chance = np.random.default_rng(2)
    mixed = np.linalg.cholesky(np.array([[1, 0.8], [0.8, 1]]))
    for row in chance.standard_normal((4_000, 2)) @ mixed.T:
        known.learn(row, BOTH)
    assert known.correlation_matrix(BOTH)[0, 1] == pytest.approx(0.8, abs=0.06)


DEVIATION = st.none() | st.floats(-1e6, 1e6)


@given(st.lists(st.lists(DEVIATION, min_size=3, max_size=3), min_size=1, max_size=40))
def test_any_deviations_of_any_of_the_tags_give_a_distance_and_a_cause(
    rows: list[list[float | None]],
) -> None:
    correlation = RunningCorrelation(3)
    for row in rows:
        places = np.array([place for place, value in enumerate(row) if value is not None], int)
        if len(places) == 0:
            continue
        there = np.array([value for value in row if value is not None])
        found = correlation.measure_distance(there, places)
        assert 0 <= found.squared < math.inf
        assert found.cause in range(len(places))
        correlation.learn(there, places)


def test_groups_are_the_tags_that_are_related_also_by_way_of_others() -> None:
    related = [
        ("a", ("b", "unknown")),
        ("b", ()),
        ("c", ("b",)),
        ("d", ()),
        ("e", ("f",)),
        ("f", ()),
    ]
    assert sorted(group_related_tags(related)) == [("a", "b", "c"), ("e", "f")]
