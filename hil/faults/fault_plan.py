"""Plans which faults occur when, from the scenario and the seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

FaultAction = Literal[
    "kill",  # kill -9 of a victim's process group; what no nucleus starts again is started again
    "kill_for",  # the same, and it stays down for some seconds
    "stall",  # SIGSTOP, and SIGCONT after some seconds
    "stall_and_expect",  # the same, and parts are judged again soon after
    "outlive_nucleus",  # a component stands while its nucleus is killed and replaced
    "refuse",  # the nucleus's connection to the broker closes, and none is let through
    "swallow_sent",  # what the nucleus sends is lost, with the connection open
    "swallow_received",  # what the broker answers is lost
    "lose_spool",  # what the nucleus sends is lost, and then the nucleus, with what it would send again
    "stand_still",  # nothing moves in either direction
    "plc_restart",  # kill -9 of the PLC; it counts from 1 again
    "plc_restart_kept",  # the same, and its counter continues
    "plc_power",  # it loses connections and memory, without its process
    "fill_disk",  # the victim's disk is full, and it is killed in the midst of that
    "damage",  # power cut, and a file is damaged before the power is back
    "break_capture",  # killed until it is BROKEN; later the nucleus is restarted
]
SCENARIOS = (
    *("kills", "stalls", "broker", "plc_restart"),
    *("disk_full", "damaged_files", "overload", "capture_broken"),
)
COMPONENTS = ("Capture", "Inference", "Equipment", "Telemetry", "Publisher")
UNSEEN_PARTS = 1050  # more numbers than a station may take for one jump of the counter
ROUND_SECONDS = {  # with the start and the settling
    "kills": 75,
    "stalls": 75,
    "broker": 65,
    "plc_restart": 75,
    "disk_full": 60,
    "damaged_files": 80,
    "overload": 60,
    "capture_broken": 90,
}


@dataclass(frozen=True)
class FaultStep:
    """One fault: its time after the first part, action, victim and duration."""

    at_s: float
    action: FaultAction
    victim: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class FaultPlan:
    """A scenario: the parts as a rate or schedule, the faults, and when the belt stops."""

    name: str
    seed: int
    rate_hz: float
    steps: tuple[FaultStep, ...]
    seconds: float
    schedule: tuple[float, ...] = ()


def build_fault_plan(name: str, seed: int, rounds: int = 1) -> FaultPlan:
    """Build a scenario's faults, reproducible by seed and rounds; KeyError for an unknown scenario."""
    return _PLANS[name](random.Random(f"{name}/{seed}"), seed, rounds)


def _plan_kills(chance: random.Random, seed: int, rounds: int) -> FaultPlan:
    at_s, steps = 3.0, []
    for _ in range(2 * rounds):
        victims = [*COMPONENTS, "broker", "cloud"]
        chance.shuffle(victims)
        for victim in (*victims, "nucleus"):  # a new nucleus forgets errors: none is broken by us
            steps.append(FaultStep(round(at_s, 2), "kill", victim))
            at_s += chance.uniform(1.4, 3.2)
        at_s += 2.0
    return FaultPlan("kills", seed, 4.0, tuple(steps), round(at_s + 3.0, 2))


def _plan_stalls(chance: random.Random, seed: int, rounds: int) -> FaultPlan:
    at_s, steps = 5.0, []
    for _ in range(rounds):
        watched = [(victim, s) for victim in ("Capture", "Inference") for s in (1.5, 3.0)]
        chance.shuffle(watched)
        for victim, seconds in watched:
            steps.append(FaultStep(round(at_s, 2), "stall_and_expect", victim, seconds))
            at_s += seconds + 4.5
        others = ["Equipment", "Telemetry", "Publisher", "nucleus"]
        chance.shuffle(others)
        for victim in others:
            seconds = round(chance.uniform(0.3, 2.5), 2)
            steps.append(FaultStep(round(at_s, 2), "stall", victim, seconds))
            at_s += seconds + chance.uniform(1.5, 2.5)
        steps.append(FaultStep(round(at_s, 2), "outlive_nucleus", "Publisher", 4.0))
        at_s += 8.0
    return FaultPlan("stalls", seed, 10.0, tuple(steps), round(at_s + 2.0, 2))


def _plan_broker(chance: random.Random, seed: int, rounds: int) -> FaultPlan:
    at_s, steps = 3.0, []
    for _ in range(rounds):
        faults: list[tuple[FaultAction, str, float]] = [
            ("kill_for", "broker", 5.0),
            ("kill_for", "cloud", 3.0),
            ("refuse", "", 4.0),
            ("swallow_sent", "", 4.0),
            ("swallow_received", "", 4.0),
            ("stand_still", "", 5.0),
            ("lose_spool", "nucleus", 4.0),
        ]
        chance.shuffle(faults)
        for action, victim, seconds in faults:
            steps.append(FaultStep(round(at_s, 2), action, victim, seconds))
            at_s += seconds + chance.uniform(1.5, 2.5)
    return FaultPlan("broker", seed, 4.0, tuple(steps), round(at_s + 1.0, 2))


def _plan_plc_restart(chance: random.Random, seed: int, rounds: int) -> FaultPlan:
    at_s, steps = 4.0, []
    for _ in range(rounds):
        faults: list[tuple[FaultAction, float]] = [
            ("plc_restart", 1.0),
            ("plc_restart", 6.0),
            ("plc_restart_kept", 1.5),
            ("plc_power", 1.0),
            ("stall", 5.0),
        ]
        chance.shuffle(faults)
        for action, seconds in faults:
            steps.append(FaultStep(round(at_s, 2), action, "plant", seconds))
            at_s += seconds + chance.uniform(6.5, 8.5)
    return FaultPlan("plc_restart", seed, 4.0, tuple(steps), round(at_s, 2))


def _plan_disk_full(chance: random.Random, seed: int, rounds: int) -> FaultPlan:
    at_s, steps = 3.0, []
    for _ in range(rounds):
        victims = ["Inference", "Publisher", "Capture", "cloud"]
        chance.shuffle(victims)
        for victim in victims:
            seconds = round(chance.uniform(4.0, 6.0), 2)
            steps.append(FaultStep(round(at_s, 2), "fill_disk", victim, seconds))
            at_s += seconds + 4.5
    return FaultPlan("disk_full", seed, 4.0, tuple(steps), round(at_s, 2))


DAMAGED_DATABASES = (
    "row of inference/ledger.sqlite",  # a verdict that is not yet recorded
    "head of inference/ledger.sqlite",
    "head of publisher/outbox.sqlite",
    "all of capture/numbering.record",
    "head of cloud/records.sqlite",
)
SMALL_FILES = (
    "equipment/mode.txt",
    "capture/chosen.json",
    "inference/models-in-force/surface",
    "publisher/commands.sqlite",
    "nucleus/configuration of capture",
    "products/names/bottle",
    "models/names/surface",
)


def _plan_damaged_files(chance: random.Random, seed: int, rounds: int) -> FaultPlan:
    at_s, steps = 4.0, []
    for _ in range(rounds):
        large, small = list(DAMAGED_DATABASES), list(SMALL_FILES)
        large.append("emptied inference/ledger.sqlite")
        chance.shuffle(large)
        chance.shuffle(small)
        for number, place in enumerate(large):
            places = " and ".join((place, *small[number :: len(large)]))
            steps.append(FaultStep(round(at_s, 2), "damage", places))
            at_s += 9.0
    return FaultPlan("damaged_files", seed, 4.0, tuple(steps), round(at_s + 1.0, 2))


OVERLOAD_RATE_HZ = 10.0
OVERLOAD_BEGINS_S, OVERLOAD_ENDS_S, OVERLOAD_OVER_S = 8.0, 28.0, 38.0


def _plan_overload(_chance: random.Random, seed: int, rounds: int) -> FaultPlan:
    step_s = 1 / (3 * OVERLOAD_RATE_HZ)
    times = [
        round(number * OVERLOAD_OVER_S + tick * step_s, 4)
        for number in range(rounds)
        for tick in range(round(OVERLOAD_OVER_S / step_s))
        if tick % 3 == 0 or OVERLOAD_BEGINS_S <= tick * step_s < OVERLOAD_ENDS_S
    ]
    seconds = rounds * OVERLOAD_OVER_S
    return FaultPlan("overload", seed, OVERLOAD_RATE_HZ, (), seconds, tuple(times))


def _plan_capture_broken(chance: random.Random, seed: int, _rounds: int) -> FaultPlan:
    at_s = round(chance.uniform(3.0, 5.0), 2)
    return FaultPlan(
        "capture_broken", seed, 24.0, (FaultStep(at_s, "break_capture", "Capture"),), at_s + 60.0
    )


_PLANS: dict[str, Callable[[random.Random, int, int], FaultPlan]] = {
    "kills": _plan_kills,
    "stalls": _plan_stalls,
    "broker": _plan_broker,
    "plc_restart": _plan_plc_restart,
    "disk_full": _plan_disk_full,
    "damaged_files": _plan_damaged_files,
    "overload": _plan_overload,
    "capture_broken": _plan_capture_broken,
}
