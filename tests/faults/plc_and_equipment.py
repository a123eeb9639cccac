"""A real PLC (OPC UA server) and the real equipment code, for tests that stand between them."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from equipment.component import EquipmentComponent, build_equipment_component
from equipment.configuration import EquipmentConfiguration, LinkConfiguration
from equipment.links.modbus_configuration import ModbusConfiguration, PlcRegisters
from equipment.links.opcua_configuration import PLC_NODE_PREFIX, OpcuaConfiguration, PlcNodes
from hil.plant.gate_outcomes import TimedPartOutcome
from hil.plant.plc import PlcSettings, SimulatedPlc
from hil.plant.reject_gate import GateSettings
from sightline.clock import SystemClock, boot_id
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.health import ComponentHealth
from sightline.messaging import messages
from sightline.messaging.bus import Inbox
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.topics import (
    EQUIPMENT,
    GATE_ACTED,
    GATE_CONFIRMED,
    MACHINE_SAMPLES,
    PART_JUDGED,
    PART_SETTLED,
    PART_TRIGGERED,
    STATION_MODE,
    MessageStream,
    streams_read_by,
)

T = TypeVar("T")
M = TypeVar("M", bound=msgspec.Struct)
STATION = "test-station"


def wait_for(what: str, holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until a condition holds; the test fails with its name if it never does."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain: {what}"
        time.sleep(0.01)


async def cancel_the_rest() -> None:
    """End what still runs in this loop: a server leaves tasks behind that wait for ever."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def link_to(endpoint: str, **values: Any) -> LinkConfiguration:
    """The configuration of a link; the endpoint says which protocol."""
    if endpoint.startswith("modbus-tcp:"):
        return LinkConfiguration(
            kind="modbus", modbus=ModbusConfiguration(endpoint=endpoint, **values)
        )
    return LinkConfiguration(opcua=OpcuaConfiguration(endpoint=endpoint, **values))


def behind_the_gate(endpoint: str) -> dict[str, Any]:
    """The part of a link's configuration that says where the PLC tells what it sees behind the gate."""
    if endpoint.startswith("modbus-tcp:"):
        registers = PlcRegisters(reject_bin_full=15, confirmation_counter=16, confirmations=800)
        return {"registers": registers}
    names = ("Numbers", "Times", "Results", "Counter")
    nodes = {
        f"confirmation_{name.lower()}": f"{PLC_NODE_PREFIX}Confirmation.{name}" for name in names
    }
    return {"nodes": PlcNodes(reject_bin_full=f"{PLC_NODE_PREFIX}Reject.BinFull", **nodes)}


class RunningPlc:
    """A PLC in a thread with its own loop."""

    def __init__(self, settings: PlcSettings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plc", daemon=True)
        self._thread.start()
        self.outcomes: dict[int, TimedPartOutcome] = {}
        self.plc = self.run(self._build_plc(settings))
        self.run(self.plc.set_line(True))

    async def _build_plc(self, settings: PlcSettings) -> SimulatedPlc:
        plc = SimulatedPlc(settings)
        plc.on_outcome = self._store_outcome
        await plc.start()
        return plc

    def _store_outcome(self, acted: TimedPartOutcome) -> None:
        self.outcomes[acted.outcome.number] = acted

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        """Run something in the PLC's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def start_task(self, work: Coroutine[Any, Any, T]) -> None:
        """Start something in the PLC's loop."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def count_part(self) -> int:
        """A part passes the trigger; its number."""
        return self.run(self.plc.count_part())[0]

    def outcome(self, number: int) -> tuple[str, str]:
        """What the gate did with a part, and why; waits for it."""
        wait_for(f"part {number} at the gate", lambda: number in self.outcomes)
        outcome = self.outcomes[number].outcome
        return outcome.action, outcome.cause

    def stop(self) -> None:
        """End the server and its thread."""
        self.run(self.plc.stop())
        self.run(cancel_the_rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class RunningEquipment:
    """The equipment component on a memory bus; the test plays inference and everybody else."""

    def __init__(
        self,
        endpoint: str,
        link: dict[str, Any] | None = None,
        work_folder: Path = Path("unused"),
        **configuration: Any,
    ) -> None:
        self.exchange = MemoryExchange()
        self._inbox = Inbox()
        clock = SystemClock()
        self.health = ComponentHealth(EQUIPMENT, "0", STATION, clock)
        bus = MemoryBus(self.exchange, self._inbox)
        for stream in streams_read_by(EQUIPMENT):
            bus.subscribe(stream)
        values = EquipmentConfiguration(
            link=link_to(endpoint, **{"max_retry_s": 0.5, **(link or {})}), **configuration
        )
        self._context = ComponentContext(
            values, bus, self._inbox, clock, self.health, STATION, work_folder
        )
        self._stopping = False
        self._may_run = threading.Event()
        self._may_run.set()
        self._thread = threading.Thread(target=self._run, name="equipment", daemon=True)
        self._thread.start()
        self.publish_mode("production")

    def _run(self) -> None:
        component: EquipmentComponent = build_equipment_component(self._context)
        wait_s = 0.0
        while not self._stopping:
            self._may_run.wait()
            event = self._inbox.next_event(wait_s)
            if event is not None:
                component.handle(event)
            wait_s = component.tick()
        component.close()

    @property
    def ready(self) -> bool:
        """What its health says."""
        return self.health.build_report().ready

    def wait_until_ready(self) -> None:
        """Wait for its health to say so."""
        wait_for("the equipment component is ready", lambda: self.ready)

    def faults(self) -> dict[str, str]:
        """The faults in its health, code to text."""
        return {fault.code: fault.text for fault in self.health.build_report().faults}

    def hang_link(self, hangs: bool = True) -> None:
        """Let the main loop hang, or go on."""
        if hangs:
            self._may_run.clear()
        else:
            self._may_run.set()

    def reconfigure(self, configuration: EquipmentConfiguration) -> None:
        """Hand it a new configuration, as the nucleus does."""
        self._inbox.post(NewConfiguration(configuration))

    def judge(self, number: int, verdict: messages.Verdict, **more: Any) -> None:
        """Publish a verdict as inference does."""
        now = time.monotonic_ns()
        judged = messages.PartJudged(
            **{
                "station_id": STATION,
                "part": messages.Part(1, number),
                "verdict": verdict,
                "reason": "",
                "product_detected": True,
                "triggered_utc_ns": time.time_ns(),
                "triggered_monotonic_ns": now,
                "deadline_monotonic_ns": now + 1_000_000_000,
                "boot_id": boot_id(),
                "judged_utc_ns": time.time_ns(),
                "counted_by": "plc",
                **more,
            }
        )
        self.exchange.publish(PART_JUDGED, msgspec.json.encode(judged))

    def publish_mode(self, mode: messages.OperatingMode) -> None:
        """Say in which mode the station is, as the publisher does."""
        told = messages.StationMode(station_id=STATION, mode=mode, since_utc_ns=time.time_ns())
        self.exchange.publish(STATION_MODE, msgspec.json.encode(told))

    def start_publisher(self) -> None:
        """Say what a publisher says first of all."""
        settled = messages.PartSettled(station_id=STATION, up_to=messages.Part(1, 0), begins=True)
        self.exchange.publish(PART_SETTLED, msgspec.json.encode(settled))

    def published(self, stream: MessageStream, kind: type[M]) -> list[M]:
        """What it published on a stream."""
        found = self.exchange.messages_on(stream)
        assert all(isinstance(message, kind) for message in found)
        return found  # type: ignore[return-value]

    def triggered(self) -> list[messages.PartTriggered]:
        """The triggers it told."""
        return self.published(PART_TRIGGERED, messages.PartTriggered)

    def gate_confirmed(self) -> list[messages.GateConfirmed]:
        """Where it told that parts were seen."""
        return self.published(GATE_CONFIRMED, messages.GateConfirmed)

    def gate_acted(self) -> list[messages.GateActed]:
        """The outcomes it told."""
        return self.published(GATE_ACTED, messages.GateActed)

    def samples(self) -> list[messages.MachineSamples]:
        """The batches it told."""
        return self.published(MACHINE_SAMPLES, messages.MachineSamples)

    def stop(self) -> None:
        """End it as the nucleus would."""
        self._stopping = True
        self._may_run.set()
        self._thread.join(10)


@contextlib.contextmanager
def running_plc(gate_delay_s: float = 0.6, **settings: Any) -> Iterator[RunningPlc]:
    """A PLC whose gate stands so many seconds behind the trigger."""
    gate = GateSettings(distance_m=0.5 * gate_delay_s, actuation_s=0.05, heartbeat_timeout_s=0.4)
    plc = RunningPlc(PlcSettings(belt_speed_mps=0.5, gate=gate, **settings))
    try:
        yield plc
    finally:
        plc.stop()


@contextlib.contextmanager
def running_equipment(endpoint: str, **configuration: Any) -> Iterator[RunningEquipment]:
    """The equipment component, connected to an endpoint."""
    equipment = RunningEquipment(endpoint, **configuration)
    try:
        yield equipment
    finally:
        equipment.stop()
