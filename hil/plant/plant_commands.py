"""Commands to the plant simulator on standard input: one JSON object per line."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from hil.plant.conveyor import Conveyor
from hil.plant.plant_status import PlantStatus
from hil.plant.plc import SimulatedPlc

FaultKind = Literal[
    "freeze_heartbeat",
    "server_away",
    "power_cycle",
    "nan_tag",
    "missing_tag",
    "jump_counter",
    "reject_falls_back",
    "ok_blown_out",
    "bin_full",
    "clear",
]


class PlantCommand(msgspec.Struct, forbid_unknown_fields=True):
    """`start`, `stop`, `acknowledge` (a line-stop), `make` (product and lot of the next parts), `belt`
    (its speed from now on), or `fault` with its kind and what that needs.
    """

    command: Literal["start", "stop", "acknowledge", "make", "belt", "fault"]
    speed_mps: float = 0.0
    product: int = 0
    lot: str = ""
    kind: FaultKind | None = None
    tag: str = ""
    seconds: float = 0.0
    by: int = 0
    first_number: int = 1


class PlantCommandHandler:
    """Executes commands."""

    def __init__(self, plc: SimulatedPlc, conveyor: Conveyor, status: PlantStatus) -> None:
        self._plc = plc
        self._conveyor = conveyor
        self._status = status
        self._under_way: set[asyncio.Task[None]] = set()
        self._faults: dict[str, Callable[[PlantCommand], Awaitable[None]]] = {
            "freeze_heartbeat": self._freeze_heartbeat,
            "server_away": lambda command: plc.drop_connections(command.seconds),
            "power_cycle": lambda command: plc.drop_connections(
                command.seconds, command.first_number
            ),
            "nan_tag": lambda command: plc.set_tag_fault(command.tag, "nan"),
            "missing_tag": lambda command: plc.set_tag_fault(command.tag, "missing"),
            "jump_counter": self._jump_counter,
            "reject_falls_back": self._let_rejects_fall_back,
            "ok_blown_out": self._blow_good_parts_out,
            "bin_full": lambda command: plc.set_bin_full(True),
            "clear": self._clear_faults,
        }

    def handle_line(self, line: bytes) -> None:
        """Execute one line, without waiting for lasting faults; invalid lines are reported."""
        task = asyncio.ensure_future(self._handle_line(line))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _handle_line(self, line: bytes) -> None:
        try:
            await self._execute(msgspec.json.decode(line, type=PlantCommand))
        except (msgspec.DecodeError, KeyError) as error:
            self._status.record_command_refused(
                f"{error}; found {line[:200].decode(errors='replace')}"
            )

    async def _execute(self, command: PlantCommand) -> None:
        if command.command == "start":
            self._conveyor.start()
        elif command.command == "stop":
            self._conveyor.stop()
        elif command.command == "acknowledge":
            await self._plc.acknowledge_line_stop()
        elif command.command == "belt":
            await self._plc.set_belt_speed(command.speed_mps)
        elif command.command == "make":
            await self._plc.set_product(command.product, command.lot)
        else:
            inject = self._faults[command.kind or ""]
            self._status.record_fault_injected(
                kind=command.kind, tag=command.tag, seconds=command.seconds
            )
            await inject(command)

    async def _freeze_heartbeat(self, command: PlantCommand) -> None:
        self._plc.heartbeat_frozen = True
        if command.seconds > 0:
            await asyncio.sleep(command.seconds)
            self._plc.heartbeat_frozen = False

    async def _jump_counter(self, command: PlantCommand) -> None:
        self._plc.jump_counter(command.by)

    async def _let_rejects_fall_back(self, command: PlantCommand) -> None:
        self._plc.lanes.falling_back = command.by

    async def _blow_good_parts_out(self, command: PlantCommand) -> None:
        self._plc.lanes.blown_out = command.by

    async def _clear_faults(self, command: PlantCommand) -> None:
        self._plc.heartbeat_frozen = False
        self._plc.lanes.falling_back = self._plc.lanes.blown_out = 0
        await self._plc.set_bin_full(False)
        if command.tag:
            await self._plc.set_tag_fault(command.tag, None)


class InputLineReader(threading.Thread):
    """Reads standard input (pipe, terminal or file) in a thread into an asyncio queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int = 0) -> None:
        super().__init__(name="input", daemon=True)
        self._loop = loop
        self._descriptor = descriptor
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def run(self) -> None:
        """Queue each line, and None at the end of the input."""
        rest = b""
        while chunk := os.read(
            self._descriptor, 65536
        ):  # raw: a buffered reader's lock hinders exit
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._post(line)
        self._post(None)

    def _post(self, line: bytes | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.lines.put_nowait, line)
