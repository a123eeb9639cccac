"""A station that a test has started: drive it, disturb it, and read what came of each part."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from hil.run.local_station import LocalStation
from hil.run.run_arguments import RunArguments
from sightline.imaging.frame_ring import ring_path

Json = dict[str, Any]
READY_TIMEOUT_S = 60.0


class RunningStation:
    """One station and what tests do with it."""

    def __init__(self, arguments: RunArguments, pictures: Path) -> None:
        self.arguments = arguments
        self.machine = LocalStation(arguments, pictures)
        self.folder = arguments.folder

    def start(self) -> None:
        """Bring it up, wait until it is ready, and let the conveyor run."""
        self.machine.start()
        self.machine.wait_until_ready(READY_TIMEOUT_S)
        self.machine.send_plant_command("start")

    def stop(self) -> None:
        """Take it down."""
        self.machine.stop()

    def stop_and_leave_nothing(self) -> None:
        """Take it down; the test fails if a process or the shared memory is left."""
        processes = self.processes()
        self.stop()
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive, f"left running: {alive}"
        assert not self.ring.exists()

    @property
    def ring(self) -> Path:
        """The file of the station's frames."""
        return ring_path(self.arguments.station)

    def wait_for(self, what: str, holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Wait until a condition holds; the test fails with its name if it never does."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain: {what}"
            time.sleep(0.05)

    def wait_for_parts(self, count: int) -> None:
        """Wait until the PLC has counted so many parts."""
        self.wait_for(f"{count} parts counted", lambda: self.counted() >= count, 120.0)

    def wait_until_settled(self) -> None:
        """Wait until all parts of the run were counted and have a record in the cloud."""
        parts = self.arguments.parts or 0
        self.wait_for_parts(parts)
        self.wait_for("a record of each part", lambda: len(self.records()) >= self.counted(), 60.0)

    def stop_line(self) -> None:
        """Stop the conveyor, and wait until each part that was counted has a record in the cloud."""
        self.machine.send_plant_command("stop")
        self.wait_for("the parts under way", self._line_is_empty)
        self.wait_for("a record of each part", lambda: len(self.records()) >= self.counted(), 60.0)

    def counted(self) -> int:
        """Parts that the PLC counted."""
        return int(self.machine.read_plant_status()["counted"])

    def records(self) -> list[Json]:
        """All records in the cloud, in order of their part numbers."""
        records: list[Json] = []
        query = "/api/parts?limit=500"
        while True:
            answer = self.machine.fetch_from_cloud(query)
            records.extend(answer["parts"])
            if answer.get("next") is None:
                return sorted(records, key=lambda r: (r["epoch"], r["partNumber"]))
            query = f"/api/parts?limit=500&before={answer['next']}"

    def gate_actions(self) -> dict[int, str]:
        """What the PLC's gate did with each part, from the PLC itself."""
        outcomes = self.machine.read_plant_status()["outcomes"]
        return {int(number): str(action) for number, action in outcomes.items()}

    def check_gate(self, records: list[Json]) -> None:
        """Each record has what the gate did; only ok passed, and all ok did that came in time."""
        gate = self.gate_actions()
        for record in records:
            assert record["gate"] == gate[record["partNumber"]], record
            assert record["gate"] == "rejected" or record["verdict"] == "ok", record
        held_back = [r for r in records if (r["verdict"], r["gate"]) == ("ok", "rejected")]
        causes = self.machine.read_plant_status()["rejected_by_cause"]
        too_late = sum(causes.get(c, 0) for c in ("no_verdict", "late_verdict", "heartbeat"))
        assert len(held_back) <= too_late, held_back  # none, where the machine has time

    def components(self) -> Json:
        """The nucleus's status of each component."""
        components: Json = self.machine.read_nucleus_status()["components"]
        return components

    def kill(self, component: str) -> None:
        """`kill -9` of the component's process group, and wait until it runs again."""
        before = self.components()[component]
        os.killpg(os.getpgid(int(before["pid"])), signal.SIGKILL)
        self.wait_for(
            f"{component} runs again",
            lambda: self._restarted(component, int(before["restarts"])),
        )

    def _line_is_empty(self) -> bool:
        status = self.machine.read_plant_status()
        return len(status["outcomes"]) == int(status["counted"])

    def _restarted(self, component: str, restarts_before: int) -> bool:
        now = self.components()[component]
        return int(now["restarts"]) > restarts_before and now["state"] == "RUNNING"

    def processes(self) -> list[psutil.Process]:
        """All processes of this station, the components' among them."""
        return [p for root in self.machine._processes for p in _family(root.pid)]


def machine_is_busy() -> bool:
    """Whether so much else runs here that parts may be late through no fault of the station."""
    return os.getloadavg()[0] > 2 * (os.cpu_count() or 1)


def is_unseen(record: Json) -> bool:
    """Whether a part is missed as no picture of it came; too late on a busy machine is another matter."""
    in_time = "too late" not in record["reason"] and "after the part" not in record["reason"]
    return record["verdict"] == "missed" and in_time


def _family(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
