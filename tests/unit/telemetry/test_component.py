"""The function as a component: states to the bus at once, to the cloud at most one a second."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from sightline.errors import CloudUnreachableError
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.health import ComponentHealth
from sightline.kernel.stream_freshness import StreamFreshness
from sightline.messaging.bus import Delivery, Inbox
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import MachineState
from sightline.messaging.topics import (
    MACHINE_SAMPLES,
    MACHINE_STATE,
    MACHINE_STATE_TO_CLOUD,
    TELEMETRY,
    MessageStream,
    streams_read_by,
)
from telemetry import state_sender
from telemetry.component import TelemetryComponent
from telemetry.configuration import TelemetryConfiguration
from tests.unit.telemetry.telemetry_kit import STATION, S, batch, sample

FAST_S = 0.05


class HeldClock:
    """Stands still until the test moves it."""

    now_ns = 1_000 * S

    def monotonic_ns(self) -> int:
        """The time that the test set."""
        return self.now_ns

    def utc_ns(self) -> int:
        """The same, as the time of day."""
        return self.now_ns


class CloudBus(MemoryBus):
    """A bus whose cloud may be away or hang; it notes when something was sent there."""

    def __init__(self, exchange: MemoryExchange, inbox: Inbox) -> None:
        super().__init__(exchange, inbox)
        self.away = False
        self.open = threading.Event()
        self.open.set()
        self.sent_at_s: list[float] = []

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Deliver, unless it is for a cloud that is away."""
        if stream is MACHINE_STATE_TO_CLOUD:
            self.open.wait(30)
            if self.away:
                raise CloudUnreachableError("IoT Core is away")
            self.sent_at_s.append(time.monotonic())
        super().publish(stream, message)


class Hosted:
    """A host between batches and states."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.exchange = MemoryExchange()
        inbox = Inbox()
        self.bus = CloudBus(self.exchange, inbox)
        self.health = ComponentHealth(TELEMETRY, "0", STATION, self.clock)
        configuration = TelemetryConfiguration(interval_s=0.5)
        self.host = TelemetryComponent(
            ComponentContext(
                configuration, self.bus, inbox, self.clock, self.health, STATION, Path("unused")
            )
        )
        self.freshness = StreamFreshness(streams_read_by(TELEMETRY), self.health, self.clock)
        self.taken = 0

    def tick(self) -> None:
        """What the loop does between batches."""
        self.freshness.find_silent()
        self.host.tick()

    def take(self, batches: int = 1) -> None:
        """Batches of half a second come; each but the very first completes a state."""
        for _ in range(batches):
            message = batch(self.taken, sample("vibration", float(self.taken)))
            self.freshness.note_message(MACHINE_SAMPLES, self.clock.now_ns)
            self.host.handle(Delivery(MACHINE_SAMPLES, message, self.clock.now_ns))
            self.taken += 1

    def states(self, stream: MessageStream = MACHINE_STATE) -> list[int]:
        """The numbers of the states told on a stream."""
        told = self.exchange.messages_on(stream)
        return [state.sequence for state in told if isinstance(state, MachineState)]

    def faults(self) -> dict[str, str]:
        """The faults in its health, code to text."""
        return {fault.code: fault.text for fault in self.health.build_report().faults}

    def counter(self, name: str) -> int:
        """A counter of its health."""
        return self.health.build_report().counters.get(name, 0)


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    monkeypatch.setattr(state_sender, "MIN_INTERVAL_S", FAST_S)
    hosted = Hosted()
    yield hosted
    hosted.bus.open.set()
    hosted.host.close()


def test_the_cloud_is_told_at_most_once_a_second() -> None:
    assert state_sender.MIN_INTERVAL_S == 1.0


def test_each_state_goes_to_the_bus_and_the_newest_to_the_cloud_in_its_time(
    hosted: Hosted,
) -> None:
    for _ in range(40):
        hosted.take()
        time.sleep(0.005)
    assert hosted.states() == list(range(1, 40))
    wait_for("the newest in the cloud", lambda: 39 in hosted.states(MACHINE_STATE_TO_CLOUD))
    in_cloud, times = hosted.states(MACHINE_STATE_TO_CLOUD), hosted.bus.sent_at_s
    assert in_cloud == sorted(set(in_cloud))
    assert hosted.counter("states_replaced") == 39 - len(in_cloud) > 0
    assert all(b - a >= FAST_S for a, b in itertools.pairwise(times))


def test_a_cloud_that_is_away_is_a_fault_that_ends_when_it_is_back(hosted: Hosted) -> None:
    hosted.bus.away = True
    hosted.take(3)
    wait_for("the fault", lambda: state_sender.NOT_IN_CLOUD_FAULT in hosted.faults())
    assert hosted.faults()[state_sender.NOT_IN_CLOUD_FAULT].endswith("IoT Core is away")
    assert hosted.states() == [1, 2]
    hosted.bus.away = False
    wait_for("nothing waits", lambda: hosted.counter("states_dropped") >= 1)
    hosted.take()
    wait_for("the next in the cloud", lambda: 3 in hosted.states(MACHINE_STATE_TO_CLOUD))
    wait_for("no fault", lambda: state_sender.NOT_IN_CLOUD_FAULT not in hosted.faults())


def test_a_cloud_that_hangs_delays_no_state_and_gets_the_newest_afterwards(hosted: Hosted) -> None:
    hosted.bus.open.clear()
    hosted.take(201)
    assert hosted.states() == list(range(1, 201))
    hosted.bus.open.set()
    wait_for("the newest in the cloud", lambda: 200 in hosted.states(MACHINE_STATE_TO_CLOUD))
    assert len(hosted.states(MACHINE_STATE_TO_CLOUD)) <= 2


def test_it_can_be_closed_while_the_cloud_hangs(hosted: Hosted) -> None:
    hosted.bus.open.clear()
    hosted.take(3)
    hosted.host.close()


def test_a_silent_machine_is_a_fault_until_a_batch_comes(hosted: Hosted) -> None:
    hosted.take()
    hosted.tick()
    assert hosted.faults() == {}
    hosted.clock.now_ns += 11 * S
    hosted.tick()
    assert "com.sightline.Equipment" in hosted.faults()["no-readings"]
    assert "10 s" in hosted.faults()["no-readings"]
    hosted.take()
    hosted.tick()
    assert hosted.faults() == {}


def test_a_new_configuration_holds_from_the_next_batch_on(hosted: Hosted) -> None:
    hosted.take(3)
    hosted.host.handle(NewConfiguration(TelemetryConfiguration(interval_s=1.0)))
    hosted.take(3)
    assert hosted.states() == [1, 2, 1]


def test_it_is_ready_with_its_first_tick_and_tells_what_it_lost(hosted: Hosted) -> None:
    assert not hosted.health.build_report().ready
    hosted.take()
    hosted.taken += 4
    hosted.take()
    hosted.host.tick()
    report = hosted.health.build_report()
    assert report.ready
    assert report.gauges["batches_lost"] == 4


def test_a_sender_that_fails_in_an_unforeseen_way_sends_the_next_state(hosted: Hosted) -> None:
    sending = hosted.bus.publish

    def fail_once(stream: MessageStream, message: msgspec.Struct) -> None:
        if stream is MACHINE_STATE_TO_CLOUD:
            hosted.bus.publish = sending  # type: ignore[method-assign]
            raise MemoryError("no room")
        sending(stream, message)

    hosted.bus.publish = fail_once  # type: ignore[method-assign]
    hosted.take(2)
    wait_for("the fault", lambda: "thread-cloud-sender" in hosted.faults())
    assert "MemoryError" in hosted.faults()["thread-cloud-sender"]
    hosted.take()
    wait_for("a state in the cloud", lambda: bool(hosted.states(MACHINE_STATE_TO_CLOUD)))
