"""Runs a fault plan on its own station, then the checker."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hil.faults import small_disk
from hil.faults.fault_plan import (
    OVERLOAD_BEGINS_S,
    OVERLOAD_ENDS_S,
    OVERLOAD_RATE_HZ,
    UNSEEN_PARTS,
    FaultPlan,
    FaultStep,
)
from hil.faults.faulty_station import FaultyStation
from hil.faults.file_damage import copy_databases, damage_file, write_json
from hil.run.run_arguments import REPOSITORY, RunArguments
from hil.run.station_process import StationFailedError

Json = dict[str, Any]
PrintLine = Callable[[str], None]
CHECKER = Path(__file__).with_name("checker.py")
SETTLE_TIMEOUT_S = 25.0
RECOVERY_BEGINS_S, RECOVERY_ENDS_S = 0.5, 3.5
MAX_MISSED_SHARE = 0.1  # of a recovery, beyond what the machine misses undisturbed
WARM_UP_S = 2.0
MAX_VERDICT_LAG_S, CATCH_UP_TIMEOUT_S = 2.5, 8.0
BREAK_TIMEOUT_S = 25.0
DELIVERY_TIMEOUT_S = 6.0
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
WORK = "nucleus/work/com.sightline."


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Defer Ctrl-C while processes are being stopped."""
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)


class FaultScenario:
    """One scenario: start, inject faults, wait for delivery, check."""

    def __init__(
        self,
        plan: FaultPlan,
        folder: Path,
        pictures: Path,
        say: PrintLine,
        source: Path = REPOSITORY,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._say = say
        self._expect: dict[str, list[Any]] = {"recovery": [], "damaged_parts": []}
        self._problems: list[str] = []
        self._disks: dict[str, small_disk.SmallDisk] = {}
        self._began_s = 0.0
        self._began_utc_ns = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._station = FaultyStation(self._build_arguments(source), pictures)
        self._actions: dict[str, Callable[[FaultStep], None]] = {
            "kill": lambda step: self._station.kill(step.victim),
            "kill_for": self._kill_for,
            "stall": lambda step: self._station.stall(step.victim, step.seconds),
            "outlive_nucleus": lambda step: self._station.stall_and_replace_nucleus(
                step.victim, step.seconds
            ),
            "stall_and_expect": self._stall_and_expect,
            **dict.fromkeys(
                ("refuse", "swallow_sent", "swallow_received", "stand_still"), self._disturb_wire
            ),
            "lose_spool": self._lose_spool,
            **dict.fromkeys(("plc_restart", "plc_restart_kept", "plc_power"), self._disturb_plc),
            "fill_disk": self._fill_disk,
            "damage": self._damage_stored_files,
            "break_capture": self._break_capture,
        }

    def run(self) -> Json:
        """Run the scenario; a station that cannot run is reported as a problem."""
        try:
            self._mount_disks()
            self._station.start()
            self._station.wait_until_ready(90.0)
            self._inject_faults()
            self._wait_until_delivered()
        except (StationFailedError, OSError) as error:
            self._problems.append(f"the scenario could not run: {error}")
        finally:
            with block_interrupts():
                self._station.stop()
                for small in self._disks.values():
                    small.close()
        found = self._run_checker()
        if self._problems:
            found["problems"] = [*self._problems, *found.get("problems", [])]
            found["passed"] = False
        write_json(self._folder / "result.json", found)
        return {"seed": self._plan.seed, **found}

    def _build_arguments(self, source: Path) -> RunArguments:
        plant: tuple[str, ...] = ()
        if self._plan.schedule:
            schedule = self._folder / "schedule.json"
            write_json(schedule, self._plan.schedule)
            plant = ("--schedule", str(schedule))
        return RunArguments(
            parts=None,
            rate_hz=self._plan.rate_hz,
            images=None,
            folder=self._folder,
            pool=REPOSITORY / ".station" / "pool",
            pool_parts=240,
            station=f"faults-{os.getpid()}-{self._plan.name.replace('_', '-')}",
            deployment=REPOSITORY / "recipes" / "deployments" / "laptop.yaml",
            port=0,
            source=source,
            first_number=1,
            plant=plant,
        )

    def _inject_faults(self) -> None:
        self._station.send_plant_command("start")
        self._began_s, self._began_utc_ns = time.monotonic(), time.time_ns()
        for step in self._plan.steps:
            self._wait_until(step.at_s)
            self._say(f"    {step.at_s:5.1f} s  {step.action} {step.victim} {step.seconds or ''}")
            self._actions[step.action](step)
        self._wait_until(self._plan.seconds)
        if self._plan.name == "overload":
            self._expect_after_overload()
        write_json(self._folder / "expect.json", self._expect)

    def _wait_until(self, at_s: float) -> None:
        time.sleep(max(0.0, self._began_s + at_s - time.monotonic()))

    def _wait_until_delivered(self) -> None:
        self._station.send_plant_command("stop")
        time.sleep(2.6)  # the last part's way to the gate, and the record's wait for it
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        while time.monotonic() < deadline_s:
            found = self._run_checker()
            if not found.get("lost", 1) and not found.get("undelivered", 1):
                return
            time.sleep(0.5)

    def _run_checker(self) -> Json:
        finished = subprocess.run(
            [sys.executable, "-I", str(CHECKER), "--json", "--station", str(self._folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        try:
            found: Json = json.loads(finished.stdout)
        except ValueError:
            told = finished.stderr.strip().splitlines()
            return {"problems": [f"the checker failed: {told[-1:]}"], "passed": False}
        return found

    def _kill_for(self, step: FaultStep) -> None:
        self._station.kill_process(step.victim)
        time.sleep(step.seconds)
        self._station.restart_process(step.victim)

    def _stall_and_expect(self, step: FaultStep) -> None:
        self._station.stall(step.victim, step.seconds)
        self._expect_recovery(f"after {step.victim} was stalled for {step.seconds:g} s")

    def _expect_recovery(self, why: str) -> None:
        now_ns = time.time_ns()
        self._expect["recovery"].append(
            {
                "why": why,
                "from_utc_ns": now_ns + round(RECOVERY_BEGINS_S * 1e9),
                "to_utc_ns": now_ns + round(RECOVERY_ENDS_S * 1e9),
                "max_missed_share": MAX_MISSED_SHARE,
                "min_allowed": 1,
                "baseline": {
                    "from_utc_ns": self._began_utc_ns + round(WARM_UP_S * 1e9),
                    "to_utc_ns": self._began_utc_ns + round(self._plan.steps[0].at_s * 1e9),
                },
            }
        )

    def _expect_after_overload(self) -> None:
        before = sum(at_s < OVERLOAD_ENDS_S + RECOVERY_BEGINS_S for at_s in self._plan.schedule)
        usual = round(OVERLOAD_RATE_HZ * OVERLOAD_BEGINS_S)
        self._expect["recovery"].append(
            {
                "why": "after 20 s at three times the rate",
                "from_number": before + 1,
                "to_number": before + round(OVERLOAD_RATE_HZ * 9),
                "max_missed_share": MAX_MISSED_SHARE,
                "min_allowed": 1,
                "baseline": {
                    "from_number": round(OVERLOAD_RATE_HZ * WARM_UP_S),
                    "to_number": usual,
                },
            }
        )

    def _disturb_wire(self, step: FaultStep) -> None:
        wire = self._station.open_proxy()
        wire.set_state(step.action)  # type: ignore[arg-type]
        time.sleep(step.seconds)
        wire.set_state("open")

    def _lose_spool(self, step: FaultStep) -> None:
        wire = self._station.open_proxy()
        wire.set_state("swallow_sent")
        time.sleep(step.seconds / 2)
        self._station.kill(step.victim)
        wire.set_state("open")
        time.sleep(step.seconds / 2)

    def _disturb_plc(self, step: FaultStep) -> None:
        """Wait until the station follows the count: parts counted between two restarts that it did not
        notice are unknowable.
        """
        deadline_s = time.monotonic() + CATCH_UP_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if self._run_checker().get("verdict_lag_s", 0.0) < MAX_VERDICT_LAG_S:
                break
            time.sleep(0.2)
        if step.action == "plc_power":
            self._station.cut_plc_power(step.seconds)
        else:
            self._station.restart_plc(1 if step.action == "plc_restart" else 0, step.seconds)

    def _mount_disks(self) -> None:
        for step in self._plan.steps:
            if step.action == "fill_disk" and step.victim not in self._disks:
                place = "cloud" if step.victim == "cloud" else WORK + step.victim
                self._disks[step.victim] = small_disk.SmallDisk(self._folder / place)

    def _fill_disk(self, step: FaultStep) -> None:
        small = self._disks[step.victim]
        small.fill()
        time.sleep(step.seconds / 2)
        small.fill()
        if step.victim == "cloud":
            self._station.kill_process("cloud")
        else:
            self._station.kill(step.victim)
        time.sleep(step.seconds / 2)
        small.free_space()
        if step.victim == "cloud":
            self._station.restart_process("cloud")

    def _damage_stored_files(self, step: FaultStep) -> None:
        """Drain first, unless one verdict is damaged; parts are counted while the power is off."""
        places = step.victim.split(" and ")
        if not places[0].startswith("row"):
            self._station.send_plant_command("stop")
            time.sleep(2.6)
            delivered = self._is_delivered_in_time()
            self._station.send_plant_command("start")
            if not delivered:  # what is lost now would be lost by us
                self._problems.append(
                    f"{DELIVERY_TIMEOUT_S:.0f} s after the belt stopped, parts still had no "
                    f"record in the cloud; this step was skipped: {step.victim}"
                )
                return
        self._station.cut_power()
        if any("cloud/" in place for place in places):
            self._station.kill_process("cloud")
        copy_databases(self._folder, len(list(self._folder.glob("before/ledger-*.sqlite"))))
        for place in places:
            self._expect["damaged_parts"] += damage_file(self._folder, place)
        write_json(self._folder / "expect.json", self._expect)
        if any("cloud/" in place for place in places):
            try:
                self._station.restart_process("cloud")
            except StationFailedError as error:
                self._problems.append(str(error).splitlines()[0])
        time.sleep(0.5)
        self._station.start_nucleus()

    def _is_delivered_in_time(self) -> bool:
        deadline_s = time.monotonic() + DELIVERY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            found = self._run_checker()
            if not found.get("lost", 1) and not found.get("undelivered", 1):
                return True
            time.sleep(0.2)
        return False

    def _break_capture(self, step: FaultStep) -> None:
        """Kill it after each restart until it is BROKEN, then count many parts, then restart the nucleus."""
        station = self._station
        deadline_s = time.monotonic() + BREAK_TIMEOUT_S
        while station.component_state(step.victim) != "BROKEN" and time.monotonic() < deadline_s:
            if station.component_state(step.victim) == "RUNNING":
                station.kill(step.victim)
            time.sleep(0.3)
        before = station.count_parts()
        self._say(
            f"    {step.victim} is {station.component_state(step.victim)} after part {before}"
        )
        station.wait_for("the parts", lambda: station.count_parts() >= before + UNSEEN_PARTS, 90.0)
        self._say(f"    {station.count_parts() - before} parts later the nucleus is restarted")
        station.restart_nucleus()
        time.sleep(8.0)


def shorten_plan(plan: FaultPlan, steps: int, tail_s: float) -> FaultPlan:
    """The plan with its first faults only."""
    kept = plan.steps[:steps]
    last = kept[-1]
    return replace(plan, steps=kept, seconds=last.at_s + last.seconds + tail_s)
