"""`make run`: run a whole station on this machine and show its progress."""

import sys
import time

from hil.run import budgets, run_summary
from hil.run.belt import BELT_REPLIES, BeltRequests
from hil.run.camera_pictures import PoolTruth, prepare_pictures
from hil.run.component_status import BrokenComponentWatch, build_component_figures
from hil.run.interrupts import InterruptSignals
from hil.run.local_station import POLL_S, LocalStation
from hil.run.run_arguments import RunArguments, parse_run_arguments
from hil.run.station_process import StationFailedError
from hil.run.station_state import AlreadyRunningError
from hil.run.terminal_progress import TerminalProgress, format_run_summary, format_state_line
from sightline.errors import SightlineError
from sightline.storage.file_modes import protect_new_files

SETTLE_TIMEOUT_S = 30.0


def main() -> int:
    """Exit code 0 only if every part is accounted for and no component failed."""
    arguments = parse_run_arguments()
    protect_new_files()
    progress = TerminalProgress()
    interrupts = InterruptSignals()
    try:
        pictures, truth = prepare_pictures(arguments, progress)
        machine = LocalStation(arguments, pictures)
        try:
            return _run(machine, arguments, truth, progress, interrupts)
        finally:
            interrupts.ignore()  # a second Ctrl-C must not leave processes behind
            machine.stop()
    except SightlineError as error:  # the pictures, the deployment file
        progress.print_line(f"Cannot start: {error}")
        return 2
    except AlreadyRunningError as error:
        progress.print_line(f"Cannot start: {error}")
        return 2
    except StationFailedError as error:
        progress.print_line(f"The station failed: {error}")
        return 1
    except KeyboardInterrupt:
        progress.print_line("Aborted. Parts on the belt are not in the summary.")
        return 130


def _run(
    machine: LocalStation,
    arguments: RunArguments,
    truth: PoolTruth | None,
    progress: TerminalProgress,
    interrupts: InterruptSignals,
) -> int:
    progress.print_line("Starting broker, cloud side, plant simulator and nucleus ...")
    began_s = time.monotonic()
    machine.start()
    progress.print_line(f"Web page: {machine.page_url}")
    machine.wait_until_ready(arguments.ready_timeout_s)
    progress.print_line(
        "All five components are ready. Starting the conveyor; press Ctrl-C to end the run."
    )
    machine.send_plant_command("start")
    try:
        _watch_run(machine, arguments, progress, interrupts)
    except KeyboardInterrupt:
        interrupts.clear()
        progress.print_line("Stopping the conveyor and waiting for the parts on it ...")
        machine.send_plant_command("stop")
    _wait_until_recorded(machine, progress)
    return _report_run(machine, arguments, truth, progress, time.monotonic() - began_s)


def _watch_run(
    machine: LocalStation,
    arguments: RunArguments,
    progress: TerminalProgress,
    interrupts: InterruptSignals,
) -> None:
    started = time.monotonic()
    belt = BeltRequests(machine.folder)
    belt.clear()
    broken = BrokenComponentWatch(machine.folder)
    while True:
        interrupts.raise_pending()
        request = belt.pop()
        if request is not None:
            machine.send_plant_command(request)
            progress.print_line(BELT_REPLIES[request])
        machine.check_processes()
        for words in broken.describe_changes(machine.read_nucleus_status()):
            progress.print_line(words)
        plant, now = machine.read_plant_status(), time.monotonic()
        progress.show_state(
            format_state_line(plant, machine.fetch_cloud_summary(), now - started), now
        )
        if arguments.parts is not None and plant["counted"] >= arguments.parts:
            return
        time.sleep(POLL_S * 5)


def _wait_until_recorded(machine: LocalStation, progress: TerminalProgress) -> None:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while time.monotonic() < deadline:
        counted = machine.read_plant_status()["counted"]
        cloud = machine.fetch_cloud_summary()
        received = cloud["records"]["received"]
        if received >= counted and run_summary.count_records_sent(cloud) >= received:
            carried = run_summary.find_carried_over(machine.fetch_records(), machine.first_number)
            if received - len(carried) >= counted:
                return
        time.sleep(POLL_S)
    progress.print_line(f"Some parts still have no record after {SETTLE_TIMEOUT_S:.0f} s.")


def _report_run(
    machine: LocalStation,
    arguments: RunArguments,
    truth: PoolTruth | None,
    progress: TerminalProgress,
    seconds: float,
) -> int:
    cloud = machine.fetch_cloud_summary()
    result = run_summary.build_run_summary(
        machine.read_plant_status(),
        cloud,
        build_component_figures(machine.read_nucleus_status()),
        truth,
        machine.fetch_records(),
        machine.first_number,
    )
    if result["records_of_earlier_runs"]:
        earlier = result["records_of_earlier_runs"]
        progress.print_line(f"Also received {earlier} records of an earlier run that was aborted.")
    overruns = budgets.find_overruns(
        result, budgets.read_run_measurements(cloud, seconds, arguments.rate_hz)
    )
    result["over_budget"] = budgets.overruns_as_json(overruns)
    run_summary.write_run_summary(result, machine.folder / "summary.json")
    progress.print_line(format_run_summary(result))
    problems = run_summary.find_run_problems(result)
    for problem in problems:
        progress.print_line(f"  ! {problem}")
    for overrun in overruns:
        progress.print_line(f"  over budget: {overrun}")
    if not problems:
        progress.print_line("Every part is accounted for.")
    return 1 if problems or (overruns and arguments.strict_budgets) else 0


if __name__ == "__main__":
    sys.exit(main())
