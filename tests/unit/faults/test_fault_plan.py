"""The same seed gives the same faults, and no scenario asks for what would spoil it."""

import itertools

import pytest

from hil.faults.fault_plan import COMPONENTS, SCENARIOS, SMALL_FILES, build_fault_plan


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_seed_gives_the_same_faults(name: str) -> None:
    assert build_fault_plan(name, 7) == build_fault_plan(name, 7)
    assert build_fault_plan(name, 7, rounds=3) == build_fault_plan(name, 7, rounds=3)


@pytest.mark.parametrize("name", [n for n in SCENARIOS if n != "overload"])
def test_another_seed_gives_others(name: str) -> None:
    steps = {build_fault_plan(name, seed).steps for seed in range(5)}
    assert len(steps) == 5


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", SCENARIOS)
def test_faults_come_one_after_the_other_and_end_before_the_belt_stops(
    name: str, seed: int
) -> None:
    plan = build_fault_plan(name, seed)
    for earlier, later in itertools.pairwise(plan.steps):
        assert later.at_s >= earlier.at_s + earlier.seconds
    assert all(step.at_s + step.seconds < plan.seconds for step in plan.steps)
    assert plan.seconds <= 80


@pytest.mark.parametrize("seed", range(20))
def test_no_component_is_killed_three_times_without_a_new_nucleus(seed: int) -> None:
    kills = dict.fromkeys(COMPONENTS, 0)
    for step in build_fault_plan("kills", seed, rounds=3).steps:
        if step.victim == "nucleus":
            kills = dict.fromkeys(COMPONENTS, 0)
        elif step.victim in kills:
            kills[step.victim] += 1
            assert kills[step.victim] < 3


def test_overload_is_three_times_the_rate_for_twenty_seconds() -> None:
    times = build_fault_plan("overload", 1).schedule
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert sum(gap < 0.05 for gap in gaps) == 600
    assert sum(gap > 0.09 for gap in gaps) == 179


def test_each_kind_of_file_is_damaged_in_each_run() -> None:
    for seed in range(10):
        told = " ".join(step.victim for step in build_fault_plan("damaged_files", seed).steps)
        for file in ("ledger.sqlite", "outbox.sqlite", "numbering.record", "records.sqlite"):
            assert file in told
        assert all(file in told for file in SMALL_FILES)
