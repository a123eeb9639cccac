"""The simulated PLC: counts parts and drives the reject gate, which rejects by default; OPC UA or Modbus."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from hil.plant.belt import Belt
from hil.plant.drive_model import MACHINE_TAGS, MachineModel
from hil.plant.gate_confirmation import ConfirmationSettings, ConfirmedPart, GateConfirmation
from hil.plant.gate_outcomes import OUTCOME_RING_SLOTS, TimedPartOutcome
from hil.plant.lanes import LanesBehindGate
from hil.plant.plc_server import PlcServer, ProtocolName
from hil.plant.register_map import WordOrder
from hil.plant.reject_gate import FIRST_DRY_RUN_NUMBER, GateSettings, RejectGate

MACHINE_INTERVAL_S = 0.1
SENSOR_INTERVAL_S = 0.01
UINT32 = 2**32


@dataclass(frozen=True)
class PlcSettings:
    """The PLC's settings; `first_number` is the number of the first part.

    The belt stands while the bin is full, and where a part did not go where it was sent if the PLC
    is set to stop then.
    """

    protocol: ProtocolName = "opcua"
    host: str = "127.0.0.1"
    port: int = 0
    belt_speed_mps: float = 0.5
    first_number: int = 1
    seed: int = 1
    word_order: WordOrder = "high-first"
    gate: GateSettings = field(default_factory=GateSettings)
    confirmation: ConfirmationSettings = field(default_factory=ConfirmationSettings)
    stop_if_bin_full: bool = True
    stop_if_not_confirmed: bool = False


class SimulatedPlc:
    """Counts parts, reads verdicts from its registers, drives the gate and reports outcomes."""

    def __init__(self, settings: PlcSettings) -> None:
        self._settings = settings
        self.on_outcome: Callable[[TimedPartOutcome], None] = _ignore_outcome
        self.on_confirmation: Callable[[ConfirmedPart], None] = _ignore_confirmation
        self._belt = Belt(settings.belt_speed_mps)
        self._belt_speed_mps = settings.belt_speed_mps  # while no line-stop holds it
        self._gate = RejectGate(settings.gate, self._belt)
        self._confirmation = GateConfirmation(settings.confirmation, self._belt)
        self._confirmed: deque[ConfirmedPart] = deque(maxlen=OUTCOME_RING_SLOTS)
        self._confirmation_counter = 0
        self.lanes = LanesBehindGate(self._belt, settings.confirmation.good_lane_m)
        self._is_bin_full = False
        self._counter = settings.first_number - 1
        self._outcomes: deque[TimedPartOutcome] = deque(maxlen=OUTCOME_RING_SLOTS)
        self._outcome_counter = 0
        self._machine = MachineModel(settings.seed)
        self._server = _build_server(settings)
        self._arrival = asyncio.Event()
        self._strobe = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._line_running = False
        self._line_stopped = False
        self._invalid_tags: set[str] = set()
        self.heartbeat_frozen = False
        self.ignored_verdicts = 0

    @property
    def endpoint(self) -> str:
        """The PLC's endpoint."""
        return self._server.endpoint

    async def start(self) -> None:
        """Create the registers and listen; the endpoint is known when this returns."""
        await self._server.prepare(
            {
                "Verdict.Strobe": self._handle_verdict,
                "Station.Heartbeat": self._handle_heartbeat,
                "Station.LineStop": self._handle_line_stop,
                "Station.DryRun": self._handle_dry_run,
            }
        )
        await self._server.write("Line.PartCounter", self._counter, time.time_ns())
        await self._server.start()
        self._tasks = [
            asyncio.create_task(self._run_gate()),
            asyncio.create_task(self._run_machine()),
        ]

    async def stop(self) -> None:
        """Stop listening and discard all state."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop()

    async def count_part(self) -> tuple[int, int]:
        """Count a part at the trigger; returns its number and the time in nanoseconds since 1970."""
        self._counter = (self._counter + 1) % UINT32
        counted_utc_ns = time.time_ns()
        self._gate.add_part(self._counter, time.monotonic_ns())
        self._arrival.set()
        await self._server.write("Line.PartCounter", self._counter, counted_utc_ns)
        return self._counter, counted_utc_ns

    async def set_line(self, running: bool) -> None:
        """Start or stop the belt; a line-stop keeps it stopped."""
        self._line_running = running
        await self._write_line_state()

    async def set_product(self, product: int, lot: str) -> None:
        """Set the product number (0: none) and lot of the next parts."""
        now = time.time_ns()
        await self._server.write("Line.Product", product, now)
        await self._server.write("Line.Lot", lot, now)

    async def acknowledge_line_stop(self) -> None:
        """An operator acknowledged the line-stop: the belt continues, but not while the bin is full."""
        if self._is_bin_full and self._settings.stop_if_bin_full:
            return
        self._line_stopped = False
        self._move_belt()
        await self._server.write("Station.LineStop", 0, time.time_ns())
        await self._write_line_state()

    async def set_belt_speed(self, speed_mps: float) -> None:
        """Run the belt at another speed, with the parts that are on it; 0 stands, below 0 goes back."""
        await self._publish_gate_outcomes()  # of those that arrived at the old speed
        self._belt_speed_mps = speed_mps
        self._move_belt()
        await self._write_line_state()

    async def set_bin_full(self, is_full: bool) -> None:
        """The reject bin is full, or was emptied."""
        self._is_bin_full = is_full
        await self._server.write("Reject.BinFull", is_full, time.time_ns())
        if is_full and self._settings.stop_if_bin_full:
            await self._stop_line()

    @property
    def line_stop_active(self) -> bool:
        """Whether the belt is stopped by an unacknowledged line-stop."""
        return self._line_stopped

    @property
    def last_echo(self) -> int:
        """The last part whose verdict was taken."""
        return self._server.read("Verdict.Echo")

    @property
    def belt_stands(self) -> bool:
        """Whether the belt brings no parts: a line-stop, or its speed."""
        return self._line_stopped or self._belt_speed_mps <= 0

    @property
    def parts_under_way(self) -> bool:
        """Whether parts are between the trigger and the gate."""
        return self._gate.parts_under_way

    def jump_counter(self, by: int) -> None:
        """Fault: the counter jumps by this number."""
        self._counter = max(0, self._counter + by)

    async def set_tag_fault(self, tag: str, kind: str | None) -> None:
        """Fault: a machine tag reads `nan` or is `missing`; None clears it. KeyError if unknown."""
        node = {machine_tag.name: machine_tag.node for machine_tag in MACHINE_TAGS}[tag]
        self._invalid_tags.discard(tag)
        await self._server.restore_register(node)
        if kind == "nan":
            self._invalid_tags.add(tag)
            await self._server.write(node, math.nan, time.time_ns())
        elif kind == "missing":
            await self._server.remove_register(node)

    async def drop_connections(self, seconds: float, next_number: int | None = None) -> None:
        """Fault: all connections close; the server listens again later on the same port.

        With `next_number` the PLC lost its power: it forgets counter, outcomes and parts under way.
        """
        await self._server.go_offline()
        if next_number is not None:
            await self._reset_counter(next_number)
        await asyncio.sleep(seconds)
        await self._server.go_online()

    async def _reset_counter(self, next_number: int) -> None:
        self._gate = RejectGate(self._settings.gate, self._belt)
        self._confirmation = GateConfirmation(self._settings.confirmation, self._belt)
        self._counter = next_number - 1
        self._outcomes.clear()
        self._outcome_counter = 0
        self._confirmed.clear()
        self._confirmation_counter = 0
        self.lanes.clear()
        await self._server.write("Line.PartCounter", self._counter, time.time_ns())
        await self._server.write_outcomes(tuple(self._outcomes), self._outcome_counter)
        await self._server.write_confirmations((), 0)

    async def _write_line_state(self) -> None:
        now, moves = time.time_ns(), self._line_running and not self._line_stopped
        speed = self._belt_speed_mps if moves else 0.0
        await self._server.write("Line.BeltSpeed", speed, now)
        await self._server.write("Line.Running", moves, now)

    def _handle_line_stop(self, value: int) -> None:
        if value and not self._line_stopped:
            self._line_stopped = True
            self._move_belt()
            self._start_task(self._write_line_state())

    async def _stop_line(self) -> None:
        """The PLC itself stops the line, until an operator acknowledges that."""
        await self._server.write("Station.LineStop", 1, time.time_ns())
        self._handle_line_stop(1)

    def _move_belt(self) -> None:
        """Let the belt run as it should by now, and the gate wait for parts accordingly."""
        speed_mps = 0.0 if self._line_stopped else self._belt_speed_mps
        self._belt.set_speed(speed_mps, time.monotonic_ns())
        self._gate.note_speed()
        self._arrival.set()

    def _handle_heartbeat(self, value: int) -> None:
        if not self.heartbeat_frozen:
            self._gate.record_heartbeat(value, time.monotonic_ns())

    def _handle_dry_run(self, number: int) -> None:
        """Send an uncounted dry-run part to the gate, unless parts are on the belt."""
        if number < FIRST_DRY_RUN_NUMBER or self._gate.parts_under_way:
            return
        self._gate.add_trial(number, time.monotonic_ns(), self._settings.belt_speed_mps)
        self._arrival.set()

    def _handle_verdict(self, strobe: int) -> None:
        if strobe == self._strobe:
            return
        self._strobe = strobe
        number = self._server.read("Verdict.PartNumber")
        code = self._server.read("Verdict.Code")
        if self._gate.accept_verdict(number, code, time.monotonic_ns()):
            self._start_task(self._server.write("Verdict.Echo", number, time.time_ns()))
        else:
            self.ignored_verdicts += 1

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    async def _run_gate(self) -> None:
        while True:
            arrival_ns = self._gate.next_arrival_ns()
            wait_s = None if arrival_ns is None else (arrival_ns - time.monotonic_ns()) / 1e9
            if self._confirmation.is_awaiting or not self.lanes.are_empty:
                wait_s = SENSOR_INTERVAL_S if wait_s is None else min(wait_s, SENSOR_INTERVAL_S)
            if wait_s is None or wait_s > 0:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._arrival.wait(), wait_s)
                self._arrival.clear()
            await self._publish_gate_outcomes()
            await self._publish_confirmations()

    async def _publish_gate_outcomes(self) -> None:
        now_ns, now_utc_ns = time.monotonic_ns(), time.time_ns()
        acted = [
            TimedPartOutcome(outcome, now_utc_ns - (now_ns - outcome.arrived_ns))
            for outcome in self._gate.act_on_arrivals(now_ns)
        ]
        if not acted:
            return
        for entry in acted:
            self._watch_behind_gate(entry)
        self._outcomes.extend(acted)
        self._outcome_counter += len(acted)
        await self._server.write_outcomes(tuple(self._outcomes), self._outcome_counter)
        for outcome in acted:
            if outcome.outcome.number < FIRST_DRY_RUN_NUMBER:
                self.on_outcome(outcome)

    def _watch_behind_gate(self, acted: TimedPartOutcome) -> None:
        """The part goes on behind the gate; a trial is none."""
        outcome, is_rejected = acted.outcome, acted.outcome.action == "rejected"
        if outcome.number < FIRST_DRY_RUN_NUMBER:
            self._confirmation.add_part(
                outcome.number, is_rejected, acted.acted_utc_ns, outcome.arrived_ns
            )
            self.lanes.add_part(is_rejected, outcome.arrived_ns)

    async def _publish_confirmations(self) -> None:
        now_ns = time.monotonic_ns()
        for sensor in self.lanes.find_seen(now_ns):
            self._confirmation.record_sensor(sensor, now_ns, time.time_ns())
        decided = self._confirmation.decide(now_ns)
        if not decided:
            return
        self._confirmed.extend(decided)
        self._confirmation_counter += len(decided)
        await self._server.write_confirmations(tuple(self._confirmed), self._confirmation_counter)
        for part in decided:
            self.on_confirmation(part)
        if self._settings.stop_if_not_confirmed and any(
            part.confirmation != "confirmed" for part in decided
        ):
            await self._stop_line()

    async def _run_machine(self) -> None:
        nodes = {tag.name: tag.node for tag in MACHINE_TAGS}
        while True:
            readings = self._machine.step(
                MACHINE_INTERVAL_S, self._line_running and not self._line_stopped
            )
            for name, value in readings.items():
                shown = math.nan if name in self._invalid_tags else value
                await self._server.write(nodes[name], shown, time.time_ns())
            await asyncio.sleep(MACHINE_INTERVAL_S)


def _build_server(settings: PlcSettings) -> PlcServer:
    # late: each of the two libraries takes its time to load
    if settings.protocol == "modbus":
        from hil.plant.modbus_server import ModbusPlcServer

        return ModbusPlcServer(settings.host, settings.port, settings.word_order)
    from hil.plant.opcua_server import OpcuaPlcServer

    return OpcuaPlcServer(settings.host, settings.port)


def _ignore_outcome(_outcome: TimedPartOutcome) -> None:
    return


def _ignore_confirmation(_part: ConfirmedPart) -> None:
    return
