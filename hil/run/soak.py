"""Check that memory stays flat in a long run: `python -m hil.run.soak --parts 18000 --rate 5`.

Arguments that are not listed are passed to `python -m hil.run`.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hil.run.process_memory import (
    MemorySeries,
    find_station_processes,
    read_resident_mib,
    slope_mib_per_hour,
)
from hil.run.run_arguments import REPOSITORY

PRINT_INTERVAL_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 only if the run succeeded and no component's memory grew faster than allowed."""
    given, more = _parser().parse_known_args(arguments)
    folder: Path = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    run = subprocess.Popen(
        [sys.executable, "-m", "hil.run", "--folder", str(folder), *more], stdout=sys.stderr
    )
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends it to the run, too
    signal.signal(signal.SIGTERM, lambda *_: run.send_signal(signal.SIGINT))
    series = sample_memory(run, folder, given.interval)
    grew = print_memory_growth(series, given.warm_up, given.limit)
    print(f"The run ended with exit code {run.returncode}. Samples: {folder / 'memory.csv'}")
    return 1 if run.returncode or grew else 0


def sample_memory(
    run: "subprocess.Popen[bytes]", folder: Path, interval_s: float
) -> dict[str, MemorySeries]:
    """Sample memory until the run ends; each sample is written to memory.csv at once."""
    series: dict[str, MemorySeries] = {}
    began_s, said_s = time.monotonic(), 0.0
    with (folder / "memory.csv").open("w", buffering=1) as file:
        file.write("seconds,process,pid,resident_mib\n")
        while not _has_ended_within(run, interval_s):
            now_s = time.monotonic() - began_s
            for name, pid in find_station_processes(folder).items():
                mib = read_resident_mib(pid)
                if mib is not None:
                    series.setdefault(name, MemorySeries()).add_sample(now_s, mib, pid)
                    file.write(f"{now_s:.1f},{name},{pid},{mib:.2f}\n")
            if now_s - said_s >= PRINT_INTERVAL_S:
                said_s = now_s
                latest = "  ".join(f"{n} {s.resident_mib[-1]:.1f}" for n, s in series.items())
                print(f"{now_s / 60:.0f} min | MiB: {latest}", flush=True)
    return series


def print_memory_growth(
    series: Mapping[str, MemorySeries], warm_up_s: float, limit_mib_per_hour: float
) -> bool:
    """Print a table; True if a process grew faster than the limit after warm-up."""
    print(f"{'process':12} {'first':>8} {'last':>8} {'max':>8}  {'MiB/h':>7}  (MiB, after warm-up)")
    grew = False
    for name, one in series.items():
        samples = [
            sample
            for sample in zip(one.seconds, one.resident_mib, strict=True)
            if sample[0] >= warm_up_s
        ]
        if len(samples) < 2:
            print(f"{name:12} ran for less than the warm-up time of {warm_up_s:.0f} s")
            continue
        seconds, mib = zip(*samples, strict=True)
        slope = slope_mib_per_hour(seconds, mib)
        grew |= slope > limit_mib_per_hour
        restarts = f"  restarts: {len(one.pids) - 1}" if len(one.pids) > 1 else ""
        print(f"{name:12} {mib[0]:8.1f} {mib[-1]:8.1f} {max(mib):8.1f}  {slope:7.2f}{restarts}")
    return grew


def _has_ended_within(run: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.run.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=REPOSITORY / ".station" / "soak",
        help="folder for the run's files (default: .station/soak)",
    )
    parser.add_argument(
        "--interval", type=float, default=10.0, help="seconds between samples (default: 10)"
    )
    parser.add_argument(
        "--warm-up",
        type=float,
        default=600.0,
        help="seconds at the start that are ignored (default: 600)",
    )
    parser.add_argument(
        "--limit", type=float, default=1.0, help="allowed growth in MiB per hour (default: 1)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
