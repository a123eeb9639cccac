"""The PLC: an OPC UA server that counts parts, owns the reject gate, and rejects by default."""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from asyncua import Server, ua

from hil.plant.address_space import AddressSpace
from hil.plant.gate import CAUSES, Gate, GateSettings, Outcome
from hil.plant.machine import MACHINE_TAGS, MachineModel

logging.getLogger("asyncua").setLevel(logging.ERROR)  # each start warns that there is no encryption

KEPT_OUTCOMES = 64
ACTION_CODES = {"passed": 1, "rejected": 2}
CAUSE_CODES = {cause: code for code, cause in enumerate(CAUSES)}
MACHINE_INTERVAL_S = 0.1
UINT32 = 2**32


@dataclass(frozen=True)
class PlcSettings:
    """How the PLC is set up; `first_number` is the number of the first part it will count."""

    host: str = "127.0.0.1"
    port: int = 0
    belt_speed_mps: float = 0.5
    first_number: int = 1
    seed: int = 1
    gate: GateSettings = field(default_factory=GateSettings)


@dataclass(frozen=True)
class ActedOutcome:
    """An outcome with the time of day at which the gate acted."""

    outcome: Outcome
    acted_utc_ns: int


class Plc:
    """Counts parts, takes verdicts through its registers, acts at the gate, tells its outcomes."""

    def __init__(self, settings: PlcSettings) -> None:
        self._settings = settings
        self.on_outcome: Callable[[ActedOutcome], None] = _nobody_listens
        self._gate = Gate(settings.gate)
        self._counter = settings.first_number - 1
        self._outcomes: deque[ActedOutcome] = deque(maxlen=KEPT_OUTCOMES)
        self._outcome_counter = 0
        self._machine = MachineModel(settings.seed)
        self._server = Server()
        self._nodes = AddressSpace(self._server)
        self._arrival = asyncio.Event()
        self._strobe = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._line_running = False
        self._invalid_tags: set[str] = set()
        self.heartbeat_frozen = False
        self.ignored_verdicts = 0

    @property
    def endpoint(self) -> str:
        """Where stations find this PLC."""
        return f"opc.tcp://{self._settings.host}:{self._server.bserver.port}/sightline/plc"

    async def start(self) -> None:
        """Make the nodes and listen; the endpoint is known when this returns."""
        await self._server.init()
        self._server.set_endpoint(
            f"opc.tcp://{self._settings.host}:{self._settings.port}/sightline/plc"
        )
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self._nodes.create()
        await self._nodes.write("Line.PartCounter", self._counter, time.time_ns())
        self._hook("Verdict.Strobe", self._take_verdict)
        self._hook("Station.Heartbeat", self._take_heartbeat)
        await self._server.start()
        self._tasks = [
            asyncio.create_task(self._run_gate()),
            asyncio.create_task(self._run_machine()),
        ]

    async def stop(self) -> None:
        """Stop listening and forget everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop()

    async def count_part(self) -> tuple[int, int]:
        """A part passes the trigger now; returns its number and the time of day in nanoseconds."""
        self._counter = (self._counter + 1) % UINT32
        counted_utc_ns = time.time_ns()
        delay_ns = self._settings.gate.delay_ns(self._settings.belt_speed_mps)
        self._gate.count(self._counter, time.monotonic_ns(), delay_ns)
        self._arrival.set()
        await self._nodes.write("Line.PartCounter", self._counter, counted_utc_ns)
        return self._counter, counted_utc_ns

    async def set_line(self, running: bool) -> None:
        """Start or stop the belt."""
        self._line_running = running
        now = time.time_ns()
        speed = self._settings.belt_speed_mps if running else 0.0
        await self._nodes.write("Line.BeltSpeed", speed, now)
        await self._nodes.write("Line.Running", running, now)

    @property
    def parts_under_way(self) -> bool:
        """Whether parts are between the trigger and the gate."""
        return self._gate.next_arrival_ns() is not None

    def jump_counter(self, by: int) -> None:
        """Fault: the counter's next value is off by so many."""
        self._counter = max(0, self._counter + by)

    async def set_tag_fault(self, tag: str, kind: str | None) -> None:
        """Fault: a machine tag reads `nan`, is `missing`, or (None) is well again; KeyError if unknown."""
        node = {machine_tag.name: machine_tag.node for machine_tag in MACHINE_TAGS}[tag]
        self._invalid_tags.discard(tag)
        await self._nodes.put_back(node)
        if kind == "nan":
            self._invalid_tags.add(tag)
            await self._nodes.write(node, math.nan, time.time_ns())
        elif kind == "missing":
            await self._nodes.take_away(node)

    async def go_away(self, seconds: float, next_number: int | None = None) -> None:
        """Fault: all connections close, and the server listens again later on the same port.

        With `next_number` the PLC lost its power: it forgets counter, outcomes and parts under way.
        """
        await self._server.bserver.stop()
        if next_number is not None:
            await self._forget(next_number)
        await asyncio.sleep(seconds)
        await self._server.bserver.start()

    async def _forget(self, next_number: int) -> None:
        self._gate = Gate(self._settings.gate)
        self._counter = next_number - 1
        self._outcomes.clear()
        self._outcome_counter = 0
        await self._nodes.write("Line.PartCounter", self._counter, time.time_ns())
        await self._write_outcomes()

    def _hook(self, name: str, take: Callable[[int], None]) -> None:
        def setter(node: Any, attribute: Any, value: Any) -> None:
            node.attributes[attribute].value = value
            take(int(value.Value.Value))

        self._server.set_attribute_value_setter(self._nodes.node_id(name), setter)

    def _take_heartbeat(self, value: int) -> None:
        if not self.heartbeat_frozen:
            self._gate.beat(value, time.monotonic_ns())

    def _take_verdict(self, strobe: int) -> None:
        if strobe == self._strobe:
            return
        self._strobe = strobe
        number = int(self._nodes.read("Verdict.PartNumber"))
        code = int(self._nodes.read("Verdict.Code"))
        if self._gate.take(number, code, time.monotonic_ns()):
            echo = asyncio.ensure_future(self._nodes.write("Verdict.Echo", number, time.time_ns()))
            self._tasks.append(echo)
            echo.add_done_callback(self._tasks.remove)
        else:
            self.ignored_verdicts += 1

    async def _run_gate(self) -> None:
        while True:
            arrival_ns = self._gate.next_arrival_ns()
            wait_s = None if arrival_ns is None else (arrival_ns - time.monotonic_ns()) / 1e9
            if wait_s is None or wait_s > 0:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._arrival.wait(), wait_s)
                self._arrival.clear()
            await self._act()

    async def _act(self) -> None:
        now_ns, now_utc_ns = time.monotonic_ns(), time.time_ns()
        acted = [
            ActedOutcome(outcome, now_utc_ns - (now_ns - outcome.arrived_ns))
            for outcome in self._gate.act(now_ns)
        ]
        if not acted:
            return
        self._outcomes.extend(acted)
        self._outcome_counter += len(acted)
        await self._write_outcomes()
        for outcome in acted:
            self.on_outcome(outcome)

    async def _write_outcomes(self) -> None:
        kept, now = list(self._outcomes), time.time_ns()
        columns = {
            "Outcome.Numbers": [entry.outcome.number for entry in kept],
            "Outcome.Actions": [ACTION_CODES[entry.outcome.action] for entry in kept],
            "Outcome.Times": [entry.acted_utc_ns for entry in kept],
            "Outcome.Causes": [CAUSE_CODES[entry.outcome.cause] for entry in kept],
            "Outcome.Counter": self._outcome_counter,  # last: who sees it change finds all the rest
        }
        for name, value in columns.items():
            await self._nodes.write(name, value, now)

    async def _run_machine(self) -> None:
        nodes = {tag.name: tag.node for tag in MACHINE_TAGS}
        while True:
            readings = self._machine.step(MACHINE_INTERVAL_S, self._line_running)
            for name, value in readings.items():
                shown = math.nan if name in self._invalid_tags else value
                await self._nodes.write(nodes[name], shown, time.time_ns())
            await asyncio.sleep(MACHINE_INTERVAL_S)


def _nobody_listens(_outcome: ActedOutcome) -> None:
    return
