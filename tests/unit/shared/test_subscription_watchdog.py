"""A component that no longer hears itself opens its subscriptions again, and leaves if that does not help."""

from collections.abc import Callable

import msgspec
import pytest

from sightline.errors import FatalError, TransportError
from sightline.kernel.health import ComponentHealth
from sightline.kernel.subscription_watchdog import (
    CLOUD_DEAF_FAULT,
    NUCLEUS_DEAF_FAULT,
    SubscriptionWatchdog,
)
from sightline.messaging.bus import Inbox, RestartNeeded
from sightline.messaging.codec import encode
from sightline.messaging.topics import BEATS, CAPTURE, CLOUD_BEAT, PUBLISHER, MessageStream

SECOND_NS = 1_000_000_000


class HandClock:
    def __init__(self) -> None:
        self.now_ns = 1_000 * SECOND_NS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns


class Nucleus:
    """Delivers what is published to those subscriptions that it has not lost."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.loses_local = self.loses_cloud = False
        self.heals = True
        self.answers = True
        self.refusals: list[Exception] = []
        self.renewed = self.renewed_cloud = 0
        self.taken: list[MessageStream] = []

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        if not self.answers:
            raise TransportError("busy")
        self.taken.append(stream)
        lost = self.loses_cloud if stream.route == "cloud" else self.loses_local
        if not lost:
            self._inbox.deliver(stream, encode(message))

    def renew_subscriptions(self) -> None:
        self.renewed += 1
        if self.refusals:
            raise self.refusals.pop()
        self.loses_local = self.loses_local and not self.heals

    def renew_cloud_subscriptions(self) -> None:
        self.renewed_cloud += 1
        self.loses_cloud = self.loses_cloud and not self.heals


class Rig:
    def __init__(self, component: str) -> None:
        self.clock = HandClock()
        self.inbox = Inbox()
        self.nucleus = Nucleus(self.inbox)
        self.health = ComponentHealth(component, "1", "station-1", self.clock)
        self.beats = SubscriptionWatchdog(
            component, "station-1", self.nucleus, self.inbox, self.health, self.clock
        )

    def live(self, seconds: int) -> None:
        for _ in range(seconds):
            self.beats.tick()
            self.clock.now_ns += SECOND_NS

    def faults(self) -> set[str]:
        return {fault.code for fault in self.health.build_report().faults}


@pytest.fixture
def rig() -> Callable[[str], Rig]:
    return Rig


def test_a_component_that_hears_itself_changes_nothing(rig: Callable[[str], Rig]) -> None:
    station = rig(PUBLISHER)
    station.live(600)
    assert station.nucleus.renewed == station.nucleus.renewed_cloud == 0
    assert station.faults() == set()
    assert station.inbox.depth() == 0  # a beat is no event of the component


def test_subscriptions_that_the_nucleus_lost_are_opened_again(rig: Callable[[str], Rig]) -> None:
    station = rig(CAPTURE)
    station.live(10)
    station.nucleus.loses_local = True
    station.live(3)
    assert station.nucleus.renewed == 0
    station.live(4)
    assert station.nucleus.renewed == 1
    station.live(2)
    assert station.faults() == set()
    assert station.nucleus.renewed == 1
    assert station.inbox.depth() == 0


@pytest.mark.parametrize("error", [TransportError("slow"), FatalError("no such resource")])
def test_subscriptions_that_were_opened_in_part_are_opened_until_all_are(
    rig: Callable[[str], Rig], error: Exception
) -> None:
    station = rig(CAPTURE)
    station.live(10)
    station.nucleus.loses_local = True
    station.nucleus.refusals = [error, error]
    station.live(5)
    assert station.nucleus.renewed == 1
    # it was slow, and has lost nothing; another stream is closed
    station.nucleus.loses_local = False
    station.live(1)
    assert station.nucleus.renewed == 2
    assert NUCLEUS_DEAF_FAULT in station.faults()
    station.live(10)
    assert station.nucleus.renewed == 3
    assert station.faults() == set()
    assert station.inbox.depth() == 0


def test_who_cannot_open_a_subscription_again_leaves(rig: Callable[[str], Rig]) -> None:
    station = rig(CAPTURE)
    station.live(10)
    station.nucleus.loses_local = True
    station.nucleus.refusals = [TransportError("slow")] * 100
    station.live(6)
    station.nucleus.loses_local = False
    station.live(50)
    assert station.inbox.depth() == 0  # a nucleus that stood still for long may still answer
    station.live(20)
    assert isinstance(station.inbox.next_event(0), RestartNeeded)
    assert station.inbox.depth() == 0


def test_where_opening_again_does_not_help_it_is_a_fault_and_the_component_leaves(
    rig: Callable[[str], Rig],
) -> None:
    station = rig(CAPTURE)
    station.live(10)
    station.nucleus.loses_local, station.nucleus.heals = True, False
    station.live(15)
    assert station.nucleus.renewed >= 2
    assert NUCLEUS_DEAF_FAULT in station.faults()
    station.live(15)
    assert isinstance(station.inbox.next_event(0), RestartNeeded)
    assert station.inbox.depth() == 0


def test_a_nucleus_that_takes_nothing_is_not_taken_for_a_deaf_one(
    rig: Callable[[str], Rig],
) -> None:
    station = rig(CAPTURE)
    station.live(10)
    station.nucleus.answers = False
    station.live(60)
    assert station.nucleus.renewed == 0
    assert station.inbox.depth() == 0


def test_a_component_that_stood_still_for_long_is_not_deaf(rig: Callable[[str], Rig]) -> None:
    station = rig(CAPTURE)
    station.live(10)
    station.clock.now_ns += 3600 * SECOND_NS
    station.live(10)
    assert station.nucleus.renewed == 0


def test_another_process_of_the_same_name_is_not_heard_as_ones_own(
    rig: Callable[[str], Rig],
) -> None:
    station, other = rig(CAPTURE), rig(CAPTURE)
    station.live(5)
    station.nucleus.loses_local, station.nucleus.heals = True, False
    for _ in range(20):
        station.live(1)
        other.beats.tick()
        foreign = msgspec.json.encode(
            {"station_id": "station-1", "component": CAPTURE, "sequence": 99, "incarnation": "ab"}
        )
        station.inbox.deliver(BEATS[CAPTURE], foreign)
    assert station.nucleus.renewed >= 1
    assert NUCLEUS_DEAF_FAULT in station.faults()


def test_the_publisher_binds_anew_at_iot_core_when_not_even_its_own_beat_comes(
    rig: Callable[[str], Rig],
) -> None:
    station = rig(PUBLISHER)
    station.live(40)
    station.nucleus.loses_cloud = True
    station.live(120)
    assert station.nucleus.renewed_cloud == 1
    assert station.nucleus.renewed == 0
    station.live(60)
    assert station.faults() == set()
    station.nucleus.loses_cloud, station.nucleus.heals = True, False
    station.live(3600)
    assert CLOUD_DEAF_FAULT in station.faults()
    assert 3 <= station.nucleus.renewed_cloud <= 15
    assert station.inbox.depth() == 0  # records go on: nothing ends because of the cloud


def test_only_the_publisher_beats_by_the_cloud(rig: Callable[[str], Rig]) -> None:
    station = rig(CAPTURE)
    station.live(100)
    assert CLOUD_BEAT not in station.nucleus.taken
    assert BEATS[CAPTURE] in station.nucleus.taken


def test_who_has_no_stream_for_a_beat_sends_none(rig: Callable[[str], Rig]) -> None:
    recorder = rig("com.example.Recorder")
    recorder.live(100)
    assert recorder.nucleus.taken == []
    assert recorder.faults() == set()
