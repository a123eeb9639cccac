"""Starts and stops a whole station on this machine, leaving no processes behind."""

import contextlib
import json
import os
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloud.wire.broker_login import write_new_login
from hil.nucleus.__main__ import SUBSCRIPTION_LOSS_SIGNALS
from hil.nucleus.nucleus import SubscriptionKind
from hil.run.component_status import describe_broken_component
from hil.run.run_arguments import RunArguments
from hil.run.station_process import StationFailedError, StationProcess, wait_for_file
from hil.run.station_state import StationLock, prepare_run_folder, read_next_part_number
from hil.run.summary_baseline import SummaryBaseline

COMPONENTS = ("Capture", "Inference", "Equipment", "Telemetry", "Publisher")
POLL_S = 0.1
RESPONSE_TIMEOUT_S = 20.0
PAGE_PARTS = 500
Json = dict[str, Any]
SIGNALS_BEHIND_GATE: dict[str, Json] = {  # which the plant simulator has, and not every PLC
    "opcua": {
        "nodes": {
            "rejectBinFull": "nsu=urn:sightline:plc;s=Reject.BinFull",
            "confirmationNumbers": "nsu=urn:sightline:plc;s=Confirmation.Numbers",
            "confirmationTimes": "nsu=urn:sightline:plc;s=Confirmation.Times",
            "confirmationResults": "nsu=urn:sightline:plc;s=Confirmation.Results",
            "confirmationCounter": "nsu=urn:sightline:plc;s=Confirmation.Counter",
        }
    },
    "modbus": {"registers": {"rejectBinFull": 15, "confirmationCounter": 16, "confirmations": 800}},
}


class LocalStation:
    """Broker, cloud side, plant and nucleus as processes; the nucleus starts the components."""

    def __init__(self, arguments: RunArguments, pictures: Path) -> None:
        self._arguments = arguments
        self._pictures = pictures
        self.folder = arguments.folder
        self._processes: list[StationProcess] = []
        self._lock = StationLock(arguments.folder, arguments.station)
        self._baseline: SummaryBaseline | None = None
        self.page_url = ""
        self.broker_address = ""
        self.first_number = 1

    def start(self) -> None:
        """Start all processes; returns when each has written its address.

        AlreadyRunningError if another run has the folder or the station's name.
        """
        self._lock.acquire()
        began_utc_ns = time.time_ns()
        arguments = self._arguments
        prepare_run_folder(self.folder, (arguments.recipes, arguments.deployment))
        first_number = arguments.first_number or read_next_part_number(self.folder)
        self.first_number = first_number
        write_new_login(self.broker_login_file)
        broker = self.start_broker(port=0)
        plant = self.start_plant(first_number)
        address = wait_for_file(
            self.folder / "broker.address", broker, self._arguments.up_timeout_s
        )
        self.broker_address = address if ":" in address else f"127.0.0.1:{address}"
        cloud = self._spawn_cloud()
        wait_for_file(self.folder / "plant.json", plant, self._arguments.up_timeout_s)
        self._start_nucleus(self.read_plant_status()["endpoint"])
        self._wait_for_page(cloud)
        self._baseline = SummaryBaseline.from_summary(
            self.fetch_from_cloud("/api/summary"), began_utc_ns
        )

    def start_broker(self, port: int) -> StationProcess:
        """Start the MQTT broker; port 0 picks a free one."""
        address_file = str(self.folder / "broker.address")
        arguments = ("--port", f"{port}", "--port-file", address_file)
        return self._spawn("broker", "hil.nucleus.broker", *arguments, *self._login_arguments())

    @property
    def broker_login_file(self) -> Path:
        """The file with this run's login at the broker; only its owner reads it."""
        return self.folder / "broker.login"

    def _login_arguments(self) -> tuple[str, str]:
        return "--broker-login", str(self.broker_login_file)

    def start_plant(self, first_number: int, port: int = 0) -> StationProcess:
        """Start the PLC and its conveyor; its endpoint is known once plant.json exists."""
        arguments = self._arguments
        (self.folder / "plant.json").unlink(missing_ok=True)
        return self._spawn(
            *("plant", "hil.plant", "--rate", f"{arguments.rate_hz}", "--port", f"{port}"),
            *("--protocol", arguments.plc),
            *("--status", str(self.folder / "plant.json"), "--first-number", f"{first_number}"),
            *(("--parts", f"{arguments.parts}") if arguments.parts else ()),
            *arguments.plant,
        )

    def nucleus_broker_address(self) -> str:
        """The broker's address, as passed to the nucleus."""
        return self.broker_address

    def process_id(self, name: str) -> int:
        """The id of a process, which leads its own process group."""
        return self._process(name).pid

    def stop_process(self, name: str) -> None:
        """Stop one of the processes."""
        process = self._process(name)
        self._processes.remove(process)
        process.stop()

    def kill_process(self, name: str) -> None:
        """Kill one of the processes, as a power cut would."""
        process = self._process(name)
        self._processes.remove(process)
        process.kill()

    def start_cloud(self) -> None:
        """Start the cloud side with its stored data; returns when its page answers."""
        (self.folder / "cloud.address").unlink(missing_ok=True)
        self._wait_for_page(self._spawn_cloud())

    def lose_subscriptions(self, kind: SubscriptionKind) -> None:
        """Make the nucleus lose subscriptions silently, as Nucleus Lite does when a daemon restarts."""
        number = next(number for number, lost in SUBSCRIPTION_LOSS_SIGNALS.items() if lost == kind)
        os.kill(self._process("nucleus").pid, number)

    def restart_nucleus(self) -> None:
        """Kill the nucleus as a power cut would, and start it again."""
        self.kill_process("nucleus")
        self.start_nucleus()

    def start_nucleus(self) -> None:
        """Start the nucleus with its stored data."""
        self._start_nucleus(self.read_plant_status()["endpoint"])

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the cloud side has received a ready report from each component."""
        deadline = time.monotonic() + timeout_s
        waiting = dict.fromkeys(COMPONENTS, "no report yet")
        while waiting and time.monotonic() < deadline:
            self.check_processes()
            waiting = _describe_not_ready(self.fetch_cloud_summary().get("health", {}))
            time.sleep(self._arguments.poll_s)
        if waiting:
            reasons = "".join(f"\n  {name}: {reason}" for name, reason in waiting.items())
            reasons += "".join(f"\n  {words}" for words in self._describe_down_components())
            raise StationFailedError(
                f"not ready after {timeout_s:.0f} s:{reasons}\n"
                f"Component logs: {self.folder / 'nucleus' / 'logs'}"
            )

    @property
    def poll_s(self) -> float:
        """The interval at which callers poll this station."""
        return self._arguments.poll_s

    def send_plant_command(self, command: str, **more: object) -> None:
        """Send a command to the plant simulator."""
        self._process("plant").write_line(json.dumps({"command": command, **more}))

    def read_plant_status(self) -> Json:
        """Read what the PLC counted and what its gate did."""
        return _read_json(self.folder / "plant.json")

    def read_nucleus_status(self) -> Json:
        """Read the nucleus's components: state, process, restarts, CPU, memory."""
        return _read_json(self.folder / "nucleus" / "status.json")

    def fetch_cloud_summary(self) -> Json:
        """Fetch the cloud side's summary, with the counts of this run only."""
        summary = self.fetch_from_cloud("/api/summary")
        return self._baseline.subtract_from(summary) if self._baseline is not None else summary

    def fetch_records(self) -> list[Json]:
        """Fetch the records that the cloud side received in this run, newest first.

        Those of an earlier run that was cut off are among them (`summary.carried_over`).
        """
        wanted = int(self.fetch_cloud_summary()["records"]["received"])
        records: list[Json] = []
        query = f"/api/parts?limit={PAGE_PARTS}"
        while len(records) < wanted:
            answer = self.fetch_from_cloud(query)
            # a gap stands for many parts and is no record
            records.extend(part for part in answer["parts"] if "recordId" in part)
            if answer.get("next") is None:
                break
            query = f"/api/parts?limit={PAGE_PARTS}&before={answer['next']}"
        return records[:wanted]

    def fetch_from_cloud(self, path: str) -> Json:
        """Fetch a path from the cloud side; StationFailedError if it does not answer."""
        try:
            with urllib.request.urlopen(
                self.page_url + path, timeout=RESPONSE_TIMEOUT_S
            ) as response:
                answer: Json = json.load(response)
        except OSError as error:
            raise StationFailedError(f"{self.page_url}{path} does not answer: {error}") from error
        return answer

    def check_processes(self) -> None:
        """StationFailedError if one of the processes has ended."""
        for process in self._processes:
            if process.exit_code() is not None:
                raise StationFailedError(
                    f"{process.name} ended unexpectedly with exit code {process.exit_code()}:\n"
                    f"{process.log_tail()}"
                )

    def stop(self) -> None:
        """Stop everything, the nucleus first, so that components finish their work."""
        others = [process for process in self._processes if process.name != "nucleus"]
        for process in self._processes:
            if process.name == "nucleus":
                process.stop()
        for process in others:
            process.request_stop()
        for process in others:
            process.stop()
        if self._processes:  # else the ring is another run's
            with contextlib.suppress(FileNotFoundError):
                Path(f"/dev/shm/sightline-{self._arguments.station}.ring").unlink()
        self._processes = []
        self._lock.release()

    def _describe_down_components(self) -> list[str]:
        """Describe broken or failing components; empty without a status."""
        try:
            components = self.read_nucleus_status()["components"]
        except (OSError, ValueError):
            return []
        told = (
            describe_broken_component(name, component) for name, component in components.items()
        )
        return [words for words in told if words]

    def _spawn_cloud(self) -> StationProcess:
        return self._spawn(
            *("cloud", "cloud", "--broker", self.broker_address),
            *self._login_arguments(),
            *("--database", str(self.folder / "cloud" / "records.sqlite")),
            *("--evidence", str(self.folder / "evidence")),
            *("--port", f"{self._arguments.port}"),
            *("--address-file", str(self.folder / "cloud.address")),
        )

    def _wait_for_page(self, cloud: StationProcess) -> None:
        timeout_s = self._arguments.up_timeout_s
        address = wait_for_file(self.folder / "cloud.address", cloud, timeout_s)
        self.page_url = address if "://" in address else f"http://{address}"

    def _start_nucleus(self, plc_endpoint: str) -> None:
        merges: dict[str, dict[str, Any]] = {
            "com.sightline.Capture": {
                "source": {"kind": "images", "folder": str(self._pictures)},
            },
            "com.sightline.Equipment": {
                "link": {
                    "kind": self._arguments.plc,
                    self._arguments.plc: {
                        "endpoint": plc_endpoint,
                        **SIGNALS_BEHIND_GATE[self._arguments.plc],
                    },
                }
            },
        }
        for component, values in self._arguments.merges.items():
            merges[component] = _merge_values(merges.get(component, {}), values)
        merge_file = self.folder / "nucleus-merge.json"
        merge_file.write_text(json.dumps(merges, indent=2))
        self._spawn(
            *("nucleus", "hil.nucleus", "--root", str(self.folder / "nucleus")),
            *("--recipes", str(self._arguments.recipes), "--source", str(self._arguments.source)),
            *("--deployment", str(self._arguments.deployment), "--merge", str(merge_file)),
            *("--broker", self.nucleus_broker_address(), "--thing-name", self._arguments.station),
            *("--dialect", self._arguments.nucleus),
            *self._login_arguments(),
        )

    def _spawn(self, name: str, *module: str) -> StationProcess:
        environment = {**os.environ, "SIGHTLINE_PYTHON": sys.executable}
        process = StationProcess(name, module, self.folder / "logs", environment)
        self._processes.append(process)
        return process

    def _process(self, name: str) -> StationProcess:
        return next(process for process in self._processes if process.name == name)


def _merge_values(values: Mapping[str, Any], more: Mapping[str, Any]) -> Json:
    """Merge two configurations recursively; `more` wins."""
    merged = dict(values)
    for key, value in more.items():
        known = merged.get(key)
        nested = isinstance(known, dict) and isinstance(value, Mapping)
        merged[key] = _merge_values(known, value) if nested else value  # type: ignore[arg-type]
    return merged


def _describe_not_ready(health: Json) -> dict[str, str]:
    """The components that are not ready, with their faults."""
    found = {name: health.get(f"com.sightline.{name}") for name in COMPONENTS}
    return {
        name: "; ".join(fault["text"] for fault in told["faults"]) if told else "no report yet"
        for name, told in found.items()
        if not (told and told["ready"])
    }


def _read_json(path: Path) -> Json:
    content: Json = json.loads(path.read_text())
    return content
