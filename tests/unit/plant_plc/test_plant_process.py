"""`python -m hil.plant` as the bench uses it: told by lines, tells by lines and a status file."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from pymodbus.client import ModbusTcpClient

ROOT = Path(__file__).parents[3]


class Plant:
    """The process, with its events so far."""

    def __init__(self, status: Path, *arguments: str) -> None:
        self._status = status
        self.events: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hil.plant", "--status", str(status), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, **command: object) -> None:
        """Give it a command."""
        self.tell_line(json.dumps(command).encode())

    def tell_line(self, line: bytes) -> None:
        """Give it a line, whatever it says."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind, in order."""
        return [event for event in self.events if event["event"] == kind]

    def status(self) -> dict[str, Any]:
        """What its file says; empty while there is none."""
        return dict(json.loads(self._status.read_text())) if self._status.is_file() else {}

    def end(self) -> int:
        """End its input, and wait for it; the exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self._process.wait(30)
        self._reader.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def kill(self) -> None:
        """End it for sure."""
        if self._process.poll() is None:
            self._process.kill()
            self.end()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(
        tmp_path / "status.json", "--rate", "20", "--parts", "6", "--gate-distance", "0.2"
    )
    try:
        wait_for("the endpoint", lambda: "endpoint" in plant.status())
        yield plant
    finally:
        plant.kill()


def test_it_counts_its_parts_rejects_them_for_want_of_a_station_and_ends_with_its_input(
    plant: Plant,
) -> None:
    assert plant.status()["counted"] == 0
    plant.tell(command="start")
    wait_for("six outcomes", lambda: plant.status()["rejected"] == 6)
    assert plant.end() == 0
    status = plant.status()
    assert (status["counted"], status["passed"], status["rejected"]) == (6, 0, 6)
    assert status["rejected_by_cause"] == {"heartbeat": 6}
    assert status["outcomes"] == {str(number): "rejected" for number in range(1, 7)}
    assert [event["number"] for event in plant.events_of("part_counted")] == [1, 2, 3, 4, 5, 6]
    counted = {e["number"]: e["counted_utc_ns"] for e in plant.events_of("part_counted")}
    for event in plant.events_of("gate_acted"):
        way_s = (event["acted_utc_ns"] - counted[event["number"]]) / 1e9
        assert way_s == pytest.approx(0.4, abs=0.15)  # 0.2 m at 0.5 m/s, whenever the loop woke


def test_lines_that_make_no_sense_are_told_and_change_nothing(plant: Plant) -> None:
    for line in (
        b"{",
        b'{"command": "dance"}',
        b'{"command": "fault", "kind": "nan_tag", "tag": "x"}',
        b'{"command": "fault"}',
    ):
        plant.tell_line(line)
    wait_for("four refusals", lambda: len(plant.events_of("command_refused")) == 4)
    plant.tell(command="start")
    wait_for("all parts", lambda: plant.status()["counted"] == 6)


def test_faults_are_carried_out_and_told(plant: Plant) -> None:
    plant.tell(command="fault", kind="jump_counter", by=1000)
    plant.tell(command="fault", kind="missing_tag", tag="vibration")
    plant.tell(command="start")
    wait_for("all parts", lambda: plant.status()["counted"] == 6)
    numbers = [event["number"] for event in plant.events_of("part_counted")]
    assert numbers == list(range(1001, 1007))
    assert [event["kind"] for event in plant.events_of("fault")] == ["jump_counter", "missing_tag"]
    assert read_vibration(plant) == "BadNodeIdUnknown"
    plant.tell(command="fault", kind="clear", tag="vibration")
    wait_for("the tag is back", lambda: read_vibration(plant) == "Good")


def read_vibration(plant: Plant) -> str:
    """The status with which a client reads the tag."""

    async def read() -> str:
        async with Client(plant.status()["endpoint"]) as client:
            index = await client.get_namespace_index("urn:sightline:plc")
            node = client.get_node(ua.NodeId("Machine.Vibration", index))
            (data,) = await client.read_attributes([node])
            return str(data.StatusCode.name)

    return asyncio.run(read())


def test_over_modbus_it_does_the_same_and_a_line_stop_holds_the_belt_until_acknowledged(
    tmp_path: Path,
) -> None:
    arguments = ("--rate", "20", "--parts", "6", "--gate-distance", "0.2", "--protocol", "modbus")
    plant = Plant(tmp_path / "status.json", *arguments)
    try:
        wait_for("the endpoint", lambda: "endpoint" in plant.status())
        scheme, _, address = plant.status()["endpoint"].partition("://")
        assert scheme == "modbus-tcp"
        host, _, port = address.partition(":")
        with ModbusTcpClient(host, port=int(port)) as client:
            client.write_registers(13, [1])  # Station.LineStop
            plant.tell(command="start")
            wait_for("the belt is wanted", lambda: belt_wanted(client))
            assert plant.status()["counted"] == 0
            assert client.read_holding_registers(12).registers == [0]  # Line.Running
            plant.tell(command="acknowledge")
            wait_for("six outcomes", lambda: plant.status()["rejected"] == 6)
            assert client.read_holding_registers(0, count=2).registers == [0, 6]
            assert client.read_holding_registers(10, count=4).registers == [0, 6, 0, 0]
            assert client.read_holding_registers(100, count=8).registers[:2] == [0, 1]
            assert client.write_registers(0, [0, 9]).exception_code == 2  # the counter is the PLC's
            assert client.read_coils(0).exception_code == 1
    finally:
        plant.kill()


def belt_wanted(client: ModbusTcpClient) -> bool:
    """Whether the plant has had time to feed parts: the motor's readings move on."""
    before = client.read_holding_registers(700, count=2).registers
    time.sleep(0.25)
    return bool(client.read_holding_registers(700, count=2).registers != before)


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "hil.plant", "--rate", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 2
    assert "--rate, --speed and --gate-distance must be more than 0" in process.stderr
