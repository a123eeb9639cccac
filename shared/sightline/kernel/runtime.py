"""What each component's `__main__` runs: connect, configure, then one loop of events and ticks."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from sightline import __version__
from sightline.clock import Clock, SystemClock
from sightline.configuration import ConfigurationStruct, load_configuration
from sightline.errors import (
    ConfigurationError,
    FatalError,
    NucleusGoneError,
    RestartNeededError,
    TransportError,
)
from sightline.kernel.folder_lock import FolderLock
from sightline.kernel.health import THREAD_FAULT, ComponentHealth, HealthReporter
from sightline.kernel.logs import configure_logging
from sightline.kernel.subscription_watchdog import RenewableBus, SubscriptionWatchdog
from sightline.messaging.bus import (
    ConfigurationChanged,
    Delivery,
    Inbox,
    MessageBus,
    NoNucleus,
    NucleusControl,
    NucleusGone,
    RefusedMessage,
    RestartNeeded,
)
from sightline.messaging.topics import streams_read_by
from sightline.messaging.update_consent import UpdateConsent, UpdateRequested
from sightline.storage.journal import DurableText

log = logging.getLogger(__name__)

CONFIGURATION_NOT_STORED_FAULT = "configuration-not-kept"
COMPONENT_ENDED_FAULT = "ended"
WORK_FOLDER_IN_USE_FAULT = "work-folder-in-use"
UNFORESEEN_FAULT = "unforeseen-error"
UNFORESEEN_SHOWN_S = 60.0
WAITING_REPORT_INTERVAL_S = 5.0
MAX_FAILED_TICKS = 50
FAILED_TICK_WAIT_S = 0.5
CONFIGURATION_RETRY_S = 5.0
EXIT_STOPPED = 0
EXIT_FATAL = 1
EXIT_RESTART = 70  # EX_SOFTWARE: a new process can do what this one cannot
EXIT_NUCLEUS_GONE = 75  # EX_TEMPFAIL: start me again

C = TypeVar("C", bound=ConfigurationStruct)


@dataclass(frozen=True)
class ComponentContext(Generic[C]):
    """What a component is built from."""

    configuration: C
    bus: MessageBus
    inbox: Inbox
    clock: Clock
    health: ComponentHealth
    station_id: str
    work_folder: Path
    nucleus: NucleusControl = field(default_factory=NoNucleus)


@dataclass(frozen=True)
class NewConfiguration:
    """An event: the nucleus has a new configuration for the component, and it is valid."""

    configuration: ConfigurationStruct


class Component(Protocol):
    """What the loop drives; all three run on the main thread."""

    def handle(self, event: object) -> None:
        """Take a Delivery, or an event of the component's own threads."""

    def tick(self) -> float:
        """Do what is due; returns the seconds until the next tick is wanted."""

    def close(self) -> None:
        """Settle the part in hand and give everything back."""


class NucleusLifecycle(Protocol):
    """What the loop itself asks of the nucleus."""

    def read_configuration(self) -> dict[str, Any]:
        """The component's whole configuration."""

    def defer_update(self, deployment_id: str, recheck_ms: int) -> None:
        """Let an update go on (0), or be asked again after that time."""


class _StopRequest:
    """An event that ends the loop."""


def run_component(
    name: str, configuration_type: type[C], build: Callable[[ComponentContext[C]], Component]
) -> int:
    """Run a component until it is told to stop, the nucleus goes or it cannot go on; never returns.

    The process ends at once, with one of the exit codes above: the SDK's own threads may still wait for
    a nucleus that is gone.
    """
    from sightline.messaging.greengrass_bus import GreengrassBus  # late: loads the AWS C libraries

    configure_logging(os.environ.get("SIGHTLINE_LOG_LEVEL", "INFO"))
    inbox, clock = Inbox(), SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.post(_StopRequest()))
    station_id = os.environ.get("AWS_IOT_THING_NAME", "station")
    health = ComponentHealth(name, __version__, station_id, clock)
    watch_threads(health, inbox)
    try:
        bus = GreengrassBus(inbox)
    except FatalError as error:
        return _exit_process(_report_exit(error, None, health))
    try:
        wait_for_folder_lock(Path.cwd(), inbox, lambda: HealthReporter(bus, health, inbox), health)
        values = LastGoodConfiguration(configuration_type, Path.cwd(), health)
        context = ComponentContext(
            values.load_first(bus.read_configuration()),
            bus,
            inbox,
            clock,
            health,
            station_id,
            Path.cwd(),
            bus,
        )
        component = build(context)
        for stream in streams_read_by(name):
            bus.subscribe(stream)
        bus.watch_configuration()
        bus.watch_validation(values.check)
        bus.watch_updates()
        log.info("component runs", extra={"component": name, "version": __version__})
        return _exit_process(_ComponentLoop(context, component, values, bus).run())
    except _StoppedEarlyError:
        return _exit_process(EXIT_STOPPED)
    except Exception as error:  # noqa: BLE001 whatever it is, it is told, and the process leaves
        return _exit_process(_report_exit(error, bus, health))


def _report_exit(error: Exception, bus: MessageBus | None, health: ComponentHealth) -> int:
    """What a component that cannot go on ends with; it says why to the log and, if it can, to the cloud."""
    if isinstance(error, NucleusGoneError):
        log.error("the nucleus is gone; leaving", extra={"error": str(error)})
        return EXIT_NUCLEUS_GONE
    if isinstance(error, TransportError):
        log.error("the nucleus does not answer; leaving", extra={"error": str(error)})
        return EXIT_NUCLEUS_GONE
    if isinstance(error, FatalError):
        log.error("cannot run", extra={"error": str(error)})
        words = str(error)
    else:
        log.error("cannot run", exc_info=error)
        words = f"{type(error).__name__}: {error}"
    if bus is not None:
        _report_fatal_end(bus, health, words)
    return EXIT_RESTART if isinstance(error, RestartNeededError) else EXIT_FATAL


def _report_fatal_end(bus: MessageBus, health: ComponentHealth, words: str) -> None:
    """Nobody else tells why a component ended, and one that ends three times within an hour stays away."""
    health.set_ready(False)
    health.raise_fault(COMPONENT_ENDED_FAULT, f"The component ended: {words}")
    with contextlib.suppress(Exception):
        HealthReporter(bus, health, Inbox()).publish_once()


def watch_threads(health: ComponentHealth, inbox: Inbox) -> None:
    """Have a thread that ends by an error make the component leave: it is never missed in silence."""

    def ended(arguments: threading.ExceptHookArgs) -> None:
        if issubclass(arguments.exc_type, SystemExit):
            return
        name = arguments.thread.name if arguments.thread is not None else "?"
        reason = f"the thread {name} ended: {arguments.exc_type.__name__}: {arguments.exc_value}"
        traceback = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        log.error("a thread ended", exc_info=traceback, extra={"worker": name})  # type: ignore[arg-type]
        health.raise_fault(THREAD_FAULT + name, f"The component starts again, because {reason}")
        gone = issubclass(arguments.exc_type, NucleusGoneError)
        inbox.post(NucleusGone(str(arguments.exc_value)) if gone else RestartNeeded(reason))

    threading.excepthook = ended


def wait_for_folder_lock(
    folder: Path,
    inbox: Inbox,
    reporter: Callable[[], HealthReporter],
    health: ComponentHealth,
    poll_s: float = 0.2,
) -> FolderLock:
    """Wait until no older process of the component works in the folder; until then it is a fault.

    An older one may still run when its nucleus was killed; two would write one journal.
    """
    lock = FolderLock(folder)
    report_at_s = time.monotonic()
    while not lock.acquire():
        event = inbox.next_event(poll_s)
        if isinstance(event, _StopRequest):
            raise _StoppedEarlyError
        if isinstance(event, NucleusGone):
            raise NucleusGoneError(event.reason)
        if time.monotonic() >= report_at_s:
            report_at_s = time.monotonic() + WAITING_REPORT_INTERVAL_S
            text = (
                f"An older process of this component ({lock.holder() or 'unknown'}) still works in "
                f"{folder.name}. This one waits until it has ended; end it if it hangs."
            )
            if health.raise_fault(WORK_FOLDER_IN_USE_FAULT, text):
                log.error("waiting for an older process", extra={"pid": lock.holder()})
            reporter().publish_once()
    if health.clear_fault(WORK_FOLDER_IN_USE_FAULT):
        log.info("the older process has ended")
    return lock


class LastGoodConfiguration(Generic[C]):
    """Takes new configurations, refuses wrong ones, and keeps the last good one on disk."""

    def __init__(
        self, configuration_type: type[C], work_folder: Path, health: ComponentHealth
    ) -> None:
        self._type = configuration_type
        self._health = health
        self._last_good = DurableText(work_folder / "configuration.last-good.json")

    def load_first(self, values: dict[str, Any]) -> C:
        """The configuration to start with: the given one, else the last good one, else the error."""
        given = self.accept_if_valid(values)
        return self._load_last_good() if given is None else given

    def check(self, values: dict[str, Any]) -> str:
        """Why a configuration cannot be, in words; nothing if it can. It is not put into force."""
        try:
            load_configuration(self._type, values)
        except ConfigurationError as error:
            return str(error)
        return ""

    def accept_if_valid(self, values: dict[str, Any]) -> C | None:
        """The new configuration, or None if it is refused: the one in force then stays."""
        try:
            configuration = load_configuration(self._type, values)
        except ConfigurationError as error:
            log.error("configuration refused", extra={"error": str(error)})
            self._health.raise_fault("configuration-refused", str(error))
            return None
        self._health.clear_fault("configuration-refused")
        self._store_last_good(configuration)
        return configuration

    def _store_last_good(self, configuration: C) -> None:
        """For a later start with a wrong configuration; a disk that is full stops no component."""
        text = msgspec.json.encode(configuration).decode()
        try:
            if self._read_last_good() != text:
                self._last_good.store(text)
        except OSError as error:
            told = f"a start with a wrong configuration would not find this one: {error}"
            if self._health.raise_fault(CONFIGURATION_NOT_STORED_FAULT, told, "warning"):
                log.error("configuration not kept", extra={"error": str(error)})
        else:
            self._health.clear_fault(CONFIGURATION_NOT_STORED_FAULT)

    def _read_last_good(self) -> str | None:
        try:
            return self._last_good.load()
        except (OSError, UnicodeDecodeError) as error:
            log.error("the last good configuration is not readable", extra={"error": str(error)})
            return None

    def _load_last_good(self) -> C:
        """The last good configuration; ConfigurationError if there is none."""
        text = self._read_last_good()
        if text is None:
            raise ConfigurationError(
                "the configuration is refused and no earlier good one is known"
            )
        try:
            values = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigurationError(
                f"the configuration is refused and the last good one is damaged: {error}"
            ) from error
        return load_configuration(self._type, values)


class _StoppedEarlyError(Exception):
    """Asked to stop before anything ran."""


class _NucleusConnection(NucleusLifecycle, MessageBus, RenewableBus, Protocol):
    """All that the loop needs of the connection."""


class _ComponentLoop(Generic[C]):
    def __init__(
        self,
        context: ComponentContext[C],
        component: Component,
        values: LastGoodConfiguration[C],
        nucleus: _NucleusConnection,
    ) -> None:
        self._context = context
        self._component = component
        self._configurations = values
        self._nucleus = nucleus
        self._consent = UpdateConsent(context.clock)
        self._failed_ticks = 0
        self._unforeseen_until_s: float | None = None
        self._retry_configuration_at_s: float | None = None
        health, inbox, name = context.health, context.inbox, context.health.component
        beats = SubscriptionWatchdog(
            name, context.station_id, nucleus, inbox, health, context.clock
        )
        HealthReporter(nucleus, health, inbox, beats.tick).start()

    def run(self) -> int:
        """Take events and ticks until stopped."""
        wait_s = 0.0
        while True:
            event = self._context.inbox.next_event(wait_s)
            if isinstance(event, _StopRequest):
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
            wait_s = self._tick()

    def _handle_guarded(self, event: object) -> None:
        """One event that nobody foresaw is lost alone, and told; what it was about is not done."""
        try:
            self._dispatch(event)
        except (NucleusGoneError, RestartNeededError):
            raise
        except Exception as error:  # noqa: BLE001 nobody foresaw it, so it can be anything
            self._report_unforeseen(error, f"handling {type(event).__name__}")

    def _tick(self) -> float:
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
        text = f"An error that is not foreseen, in {where}: {type(error).__name__}: {error}"
        self._context.health.raise_fault(
            UNFORESEEN_FAULT, f"{text}. Please report the component's log."
        )
        log.error("unforeseen error", exc_info=error, extra={"where": where})

    def _dispatch(self, event: object) -> None:
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
            self._component.handle(event)

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
        if (
            self._retry_configuration_at_s is not None
            and time.monotonic() >= self._retry_configuration_at_s
        ):
            self._handle_guarded(ConfigurationChanged())


def _exit_process(code: int) -> int:
    """Flush, then end at once: the SDK's own threads may still wait for a nucleus that is gone."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
