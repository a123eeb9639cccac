"""`make hil`: run the bench's tests on the virtual rig, or with BENCH=FILE on this machine's hardware."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hil.bench.bench_description import BENCH_VARIABLE, load_bench
from hil.bench.bench_report import format_outcome_counts, parse_junit_results, write_report_page
from hil.run.run_arguments import REPOSITORY
from sightline.errors import ConfigurationError

RIG = REPOSITORY / "hil" / "rig"
VIRTUAL = RIG / "bench.yaml"
PROGRAMS = ("qemu-system-x86_64", "modprobe", "cpio", "busybox", "mmdebstrap", "mksquashfs")
PACKAGES = "qemu-system-x86 kmod cpio busybox-static mmdebstrap squashfs-tools"
BENCH_TESTS = "hil/bench"
NODE_TESTS = "tests/faults/test_v4l2_nodes.py"
JUNIT = "junit.xml"
RIG_BASE_FOLDER = "/dev/shm/bench"
PYTEST = ("-m", "pytest", "-v", "-p", "no:cacheprovider", "-o", "timeout=1200")
EXIT_PASSED, EXIT_FAILED, EXIT_WRONG = 0, 1, 2


def find_rig_obstacle() -> str:
    """Why the virtual rig cannot be built here; empty if it can."""
    missing = [
        program for program in PROGRAMS if shutil.which(program, path=_build_search_path()) is None
    ]
    if missing:
        return f"{', '.join(missing)} not found; run: apt-get install {PACKAGES}"
    if os.getuid() != 0 and not (REPOSITORY / ".cache" / "rig" / "packages.squashfs").exists():
        return "building the rig needs root (for mmdebstrap and apt)"
    return ""


def _build_rig() -> str:
    """Build the missing parts of the rig; returns why it failed, empty on success."""
    words = ("bash", str(RIG / "build.sh"))
    built = subprocess.run(words, env={**os.environ, "PATH": _build_search_path()}, check=False)
    return "" if built.returncode == 0 else "the build failed; see the output above"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if all tests passed, 1 if not, 2 for a wrong bench file."""
    given = _parser().parse_args(arguments)
    path: Path = given.bench or VIRTUAL
    try:
        bench = load_bench(path)
    except ConfigurationError as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return EXIT_WRONG
    is_virtual = path.resolve() == VIRTUAL
    began_s = time.monotonic()
    if is_virtual and (why := find_rig_obstacle() or _build_rig()):
        print(f"Skipping the virtual rig: {why}")
        return EXIT_PASSED if given.skip_without_rig else EXIT_FAILED
    out: Path = (given.out / bench.name).resolve()
    out.mkdir(parents=True, exist_ok=True)
    (out / JUNIT).unlink(missing_ok=True)
    run = _run_in_rig if is_virtual else _run_here
    code = run(out, path, given.k)
    return _report_results(out, bench.name, time.monotonic() - began_s, code)


def _run_in_rig(out: Path, path: Path, chosen: str) -> int:
    """Run all tests in one boot of the virtual machine; failed tests leave their logs in `out`."""
    where = path.resolve().relative_to(REPOSITORY)
    keyword = f" -k '{chosen}'" if chosen else ""
    tests = f"python3 {' '.join(PYTEST)} --junitxml=/out/{JUNIT} --basetemp={RIG_BASE_FOLDER}"
    run = f"{RIG_BASE_FOLDER}/bench0/*"
    logs = f"{run}/run/logs {run}/run/nucleus/logs {run}/recording"
    command = (
        f"{BENCH_VARIABLE}=/repository/{where} {tests} {NODE_TESTS} {BENCH_TESTS}{keyword}; "
        f"code=$?; mkdir -p /out/logs; cp -r {logs} /out/logs/ 2>/dev/null; (exit $code)"
    )
    environment = {
        **os.environ,
        "PATH": _build_search_path(),
        "RIG_OUT": str(out),
        "RIG_FOLLOW": "1",
    }
    environment.setdefault("RIG_TIMEOUT_S", "1800")
    rig = ("bash", str(RIG / "run.sh"), command)
    return subprocess.run(rig, env=environment, check=False).returncode


def _run_here(out: Path, path: Path, chosen: str) -> int:
    words = [*PYTEST, f"--junitxml={out / JUNIT}", BENCH_TESTS]
    words += ["-k", chosen] if chosen else []
    environment = {**os.environ, BENCH_VARIABLE: str(path.resolve())}
    command = (sys.executable, *words, f"--basetemp={out / 'run'}")
    return subprocess.run(command, env=environment, cwd=REPOSITORY, check=False).returncode


def _report_results(out: Path, bench: str, seconds: float, code: int) -> int:
    if not (out / JUNIT).is_file():
        print(f"The tests wrote no results; see {out}")
        return EXIT_FAILED
    results = parse_junit_results(out / JUNIT)
    page = write_report_page(results, bench, seconds, out / "index.html")
    for one in results:
        if one.outcome == "skipped":
            print(f"  skipped: {one.sentence}: {one.reason}")
    print(f"{bench}: {format_outcome_counts(results)}, in {seconds:.0f} s; {page}")
    failed = code != 0 or any(one.outcome == "failed" for one in results)
    return EXIT_FAILED if failed else EXIT_PASSED


def _build_search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.bench", description=__doc__)
    parser.add_argument(
        "--bench",
        type=Path,
        help="bench description, such as hil/bench.yaml (default: virtual rig)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=REPOSITORY / "build" / "bench",
        help="folder for reports (default: build/bench)",
    )
    parser.add_argument(
        "-k", default="", help="run only tests whose names match, as with pytest -k"
    )
    parser.add_argument(
        "--skip-without-rig",
        action="store_true",
        help="if the virtual rig cannot be built, print the reason and exit with code 0",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
