"""A component hears its own beat, or it hears nothing at all.

A nucleus may lose its subscriptions without a word: its streams stay open, and publishing is answered as
before. So a component tells itself something each second. Where that is not heard although the nucleus
took it, all subscriptions are opened again; where that does not help, the component leaves and is started
again.
"""

import logging
import secrets
from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from sightline.clock import Clock
from sightline.errors import FatalError, NucleusGoneError, TransportError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Inbox, RestartNeeded
from sightline.messaging.messages import Beat
from sightline.messaging.topics import BEATS, CLOUD_BEAT, PUBLISHER, MessageStream

log = logging.getLogger(__name__)
NS_PER_S = 1_000_000_000
NUCLEUS_DEAF_FAULT = "nucleus-deaf"
CLOUD_DEAF_FAULT = "cloud-deaf"


class RenewableBus(Protocol):
    """What beats need of the bus."""

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None: ...

    def renew_subscriptions(self) -> None: ...

    def renew_cloud_subscriptions(self) -> None: ...


class LoopbackBeat:
    """One beat on one stream, sent each interval; missed when several that were taken are not heard.

    The subscriptions are to be opened again after `max_unheard` beats, and after ever more of them while
    that does not help, up to `max_wait` beats. Used by one thread, but for `hear`.
    """

    def __init__(
        self,
        component: str,
        station_id: str,
        clock: Clock,
        *,
        stream: MessageStream,
        interval_s: float,
        max_unheard: int,
        max_wait_beats: int,
    ) -> None:
        self.stream = stream
        self._component = component
        self._station_id = station_id
        self._clock = clock
        self._interval_ns = round(interval_s * NS_PER_S)
        self._max_unheard = max_unheard
        self._max_wait_beats = max_wait_beats
        self._wait = self._waited_from = 0
        self._incarnation = secrets.token_hex(4)
        self._sent = self._taken = self._received = 0
        self._next_ns = 0
        self._received_ns = clock.monotonic_ns()
        self._is_silent = False

    def note_received(self, message: msgspec.Struct) -> None:
        """Note a beat that came, unless it is another one's."""
        if isinstance(message, Beat) and message.incarnation == self._incarnation:
            self._note_sequence(message.sequence)

    @property
    def silent_s(self) -> float:
        """For how long nothing was heard although it was sent; 0 while all is well."""
        if not self._is_silent:
            return 0.0
        return (self._clock.monotonic_ns() - self._received_ns) / NS_PER_S

    def send_if_due(self, publish: Callable[[MessageStream, Beat], None]) -> None:
        """Send the next beat when its time has come; TransportError: nobody took it."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + self._interval_ns
        self._sent += 1
        beat = Beat(
            station_id=self._station_id,
            component=self._component,
            sequence=self._sent,
            incarnation=self._incarnation,
        )
        try:
            publish(self.stream, beat)
        except TransportError:
            self._note_sequence(self._sent)  # it says nothing about what would have been heard
            raise
        self._taken = self._sent

    def check_renewal_due(self) -> bool:
        """Whether so many beats went unheard that the subscriptions are to be opened again."""
        unheard = self._taken - self._received
        if unheard < self._max_unheard:
            self._wait = 0
            return False
        if self._wait and self._taken - self._waited_from < self._wait:
            return False
        self._is_silent = True
        self._wait = min(max(self._max_unheard, 2 * self._wait), self._max_wait_beats)
        self._waited_from = self._taken
        return True

    def _note_sequence(self, sequence: int) -> None:
        self._received = max(self._received, sequence)
        self._received_ns = self._clock.monotonic_ns()
        self._is_silent = False


class SubscriptionWatchdog:
    """A component's beats; `tick` is called each second from a thread that may wait for the nucleus."""

    RESTART_AFTER_S = 20.0
    RESTART_UNRENEWED_AFTER_S = 60.0

    def __init__(
        self,
        component: str,
        station_id: str,
        bus: RenewableBus,
        inbox: Inbox,
        health: ComponentHealth,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._inbox = inbox
        self._health = health
        self._clock = clock
        self._restart_requested = False
        self._unrenewed_since_ns: int | None = None
        make = partial(LoopbackBeat, component, station_id, clock)
        stream = BEATS.get(component)  # none of a recorder that only listens, as a replay's
        self._local = (
            make(stream=stream, interval_s=1.0, max_unheard=5, max_wait_beats=5) if stream else None
        )
        self._cloud = (
            make(stream=CLOUD_BEAT, interval_s=30.0, max_unheard=2, max_wait_beats=20)
            if component == PUBLISHER
            else None
        )
        inbox.set_listener(Beat, self._handle_beat)

    def tick(self) -> None:
        """Send what is due, and open again what is silent; NucleusGoneError."""
        if self._local is not None:
            self._tick_local(self._local)
        if self._cloud is not None:
            self._tick_cloud(self._cloud)

    def _tick_local(self, beat: LoopbackBeat) -> None:
        try:
            beat.send_if_due(self._bus.publish)
        except TransportError as error:
            log.debug("beat not published", extra={"error": str(error)})
        if beat.check_renewal_due():
            text = (
                f"The nucleus takes messages but has delivered none for {beat.silent_s:.0f} s. "
                "The subscriptions are opened again."
            )
            if self._health.raise_fault(NUCLEUS_DEAF_FAULT, text):
                log.error(
                    "no message is delivered; subscribing again",
                    extra={"silent_s": round(beat.silent_s, 1)},
                )
            self._health.count("subscriptions_renewed")
            if self._unrenewed_since_ns is None:
                self._unrenewed_since_ns = self._clock.monotonic_ns()
        elif beat.silent_s == 0.0 and self._unrenewed_since_ns is None:
            self._health.clear_fault(NUCLEUS_DEAF_FAULT)
        self._renew_when_lost()
        silent_s, unrenewed_s = beat.silent_s, self._unrenewed_s()
        is_deaf = silent_s > self.RESTART_AFTER_S or unrenewed_s > self.RESTART_UNRENEWED_AFTER_S
        if is_deaf and not self._restart_requested:
            self._restart_requested = True
            self._inbox.post(
                RestartNeeded(f"no message was delivered for {max(silent_s, unrenewed_s):.0f} s")
            )

    def _renew_when_lost(self) -> None:
        """Open all subscriptions again, if they are to be; what failed half-way is tried until it is done.

        One's own beat may be heard meanwhile: by a subscription that was never lost, while another that
        was closed here is not open yet.
        """
        if self._unrenewed_since_ns is None:
            return
        try:
            self._bus.renew_subscriptions()
        except NucleusGoneError:
            raise
        except (TransportError, FatalError) as error:
            log.error("not subscribed; trying again", extra={"error": str(error)})
        else:
            self._unrenewed_since_ns = None

    def _unrenewed_s(self) -> float:
        since_ns = self._unrenewed_since_ns
        return 0.0 if since_ns is None else (self._clock.monotonic_ns() - since_ns) / NS_PER_S

    def _tick_cloud(self, beat: LoopbackBeat) -> None:
        try:
            beat.send_if_due(self._bus.publish)
        except TransportError as error:
            log.debug("cloud beat not published", extra={"error": str(error)})
        if beat.check_renewal_due():
            text = (
                f"IoT Core has delivered nothing to this station for {beat.silent_s:.0f} s, not even its "
                "own beat: commands do not arrive. The subscriptions are opened again."
            )
            self._health.raise_fault(CLOUD_DEAF_FAULT, text, "warning")
            self._health.count("cloud_subscriptions_renewed")
            self._bus.renew_cloud_subscriptions()
        elif beat.silent_s == 0.0:
            self._health.clear_fault(CLOUD_DEAF_FAULT)

    def _handle_beat(self, message: msgspec.Struct) -> None:
        for beat in (self._local, self._cloud):
            if beat is not None:
                beat.note_received(message)
