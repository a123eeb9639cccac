"""`make faults`: run whole stations under injected faults; writes .station/faults.json.

The same seed gives the same faults: times, victims and order. Exit code 1 if any scenario failed.
"""

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hil.faults import small_disk
from hil.faults.fault_plan import ROUND_SECONDS, SCENARIOS, build_fault_plan
from hil.faults.fault_report import Json, format_scenario_table
from hil.faults.fault_scenario import FaultScenario
from hil.faults.file_damage import write_json
from hil.faults.mutants import run_mutants
from hil.plant.pool import ensure_pool
from hil.run.camera_pictures import POOL_SEED
from hil.run.interrupts import InterruptSignals
from hil.run.run_arguments import REPOSITORY
from hil.run.station_state import AlreadyRunningError
from sightline.command_output import run_command

POOL_PARTS = 240
DEFAULT_SEED = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    given = _parser().parse_args(arguments)
    InterruptSignals()  # SIGTERM ends a run as Ctrl-C does: with all its processes
    folder: Path = given.folder.resolve()
    pictures = ensure_pool(REPOSITORY / ".station" / "pool", POOL_PARTS, POOL_SEED)
    try:
        with _lock_folder(folder / "faults"):
            if given.mutants:
                return run_mutants(folder / "faults" / "mutants", pictures, given.seed, _print_line)
            return _run_scenarios(given, folder, pictures)
    except AlreadyRunningError as error:
        _print_line(f"Cannot start: {error}")
        return 2
    except KeyboardInterrupt:
        _print_line("Aborted. The running scenario is not counted.")
        return 130


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder for one run; runs in other folders are independent."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"another run uses {folder}; choose another folder with --folder"
            ) from error
        yield


def _run_scenarios(given: argparse.Namespace, folder: Path, pictures: Path) -> int:
    found: Json = {"scenarios": {}, "skipped": {}}
    began_s = time.monotonic()
    for name in given.scenarios:
        reason = small_disk.find_mount_obstacle() if name == "disk_full" else ""
        if reason:
            found["skipped"][name] = reason
            _print_line(f"{name}: skipped: {reason}")
            continue
        plan = build_fault_plan(name, given.seed, _count_rounds(name, given))
        _print_line(f"{name} (seed {given.seed}): {len(plan.steps)} faults in {plan.seconds:.0f} s")
        begun_s = time.monotonic()
        result = FaultScenario(plan, folder / "faults" / name, pictures, _print_line).run()
        result["seconds"] = round(time.monotonic() - begun_s, 1)
        found["scenarios"][name] = result
        _print_line("    passed" if result["passed"] else "    FAILED")
        for problem in result["problems"]:
            _print_line(f"    ! {problem}")
        write_json(folder / "faults.json", found)
    write_json(folder / "faults.json", found)
    _print_line(format_scenario_table(found))
    _print_line(f"{time.monotonic() - began_s:.0f} s; results in {folder / 'faults.json'}")
    return 0 if all(result["passed"] for result in found["scenarios"].values()) else 1


def _count_rounds(name: str, given: argparse.Namespace) -> int:
    """How many rounds of faults make all chosen scenarios take about the given minutes."""
    if given.minutes is None:
        return 1
    rounds = given.minutes * 60 / sum(ROUND_SECONDS[chosen] for chosen in given.scenarios)
    return max(1, int(rounds))


def _parse_scenarios(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"found {', '.join(unknown) or 'none'}; allowed values: {', '.join(SCENARIOS)}"
        )
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.faults", description=__doc__)
    parser.add_argument(
        "--seed",
        type=int,
        default=DEFAULT_SEED,
        help="seed of times, victims and order (default: %(default)s)",
    )
    parser.add_argument(
        "--scenarios",
        type=_parse_scenarios,
        default=list(SCENARIOS),
        help=f"comma-separated, from {','.join(SCENARIOS)} (default: all)",
    )
    parser.add_argument(
        "--minutes", type=float, help="repeat the faults for about this long (default: once, 9 min)"
    )
    parser.add_argument(
        "--mutants",
        action="store_true",
        help="instead, check that a broken gate, ledger and outbox are each reported (in copies)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=REPOSITORY / ".station",
        help="folder for faults.json and the stations' files (default: .station)",
    )
    return parser


def _print_line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_command(main))
