"""`make run`: the whole station on this machine, with progress, until all parts are through."""

import sys
import time

from hil import budgets
from hil.run import summary
from hil.run.arguments import RunArguments, parse
from hil.run.belt import WORDS, BeltWishes
from hil.run.components import BrokenComponents, component_figures
from hil.run.interrupts import Interrupts
from hil.run.kept_state import AlreadyRunning
from hil.run.pictures import Truth, prepare_pictures
from hil.run.processes import StationFailed
from hil.run.progress import Progress, state_line, summary_text
from hil.run.station import POLL_S, OneMachine

SETTLE_TIMEOUT_S = 30.0


def main() -> int:
    """Exit code 0 only if every part is accounted for and no component failed."""
    arguments = parse()
    progress = Progress()
    interrupts = Interrupts()
    try:
        pictures, truth = prepare_pictures(arguments, progress)
        machine = OneMachine(arguments, pictures)
        try:
            return _run(machine, arguments, truth, progress, interrupts)
        finally:
            interrupts.ignore()  # a second Ctrl-C must not leave processes behind
            machine.stop()
    except AlreadyRunning as error:
        progress.say(f"Refused: {error}")
        return 2
    except StationFailed as error:
        progress.say(f"The station failed: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("Stopped at once; what was under way is not in the summary.")
        return 130


def _run(
    machine: OneMachine,
    arguments: RunArguments,
    truth: Truth | None,
    progress: Progress,
    interrupts: Interrupts,
) -> int:
    progress.say("Starting broker, cloud side, plant and nucleus ...")
    began_s = time.monotonic()
    machine.start()
    progress.say(f"The page: {machine.page}")
    machine.wait_until_ready(arguments.ready_timeout_s)
    progress.say("All five components are ready; the conveyor starts. Ctrl-C ends the run.")
    machine.tell_plant("start")
    try:
        _watch(machine, arguments, progress, interrupts)
    except KeyboardInterrupt:
        interrupts.settled()
        progress.say("Stopping the conveyor and settling the parts under way ...")
        machine.tell_plant("stop")
    _settle(machine, progress)
    return _conclude(machine, arguments, truth, progress, time.monotonic() - began_s)


def _watch(
    machine: OneMachine, arguments: RunArguments, progress: Progress, interrupts: Interrupts
) -> None:
    started = time.monotonic()
    belt = BeltWishes(machine.folder)
    belt.forget()
    broken = BrokenComponents(machine.folder)
    while True:
        interrupts.check()
        wish = belt.take()
        if wish is not None:
            machine.tell_plant(wish)
            progress.say(WORDS[wish])
        machine.check_processes()
        for words in broken.news(machine.nucleus_status()):
            progress.say(words)
        plant, now = machine.plant_status(), time.monotonic()
        progress.show(state_line(plant, machine.cloud_summary(), now - started), now)
        if arguments.parts is not None and plant["counted"] >= arguments.parts:
            return
        time.sleep(POLL_S * 5)


def _settle(machine: OneMachine, progress: Progress) -> None:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while time.monotonic() < deadline:
        counted = machine.plant_status()["counted"]
        cloud = machine.cloud_summary()
        received = cloud["records"]["received"]
        if received >= counted and summary.records_sent(cloud) >= received:
            carried = summary.carried_over(machine.records(), machine.first_number)
            if received - len(carried) >= counted:
                return
        time.sleep(POLL_S)
    progress.say(f"Some parts were not accounted for within {SETTLE_TIMEOUT_S:.0f} s.")


def _conclude(
    machine: OneMachine,
    arguments: RunArguments,
    truth: Truth | None,
    progress: Progress,
    seconds: float,
) -> int:
    cloud = machine.cloud_summary()
    result = summary.summarize(
        machine.plant_status(),
        cloud,
        component_figures(machine.nucleus_status()),
        truth,
        machine.records(),
        machine.first_number,
    )
    if result["records_of_earlier_runs"]:
        earlier = result["records_of_earlier_runs"]
        progress.say(f"{earlier} records of an earlier run, which was cut off, came, too.")
    overruns = budgets.overruns(result, budgets.run_of(cloud, seconds, arguments.rate_hz))
    result["over_budget"] = budgets.as_json(overruns)
    summary.write(result, machine.folder / "summary.json")
    progress.say(summary_text(result))
    problems = summary.complaints(result)
    for problem in problems:
        progress.say(f"  ! {problem}")
    for overrun in overruns:
        progress.say(f"  over budget: {overrun}")
    if not problems:
        progress.say("Every part is accounted for.")
    return 1 if problems or (overruns and arguments.strict_budgets) else 0


if __name__ == "__main__":
    sys.exit(main())
