"""The loop that drives a component: events, periodic work, configuration, updates, freshness."""

import logging
import time
from typing import Any, Generic, Protocol, TypeVar

from sightline.configuration import ConfigurationStruct
from sightline.errors import NucleusGoneError, RestartNeededError, TransportError
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.kernel.configuration_keeper import LastGoodConfiguration
from sightline.kernel.health import HealthReporter
from sightline.kernel.stream_freshness import StreamFreshness, StreamSilent
from sightline.kernel.subscription_watchdog import RenewableBus, SubscriptionWatchdog
from sightline.messaging.bus import (
    ConfigurationChanged,
    Delivery,
    MessageBus,
    NucleusGone,
    RefusedMessage,
    RestartNeeded,
)
from sightline.messaging.topics import streams_read_by
from sightline.messaging.update_consent import UpdateConsent, UpdateRequested

log = logging.getLogger(__name__)

UNFORESEEN_FAULT = "unforeseen-error"
UNFORESEEN_SHOWN_S = 60.0
MAX_FAILED_TICKS = 50
FAILED_TICK_WAIT_S = 0.5
CONFIGURATION_RETRY_S = 5.0
FRESHNESS_INTERVAL_S = 1.0
SETTINGS_CHECK_INTERVAL_S = 1.0
MAX_FRESHNESS_WAIT_S = 3.0  # for an inbox that is never empty
EXIT_STOPPED = 0

C = TypeVar("C", bound=ConfigurationStruct)


class RunningComponent(Protocol):
    """What the loop drives; all three run on the main thread. `Component` is one."""

    def handle(self, event: object) -> None:
        """Handle a Delivery, or an event of the component's own threads."""

    def tick(self) -> float:
        """Do what is due; returns the seconds until the next tick is wanted."""

    def close(self) -> None:
        """Finish the part in hand and close what holds a resource."""


class NucleusLifecycle(Protocol):
    """What the loop itself asks of the nucleus."""

    def read_configuration(self) -> dict[str, Any]:
        """The component's whole configuration."""

    def defer_update(self, deployment_id: str, recheck_ms: int) -> None:
        """Let an update go on (0), or be asked again after that time."""


class StopRequest:
    """An event that ends the loop."""


class NucleusConnection(NucleusLifecycle, MessageBus, RenewableBus, Protocol):
    """All that the loop needs of the connection."""


class ComponentLoop(Generic[C]):
    """Takes events one after the other and lets the component handle them; nothing here runs twice at once.

    An exception that nobody foresaw loses one event, and is a fault; periodic work that fails again and
    again makes the component leave.
    """

    def __init__(
        self,
        context: ComponentContext[C],
        component: RunningComponent,
        values: LastGoodConfiguration[C],
        nucleus: NucleusConnection,
    ) -> None:
        self._context = context
        self._component = component
        self._configurations = values
        self._nucleus = nucleus
        self._consent = UpdateConsent(context.clock)
        self._failed_ticks = 0
        self._unforeseen_until_s: float | None = None
        self._retry_configuration_at_s: float | None = None
        self._check_freshness_at_s = 0.0
        self._check_settings_at_s = 0.0
        health, inbox, name = context.health, context.inbox, context.health.component
        beats = SubscriptionWatchdog(
            name, context.station_id, nucleus, inbox, health, context.clock
        )
        HealthReporter(nucleus, health, inbox, beats.tick).start()
        self._freshness = StreamFreshness(streams_read_by(name), health, context.clock)

    def run(self) -> int:
        """Take events and ticks until stopped."""
        wait_s = 0.0
        while True:
            event = self._context.inbox.next_event(wait_s)
            if isinstance(event, StopRequest):
                log.info("asked to stop")
                self._component.close()
                return EXIT_STOPPED
            if isinstance(event, NucleusGone):
                raise NucleusGoneError(event.reason)
            if isinstance(event, RestartNeeded):
                raise RestartNeededError(event.reason)
            if event is not None:
                self._handle_guarded(event)
            self._reconfigure_if_due()
            self._check_freshness()
            wait_s = min(self._tick_guarded(), FRESHNESS_INTERVAL_S)

    def _handle_guarded(self, event: object) -> None:
        """One event that nobody foresaw is lost alone, and told; what it was about is not done."""
        try:
            self._dispatch_event(event)
        except (NucleusGoneError, RestartNeededError):
            raise
        except Exception as error:  # noqa: BLE001 nobody foresaw it, so it can be anything
            self._report_unforeseen(error, f"handling {type(event).__name__}")

    def _tick_guarded(self) -> float:
        try:
            wait_s = self._component.tick()
        except (NucleusGoneError, RestartNeededError):
            raise
        except Exception as error:
            self._failed_ticks += 1
            self._report_unforeseen(error, "its periodic work")
            if self._failed_ticks >= MAX_FAILED_TICKS:
                raise RestartNeededError(f"its periodic work fails: {error}") from error
            return FAILED_TICK_WAIT_S
        self._failed_ticks = 0
        if self._unforeseen_until_s is not None and time.monotonic() > self._unforeseen_until_s:
            self._unforeseen_until_s = None
            self._context.health.clear_fault(UNFORESEEN_FAULT)
        return wait_s

    def _report_unforeseen(self, error: Exception, where: str) -> None:
        self._unforeseen_until_s = time.monotonic() + UNFORESEEN_SHOWN_S
        self._context.health.count("unforeseen_errors")
        text = f"Unexpected error in {where}: {type(error).__name__}: {error}"
        self._context.health.raise_fault(
            UNFORESEEN_FAULT, f"{text}. Please report the component's log."
        )
        log.error("unforeseen error", exc_info=error, extra={"where": where})

    def _dispatch_event(self, event: object) -> None:
        if isinstance(event, RefusedMessage):
            self._context.health.count("messages_refused")
            log.error(
                "message refused", extra={"stream": event.stream.name, "error": str(event.error)}
            )
        elif isinstance(event, ConfigurationChanged):
            self._reconfigure()
        elif isinstance(event, UpdateRequested):
            waiting = self._context.inbox.depth()
            again_ms = self._consent.decide_recheck_ms(event.deployment_id, waiting)
            self._nucleus.defer_update(event.deployment_id, again_ms)
        elif isinstance(event, Delivery) and self._is_of_another_station(event):
            self._context.health.count("messages_of_another_station")
        else:
            if isinstance(event, Delivery):
                self._freshness.note_message(event.stream, event.received_monotonic_ns)
            self._component.handle(event)

    def _check_freshness(self) -> None:
        now_s = time.monotonic()
        late_s = now_s - self._check_freshness_at_s
        if late_s < 0 or (self._context.inbox.depth() > 0 and late_s < MAX_FRESHNESS_WAIT_S):
            return  # what was heard may still wait in the inbox
        self._check_freshness_at_s = now_s + FRESHNESS_INTERVAL_S
        for stream in self._freshness.find_silent():
            self._handle_guarded(StreamSilent(stream))

    def _is_of_another_station(self, delivery: Delivery) -> bool:
        station = getattr(delivery.message, "station_id", self._context.station_id)
        return bool(station != self._context.station_id)

    def _reconfigure(self) -> None:
        """Take the new configuration; from a nucleus that does not answer now, a little later."""
        self._retry_configuration_at_s = None
        try:
            values = self._nucleus.read_configuration()
        except TransportError as error:
            log.warning("no configuration yet; asking again", extra={"error": str(error)})
            self._retry_configuration_at_s = time.monotonic() + CONFIGURATION_RETRY_S
            return
        configuration = self._configurations.accept_if_valid(values)
        if configuration is not None:
            self._component.handle(NewConfiguration(configuration))

    def _reconfigure_if_due(self) -> None:
        now_s = time.monotonic()
        retry_at_s = self._retry_configuration_at_s
        due = retry_at_s is not None and now_s >= retry_at_s
        if now_s >= self._check_settings_at_s:
            self._check_settings_at_s = now_s + SETTINGS_CHECK_INTERVAL_S
            due = due or self._configurations.settings_changed()
        if due:
            self._handle_guarded(ConfigurationChanged())
