"""The equipment component driven by hand: the test is its loop, its clock and its machine."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec

from equipment.component import EquipmentComponent
from equipment.configuration import EquipmentConfiguration
from equipment.links.link import (
    CounterSeen,
    GateRecord,
    LinkDown,
    LinkRequest,
    LinkUp,
    OutcomesRead,
    WriteVerdict,
)
from sightline.clock import boot_id
from sightline.errors import TransportError
from sightline.kernel.component import ComponentContext
from sightline.kernel.health import ComponentHealth
from sightline.kernel.stream_freshness import StreamFreshness, StreamSilent
from sightline.messaging.bus import Delivery, Inbox
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import (
    CounterAnnounced,
    GateActed,
    MachineSamples,
    OperatingMode,
    Part,
    PartJudged,
    PartSettled,
    PartTriggered,
    StationMessage,
    StationMode,
)
from sightline.messaging.topics import (
    COUNTER_ANNOUNCED,
    EQUIPMENT,
    GATE_ACTED,
    MACHINE_SAMPLES,
    PART_JUDGED,
    PART_SETTLED,
    PART_TRIGGERED,
    STATION_MODE,
    MessageStream,
    streams_read_by,
)

MS = 1_000_000
S = 1_000 * MS
NOW = 1_000 * S
STATION = "test-station"


def a_verdict(number: int = 7, **more: Any) -> PartJudged:
    """A fresh OK, triggered 100 ms ago, with 400 ms left."""
    values: dict[str, Any] = {
        "station_id": STATION,
        "part": Part(1, number),
        "verdict": "ok",
        "reason": "",
        "product_detected": True,
        "triggered_utc_ns": NOW,
        "triggered_monotonic_ns": NOW - 100 * MS,
        "deadline_monotonic_ns": NOW + 400 * MS,
        "boot_id": boot_id(),
        "judged_utc_ns": NOW,
        "counted_by": "plc",
    }
    return PartJudged(**{**values, **more})


def a_record(number: int) -> GateRecord:
    """What the PLC keeps of a part that it rejected."""
    return GateRecord(number, "rejected", NOW + number, "no_verdict")


class SteppedClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.now_ns = NOW

    def monotonic_ns(self) -> int:
        """The time that the test set."""
        return self.now_ns

    def utc_ns(self) -> int:
        """The same, as the time of day."""
        return self.now_ns


class RecordingLink:
    """A machine's end of the line that notes what is asked of it."""

    def __init__(self) -> None:
        self.requests: list[LinkRequest] = []
        self.started = False
        self.closed = False

    def start(self) -> None:
        """Note the start."""
        self.started = True

    def request(self, request: LinkRequest) -> None:
        """Note a request."""
        self.requests.append(request)

    def close(self) -> None:
        """Note the end."""
        self.closed = True

    def count_requests(self, kind: type[LinkRequest]) -> int:
        """How many requests of a kind there were."""
        return sum(isinstance(request, kind) for request in self.requests)

    def verdict_writes(self) -> list[WriteVerdict]:
        """The verdicts that were handed over."""
        return [request for request in self.requests if isinstance(request, WriteVerdict)]


class FailingBus(MemoryBus):
    """A bus that the nucleus refuses while told so."""

    fails = False

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Refuse or deliver."""
        if self.fails:
            raise TransportError("the nucleus refuses")
        super().publish(stream, message)


class EquipmentUnderTest:
    """An equipment component between a noted link and a bus in memory."""

    def __init__(
        self,
        work_folder: Path = Path("unused"),
        mode: OperatingMode | None = "production",
        **configuration: Any,
    ) -> None:
        self.clock = SteppedClock()
        self.link = RecordingLink()
        self.exchange = MemoryExchange()
        inbox = Inbox()
        self.bus = FailingBus(self.exchange, inbox)
        self.health = ComponentHealth(EQUIPMENT, "0", STATION, self.clock)
        values = EquipmentConfiguration(**configuration)
        context = ComponentContext(
            values, self.bus, inbox, self.clock, self.health, STATION, work_folder
        )
        self.component = EquipmentComponent(context, self.link)
        self._freshness = StreamFreshness(streams_read_by(EQUIPMENT), self.health, self.clock)
        self._count_id = 0
        if mode is not None:
            self.deliver_mode(mode)

    def connect(self, counter: int = 0) -> None:
        """The machine answers, and its counter stands so."""
        self._count_id += 1
        self.component.handle(LinkUp(self.clock.now_ns, self._count_id))
        self.deliver_counter(counter)

    def deliver(self, stream: MessageStream, message: StationMessage) -> None:
        """A message comes from the bus, as the loop hands it over."""
        self._freshness.note_message(stream, self.clock.now_ns)
        self.component.handle(Delivery(stream, message, self.clock.now_ns))

    def deliver_mode(self, mode: OperatingMode) -> None:
        """The publisher tells the station's mode."""
        told = StationMode(station_id=STATION, mode=mode, since_utc_ns=NOW, command_id="c-1")
        self.deliver(STATION_MODE, told)

    def disconnect(self, reason: str = "opc.tcp://plc:4840: gone") -> None:
        """The machine is away."""
        self.component.handle(LinkDown(reason))

    def deliver_counter(self, counter: int, **more: Any) -> None:
        """The subscription tells of the counter."""
        now = self.clock.now_ns
        seen = CounterSeen(counter, now, now, 0.5, count_id=self._count_id)
        self.component.handle(dataclasses.replace(seen, **more))

    def judge(self, judged: PartJudged) -> None:
        """A verdict comes from the bus."""
        self.deliver(PART_JUDGED, judged)

    def deliver_recorded(self, begins: bool) -> None:
        """The publisher says what lies in its outbox, the first time or again."""
        settled = PartSettled(station_id=STATION, up_to=Part(1, 0), begins=begins)
        self.deliver(PART_SETTLED, settled)

    def deliver_outcomes(self, counter: int, *numbers: int) -> None:
        """The machine tells what it remembers of these parts, of so many ever."""
        self.component.handle(OutcomesRead(counter, tuple(a_record(n) for n in numbers)))

    def advance(self, seconds: float) -> float:
        """Time passes, then the loop ticks; the seconds it asks to wait."""
        self.clock.now_ns += round(seconds * S)
        for stream in self._freshness.find_silent():
            self.component.handle(StreamSilent(stream))
        return self.component.tick()

    def faults(self) -> dict[str, str]:
        """The faults in its health, code to text."""
        return {fault.code: fault.text for fault in self.health.build_report().faults}

    def counter(self, name: str) -> int:
        """A counter of its health."""
        return self.health.build_report().counters.get(name, 0)

    def triggered(self) -> list[PartTriggered]:
        """The triggers it told."""
        return [m for m in self._published(PART_TRIGGERED) if isinstance(m, PartTriggered)]

    def triggers(self) -> list[int]:
        """The counters of the triggers it told."""
        return [triggered.counter for triggered in self.triggered()]

    def announced(self) -> list[int]:
        """The counters it announced."""
        return [
            m.counter for m in self._published(COUNTER_ANNOUNCED) if isinstance(m, CounterAnnounced)
        ]

    def acted(self) -> list[int]:
        """The parts whose outcomes it told."""
        return [m.part_number for m in self._published(GATE_ACTED) if isinstance(m, GateActed)]

    def batches(self) -> list[MachineSamples]:
        """The batches it told."""
        return [m for m in self._published(MACHINE_SAMPLES) if isinstance(m, MachineSamples)]

    def _published(self, stream: MessageStream) -> list[msgspec.Struct]:
        return self.exchange.messages_on(stream)
