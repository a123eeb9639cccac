"""Three mutants, each a broken copy of the sources that the checker must report.

A mutant is code appended to a module of the copy, so that it survives changes of the module.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hil.faults.fault_plan import FaultPlan, FaultStep
from hil.faults.fault_scenario import FaultScenario
from hil.faults.file_damage import write_json
from hil.run.run_arguments import REPOSITORY

COPIED_FOLDERS = ("components", "shared")

BROKEN_GATE = '''

_sound_build = build_verdict_write


def build_verdict_write(judged, **more):
    """Broken: a defect counts as ok."""
    if judged.verdict == "defect":
        judged = __import__("msgspec").structs.replace(judged, verdict="ok")
    return _sound_build(judged, **more)
'''

BROKEN_LEDGER = '''

_sound_commit, _held = Ledger.commit, []


def _commit_late(self, verdicts):
    """Broken: a verdict is published before it is on disk."""
    if _held:
        _sound_commit(self, _held[:])
        _held.clear()
    _held.extend(verdicts)
    self.last_part = verdicts[-1].part


Ledger.commit = _commit_late
'''

BROKEN_OUTBOX = '''

_sound_load = Outbox.load_oldest


def _load_once(self, after=0):
    """Broken: a record is deleted when sent, without a receipt."""
    stored = _sound_load(self, after)
    if stored is not None:
        self.remove(stored)
    return stored


Outbox.load_oldest = _load_once
'''


@dataclass(frozen=True)
class StationMutant:
    """What is broken, by which code, and which figures of the checker must report it."""

    name: str
    module: str
    replaced_name: str  # the name in the module that the code replaces
    code: str
    plan: FaultPlan
    reported_by: tuple[str, ...]


def build_mutants(seed: int) -> tuple[StationMutant, ...]:
    """Build the three mutants, each with the shortest run that shows the fault."""
    return (
        StationMutant(
            "gate: an ok is sent for a defect",
            "components/equipment/gate_verdicts.py",
            "build_verdict_write",
            BROKEN_GATE,
            FaultPlan("mutant_gate", seed, 6.0, (), 10.0),
            ("gate_passed_unjudged",),
        ),
        StationMutant(
            "ledger: a verdict is published before it is on disk",
            "components/inference/ledger/verdict_ledger.py",
            "Ledger",
            BROKEN_LEDGER,
            FaultPlan(
                "mutant_ledger",
                seed,
                4.0,
                (FaultStep(4.0, "kill", "Inference"), FaultStep(8.0, "kill", "Inference")),
                12.0,
            ),
            ("verdict_differs", "gate_passed_unjudged", "lost", "duplicated"),
        ),
        StationMutant(
            "outbox: a record is deleted before its receipt",
            "components/publisher/outbox.py",
            "Outbox",
            BROKEN_OUTBOX,
            FaultPlan(
                "mutant_outbox", seed, 4.0, (FaultStep(3.0, "lose_spool", "nucleus", 5.0),), 12.0
            ),
            ("lost", "undelivered"),
        ),
    )


def write_mutant(mutant: StationMutant, target: Path) -> None:
    """Write a copy of the sources with this mutant; the working tree is unchanged."""
    shutil.rmtree(target, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED_FOLDERS:
        shutil.copytree(REPOSITORY / name, target / name, ignore=ignored)
    with (target / mutant.module).open("a", encoding="utf-8") as module:
        module.write(mutant.code)


def run_mutants(folder: Path, pictures: Path, seed: int, say: Callable[[str], None]) -> int:
    """Exit code 0 only if the checker reports each mutant."""
    reported = {}
    for mutant in build_mutants(seed):
        say(f"{mutant.name} ({mutant.module})")
        source = folder / mutant.plan.name / "source"
        write_mutant(mutant, source)
        found = FaultScenario(
            mutant.plan, folder / mutant.plan.name / "station", pictures, say, source
        )
        result = found.run()
        figures = {name: result.get(name, 0) for name in mutant.reported_by}
        reported[mutant.name] = {"reported": any(figures.values()), **figures}
        for problem in result["problems"]:
            say(f"    ! {problem}")
        say("    reported" if any(figures.values()) else "    NOT REPORTED")
    write_json(folder / "mutants.json", reported)
    return 0 if all(entry["reported"] for entry in reported.values()) else 1
