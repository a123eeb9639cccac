"""The station under fault: the processes of `make run`, each of which can be killed or stalled."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hil.faults.broker_proxy import BrokerProxy
from hil.run.local_station import LocalStation
from hil.run.run_arguments import RunArguments
from hil.run.station_process import StationFailedError, wait_for_file

Json = dict[str, Any]
PREFIX = "com.sightline."
PROCESSES = ("broker", "cloud", "plant", "nucleus")
READY_TIMEOUT_S = 90.0
POLL_S = 0.05


class FaultyStation(LocalStation):
    """A whole station whose nucleus reaches the broker through a proxy."""

    def __init__(self, arguments: RunArguments, pictures: Path) -> None:
        super().__init__(arguments, pictures)
        self._up_timeout_s = arguments.up_timeout_s
        self._proxy: BrokerProxy | None = None
        self._paused: list[int] = []

    def nucleus_broker_address(self) -> str:
        """The proxy's address."""
        return self.open_proxy().address

    def open_proxy(self) -> BrokerProxy:
        """Open the proxy between the nucleus and the broker."""
        if self._proxy is None:
            host, _, port = self.broker_address.rpartition(":")
            self._proxy = BrokerProxy(host, int(port), self.folder / "wire.jsonl")
            self._proxy.start()
        return self._proxy

    def stop(self) -> None:
        """Continue stalled processes and stop everything."""
        for group in self._paused:
            _signal_group(group, signal.SIGCONT)
        super().stop()
        if self._proxy is not None:
            self._proxy.close()
        self._kill_leftover_processes()

    def _kill_leftover_processes(self) -> None:
        """Kill components that outlive their nucleus; they are recognised by their folder."""
        ours = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        left = [process for process in ours if _is_within(process, self.folder)]
        for process in filter(_was_started_by_a_station, left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def kill(self, victim: str) -> None:
        """`kill -9`; broker, cloud and nucleus are restarted, as their host would."""
        if victim in PROCESSES:
            self.kill_process(victim)
            self.restart_process(victim)
        else:
            _signal_group(self._process_group(victim), signal.SIGKILL)

    def restart_process(self, victim: str) -> None:
        """Restart a process on its former port."""
        if victim == "broker":
            self._restart_broker()
        elif victim == "cloud":
            self.start_cloud()
        else:
            self.start_nucleus()

    def _restart_broker(self) -> None:
        """Restart the broker; its port may be busy for a moment."""
        port = int(self.broker_address.rpartition(":")[2])
        address_file = self.folder / "broker.address"
        for _ in range(20):
            address_file.unlink(missing_ok=True)
            broker = self.start_broker(port)
            with contextlib.suppress(StationFailedError):
                wait_for_file(address_file, broker, self._up_timeout_s)
                return
            self.kill_process("broker")
            time.sleep(POLL_S * 10)
        raise StationFailedError(f"the broker did not restart on port {port}")

    def stall(self, victim: str, seconds: float) -> None:
        """SIGSTOP, then SIGCONT after this time."""
        group = self.process_id(victim) if victim in PROCESSES else self._process_group(victim)
        self._paused.append(group)
        _signal_group(group, signal.SIGSTOP)
        time.sleep(seconds)
        _signal_group(group, signal.SIGCONT)
        self._paused.remove(group)

    def stall_and_replace_nucleus(self, victim: str, seconds: float) -> None:
        """Stall a component while its nucleus is killed and restarted, then continue it."""
        group = self._process_group(victim)
        self._paused.append(group)
        _signal_group(group, signal.SIGSTOP)
        self.restart_nucleus()
        time.sleep(seconds)
        _signal_group(group, signal.SIGCONT)
        self._paused.remove(group)

    def cut_power(self) -> None:
        """Kill nucleus and components at once."""
        components = [int(c["pid"]) for c in self._components().values() if c.get("pid")]
        self.kill_process("nucleus")
        for group in components:
            _signal_group(group, signal.SIGKILL)
        self.wait_for("the components to end", lambda: not any(map(_is_alive, components)), 10.0)

    def restart_plc(self, first_number: int, away_s: float) -> None:
        """`kill -9` the plant between two counts; it restarts on its port with the belt running."""
        port = urlsplit(str(self.read_plant_status()["endpoint"])).port or 0
        self._wait_between_counts()
        self.kill_process("plant")
        self.write_plant_event("plc_killed")
        time.sleep(away_s)
        plant = self.start_plant(first_number or self.last_counted_number() + 1, port)
        wait_for_file(self.folder / "plant.json", plant, self._up_timeout_s)
        self.send_plant_command("start")

    def cut_plc_power(self, away_s: float) -> None:
        """The PLC loses connections, counter and parts on the belt; the belt runs on."""
        self._wait_between_counts()
        self.write_plant_event("plc_power_lost")
        self.send_plant_command("fault", kind="power_cycle", seconds=away_s, first_number=1)
        time.sleep(away_s)

    def write_plant_event(self, event: str) -> None:
        """Add an event to the plant's log."""
        with (self.folder / "logs" / "plant.log").open("a") as log:
            log.write("\n" + json.dumps({"event": event, "utc_ns": time.time_ns()}) + "\n")

    def last_counted_number(self) -> int:
        """The last number in the plant's log, readable while the plant is down."""
        return self._read_counted()[1]

    def count_parts(self) -> int:
        """The number of parts in the plant's log."""
        return self._read_counted()[0]

    def component_state(self, component: str) -> str:
        """A component's state in the nucleus."""
        return str(self._components().get(PREFIX + component, {}).get("state", ""))

    def wait_for(self, what: str, holds: Callable[[], bool], timeout_s: float) -> None:
        """Wait until it holds; StationFailedError on timeout."""
        deadline_s = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline_s:
                raise StationFailedError(f"timed out after {timeout_s:.0f} s waiting for {what}")
            time.sleep(POLL_S)

    def _wait_between_counts(self) -> None:
        before = self.count_parts()
        with contextlib.suppress(StationFailedError):
            self.wait_for("a part", lambda: self.count_parts() > before, 3.0)
        time.sleep(0.6 / self._arguments.rate_hz)

    def _read_counted(self) -> tuple[int, int]:
        found, last = 0, 0
        log = self.folder / "logs" / "plant.log"
        for line in log.read_text(errors="replace").splitlines():
            if '"part_counted"' in line:
                with contextlib.suppress(ValueError):
                    found, last = found + 1, int(json.loads(line)["number"])
        return found, last

    def _components(self) -> Json:
        with contextlib.suppress(OSError, ValueError):
            components: Json = self.read_nucleus_status()["components"]
            return components
        return {}

    def _process_group(self, component: str) -> int:
        """The component's process group; 0 if it does not run or the id belongs to another process."""
        told = self._components().get(PREFIX + component, {})
        group = int(told.get("pid") or 0)
        return group if group and _is_within(group, self.folder) else 0


def _is_within(process: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cwd").readlink().is_relative_to(folder)
    return False


def _was_started_by_a_station(process: int) -> bool:
    """Whether a station started the process; a user's shell may have the same working folder."""
    with contextlib.suppress(OSError):
        return b"SIGHTLINE_PYTHON=" in Path(f"/proc/{process}/environ").read_bytes()
    return False


def _is_alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group > 1:
            os.killpg(group, number)
