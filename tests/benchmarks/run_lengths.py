"""How long telemetry runs between false alarms on stable readings, and what faults it finds.

`python -m tests.benchmarks.run_lengths` prints the tables of docs/benchmarks/outliers.md. All readings
are seeded. A false alarm is an interval with a cause where the one before had none.
"""

import argparse
import math
import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hil.plant.drive_model import MachineModel
from telemetry.configuration import DEFAULT_PROFILES, OutlierConfiguration
from telemetry.outlier_scoring import OutlierScorer, OutlierScores

TAGS = tuple(profile.tag for profile in DEFAULT_PROFILES if profile.score_outliers)
CORRELATION = {  # how the tags of the default configuration move together
    ("belt_speed", "motor_current"): 0.5,
    ("motor_current", "vibration"): 0.7,
    ("motor_current", "motor_temperature"): 0.4,
}
Row = dict[str, float]


@dataclass(frozen=True)
class RunLengthCase:
    """Stable readings: how much is carried over, how heavy the tails are, how coarse the steps."""

    name: str
    wanted: int
    intervals: int
    carried_over: float = 0.0
    degrees_of_freedom: int = 0  # 0: normal
    step: float = 0.0  # what the sensors round to; 0: nothing
    is_plant: bool = False


KINDS: dict[str, dict[str, float | bool]] = {
    "independent, normal": {},
    "carried over 0.5": {"carried_over": 0.5},
    "carried over 0.9": {"carried_over": 0.9},
    "carried over 0.97": {"carried_over": 0.97},
    "heavy tails (Student, 6)": {"degrees_of_freedom": 6},
    "heavy tails (Student, 4)": {"degrees_of_freedom": 4},
    "in steps of twice their noise": {"step": 2.0},
    "the simulated conveyor": {"is_plant": True},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="a tenth of the intervals")
    given = parser.parse_args()
    share = 10 if given.short else 1
    lengths = {1_000: 60_000, 10_000: 100_000}
    cases = [
        RunLengthCase(name, wanted, intervals // share, **kind)  # type: ignore[arg-type]
        for wanted, intervals in lengths.items()
        for name, kind in KINDS.items()
    ]
    cases += [
        RunLengthCase(name, 86_400, 800_000 // share, **KINDS[name])  # type: ignore[arg-type]
        for name in (
            "independent, normal",
            "carried over 0.5",
            "heavy tails (Student, 4)",
            "in steps of twice their noise",
        )
    ]
    with multiprocessing.Pool(given.processes) as pool:
        print("| readings | wanted | intervals | false alarms | measured run length (95 %) |")
        print("| --- | --- | --- | --- | --- |")
        for line in pool.imap(measured, cases):
            print(line, flush=True)
        print("\n| fault in one interval | found | cause named |\n| --- | --- | --- |")
        for line in pool.imap(found, FAULTS):
            print(line, flush=True)


def measured(case: RunLengthCase) -> str:
    """One row of the table: the run length on stable readings."""
    configuration = OutlierConfiguration(intervals_between_false_alarms=case.wanted)
    scorer = OutlierScorer(configuration, DEFAULT_PROFILES)
    alarms, before = 0, False
    for row in readings(case, seed=20):
        now = bool(scorer.score("running", row).cause)
        alarms += now and not before
        before = now
    low, high = (case.intervals / count for count in poisson_limits(alarms))
    length = f"{case.intervals / alarms:,.0f}" if alarms else f"over {case.intervals:,}"
    return (
        f"| {case.name} | {case.wanted:,} | {case.intervals:,} | {alarms} | "
        f"{length} ({high:,.0f} to {low:,.0f}) |"
    )


def poisson_limits(count: int) -> tuple[float, float]:
    """Where the expected count lies with 95 %, from a count (approximately)."""
    low = (
        max(count * (1 - 1 / (9 * count) - 1.96 / (3 * math.sqrt(count))) ** 3, 0.03)
        if count
        else 0.03
    )
    more = count + 1
    return low, more * (1 - 1 / (9 * more) + 1.96 / (3 * math.sqrt(more))) ** 3


def readings(case: RunLengthCase, seed: int) -> Iterator[Row]:
    """The stable readings of a case."""
    if case.is_plant:
        yield from plant_readings(case.intervals, seed)
        return
    chance = np.random.default_rng(seed)
    mixed = np.linalg.cholesky(correlation())
    keeps, fresh = case.carried_over, math.sqrt(1 - case.carried_over**2)
    values = np.zeros(len(TAGS))
    for _ in range(case.intervals):
        noise = (
            chance.standard_t(case.degrees_of_freedom, len(TAGS))
            if case.degrees_of_freedom
            else chance.standard_normal(len(TAGS))
        )
        values = keeps * values + fresh * (mixed @ noise)
        told = np.round(values / case.step) * case.step if case.step else values
        yield {tag: 10 + float(value) for tag, value in zip(TAGS, told, strict=True)}


def plant_readings(intervals: int, seed: int) -> Iterator[Row]:
    """The conveyor of the development plant, running, with the noise of its belt's sensor."""
    machine, chance = MachineModel(seed), random.Random(seed)
    for _ in range(intervals):
        yield {**machine.step(1.0, running=True), "belt_speed": 0.5 + chance.gauss(0, 0.01)}


def correlation() -> np.ndarray:
    """The matrix of `CORRELATION`."""
    matrix = np.eye(len(TAGS))
    for (one, other), value in CORRELATION.items():
        matrix[TAGS.index(one), TAGS.index(other)] = value
        matrix[TAGS.index(other), TAGS.index(one)] = value
    return matrix


FAULTS: dict[str, Row] = {
    "motor_current by 6 deviations": {"motor_current": 6.0},
    "motor_current by 8 deviations": {"motor_current": 8.0},
    "air_pressure by 8 deviations": {"air_pressure": 8.0},
    "current up by 3.5 and vibration down by 3.5 (each within its usual)": {
        "motor_current": 3.5,
        "vibration": -3.5,
    },
}
EVERY = 300
TRIALS = 100


def found(name: str) -> str:
    """One row of the second table: a fault of one interval, again and again, at 86,400."""
    fault = FAULTS[name]
    scorer = OutlierScorer(OutlierConfiguration(), DEFAULT_PROFILES)
    case = RunLengthCase(name, 86_400, EVERY * (TRIALS + 10))
    hits: list[OutlierScores] = []
    for number, row in enumerate(readings(case, seed=21)):
        is_faulty = number >= EVERY * 10 and number % EVERY == 0
        values = {tag: value + fault.get(tag, 0.0) * is_faulty for tag, value in row.items()}
        scores = scorer.score("running", values)
        if is_faulty and scores.cause:
            hits.append(scores)
    named = sum(scores.cause in fault for scores in hits)
    return f"| {name} | {len(hits)} of {TRIALS} | {named} of {len(hits)} |"


if __name__ == "__main__":
    main()
