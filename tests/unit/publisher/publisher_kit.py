"""What the publisher's tests are made of: messages, a clock that stands, and a publisher on a desk."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from publisher.component import PublisherComponent, build_publisher
from publisher.configuration import PublisherConfiguration, RecordsConfiguration
from sightline.clock import boot_id
from sightline.kernel.component import ComponentContext
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Delivery, Inbox, MessageBus, NoNucleus, NucleusControl
from sightline.messaging.codec import decode, encode
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import (
    DeadLetter,
    Detection,
    GapRecord,
    GateActed,
    GateAction,
    GateCorrection,
    InspectionRecord,
    MachineState,
    MachineValue,
    Part,
    PartJudged,
    PartSettled,
    RecordsRefused,
    RecordsStored,
)
from sightline.messaging.topics import (
    GAP_RECORD,
    GATE_CORRECTION,
    INSPECTION_RECORD,
    PART_SETTLED,
    PUBLISHER,
    RECORDS_REFUSED,
    RECORDS_STORED,
    MessageStream,
    streams_read_by,
)

STATION = "station-1"
EPOCH = 1_700_000_000
TRIGGERED_UTC_NS = 1_769_839_200_123_456_789  # 2026-01-31T06:00:00.123Z
SECOND_NS = 1_000_000_000
CONFIGURATION = PublisherConfiguration(
    station_folder="station", records=RecordsConfiguration(rate_hz=1000.0)
)


@dataclass
class StandingClock:
    """A clock that a test moves."""

    monotonic: int = 1_000 * SECOND_NS
    utc: int = TRIGGERED_UTC_NS

    def monotonic_ns(self) -> int:
        return self.monotonic

    def utc_ns(self) -> int:
        return self.utc

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.monotonic += round(seconds * SECOND_NS)
        self.utc += round(seconds * SECOND_NS)


def a_verdict(number: int, *, epoch: int = EPOCH, **changes: object) -> PartJudged:
    """A verdict whose part follows the number before it, and whose deadline is in a second."""
    judged = PartJudged(
        station_id=STATION,
        part=Part(epoch, number),
        verdict="ok",
        reason="",
        product_detected=True,
        triggered_utc_ns=TRIGGERED_UTC_NS,
        triggered_monotonic_ns=1_000 * SECOND_NS,
        deadline_monotonic_ns=1_001 * SECOND_NS,
        boot_id=boot_id(),
        judged_utc_ns=TRIGGERED_UTC_NS + 150_000_000,
        follows=Part(epoch, number - 1) if number > 1 else None,
        counted_by="plc",
    )
    return msgspec.structs.replace(judged, **changes)


def an_outcome(
    number: int, action: GateAction = "passed", acted_utc_ns: int = TRIGGERED_UTC_NS + SECOND_NS
) -> GateActed:
    """What the gate did a second after the trigger."""
    return GateActed(
        station_id=STATION, part_number=number, action=action, acted_utc_ns=acted_utc_ns
    )


def a_box(label: str = "scratch", score: float = 0.9, camera: str = "cam1") -> Detection:
    """A box of ten by twenty pixels."""
    return Detection(
        camera=camera,
        label=label,
        score=score,
        x=100,
        y=200,
        width=10,
        height=20,
        model="surface",
        size_mm=1.5,
    )


def a_machine_state(state_utc_ns: int = TRIGGERED_UTC_NS - 400_000_000) -> MachineState:
    """A running conveyor."""
    return MachineState(
        station_id=STATION,
        equipment_id="conveyor-1",
        line_id="line-1",
        state_utc_ns=state_utc_ns,
        status="running",
        values=(
            MachineValue(tag="belt_speed", value=0.5, unit="m/s", quality="good"),
            MachineValue(tag="vibration", value=1.25, unit="mm/s", quality="good"),
        ),
        outlier_score=0.25,
        outlier_cause="vibration",
    )


class StoringCloud(MemoryExchange):
    """An exchange whose cloud side tells of each record, gap and correction that it is stored.

    What `refuses` names it will never store, and says so; of what `ignores` names it says nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refuses: set[str] = set()
        self.ignores: set[str] = set()

    def publish(self, stream: MessageStream, payload: bytes) -> None:
        """Deliver; a record's receipt follows."""
        super().publish(stream, payload)
        if stream not in (INSPECTION_RECORD, GATE_CORRECTION, GAP_RECORD):
            return
        name = record_name(decode(stream.message, payload))
        if name in self.refuses:
            letters = (DeadLetter(record_id=name, reason="partNumber is -1"),)
            super().publish(
                RECORDS_REFUSED, encode(RecordsRefused(station_id=STATION, refused=letters))
            )
        elif name not in self.ignores:
            super().publish(
                RECORDS_STORED, encode(RecordsStored(station_id=STATION, record_ids=(name,)))
            )


def record_name(message: msgspec.Struct) -> str:
    """The name under which the cloud confirms it."""
    if isinstance(message, GateCorrection):
        return message.correctionId
    if isinstance(message, GapRecord):
        return message.gapId
    assert isinstance(message, InspectionRecord)
    return message.recordId


@dataclass
class PublisherUnderTest:
    """A publisher in its work folder, which can be killed and started again."""

    folder: Path
    configuration: PublisherConfiguration = CONFIGURATION
    clock: StandingClock = field(default_factory=StandingClock)
    exchange: MemoryExchange = field(default_factory=StoringCloud)
    bus_of: Callable[[MemoryExchange, Inbox], MessageBus] = MemoryBus
    nucleus: NucleusControl = field(default_factory=NoNucleus)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the publisher on what lies in the folder."""
        self.inbox = Inbox()
        self.exchange._subscribers.clear()
        self.health = ComponentHealth(PUBLISHER, "0", STATION, self.clock)
        bus = self.bus_of(self.exchange, self.inbox)
        self.context = ComponentContext(
            self.configuration,
            bus,
            self.inbox,
            self.clock,
            self.health,
            STATION,
            self.folder,
            self.nucleus,
        )
        for stream in streams_read_by(PUBLISHER):
            bus.subscribe(stream)
        self.recorder: PublisherComponent = build_publisher(self.context)
        self.run_due()

    def kill(self) -> None:
        """End without a last commit, as a kill does; what is in memory is gone."""
        self.recorder._uploader.close()
        self.recorder._commands.close()
        if self.recorder._sender.close(10.0):
            self.recorder._outbox.close()

    def deliver(self, stream: MessageStream, *messages: msgspec.Struct) -> None:
        """Publish to the publisher, and let it work."""
        for message in messages:
            self.exchange.publish(stream, encode(message))
        self.run_due()

    def run_due(self) -> None:
        """What the loop does: each event, and a tick after each."""
        self.recorder.tick()
        while (event := self.inbox.next_event(0.0)) is not None:
            if isinstance(event, Delivery):  # it comes at the time of this clock
                event = dataclasses.replace(event, received_monotonic_ns=self.clock.monotonic)
            self.recorder.handle(event)
            self.recorder.tick()

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, and let it work."""
        self.clock.pass_seconds(seconds)
        self.run_due()

    def records(self, count: int) -> list[InspectionRecord]:
        """The records in the cloud, as soon as there are so many."""
        wait_until(lambda: len(self.sent()) >= count)
        return self.sent()

    def sent(self) -> list[InspectionRecord]:
        """The records in the cloud so far, which drops repeats."""
        found = self.exchange.messages_on(INSPECTION_RECORD)
        records = [record for record in found if isinstance(record, InspectionRecord)]
        return list({record.recordId: record for record in reversed(records)}.values())[::-1]

    def corrections(self, count: int) -> list[GateCorrection]:
        """The gate corrections in the cloud, as soon as there are so many."""
        wait_until(lambda: len(self.on(GATE_CORRECTION)) >= count)
        found = self.on(GATE_CORRECTION)
        return [sent for sent in found if isinstance(sent, GateCorrection)]

    def gaps(self, count: int) -> list[GapRecord]:
        """The gaps in the cloud, as soon as there are so many."""
        wait_until(lambda: len(self.on(GAP_RECORD)) >= count)
        return [sent for sent in self.on(GAP_RECORD) if isinstance(sent, GapRecord)]

    def on(self, stream: MessageStream) -> list[msgspec.Struct]:
        """What was sent on a stream so far, after what came was handled."""
        self.run_due()
        return self.exchange.messages_on(stream)

    def all_are_stored(self) -> bool:
        """Whether no record waits to be sent or confirmed, after what came was handled."""
        self.run_due()
        return self.recorder._outbox.depth == 0

    def recorded_numbers(self) -> list[int]:
        """The part numbers told as settled so far."""
        found = self.exchange.messages_on(PART_SETTLED)
        return [told.up_to.part_number for told in found if isinstance(told, PartSettled)]

    def counter(self, name: str) -> int:
        """A counter of the health report."""
        return self.health.build_report().counters.get(name, 0)

    def faults(self) -> set[str]:
        """The codes of what is wrong."""
        return {fault.code for fault in self.health.build_report().faults}


def wait_until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Poll until something holds; AssertionError after the time-out."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come about in time"
        time.sleep(0.005)
