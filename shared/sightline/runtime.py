"""What each component's `__main__` runs: connect, configure, then one loop of events and ticks."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from sightline import __version__
from sightline.bus import Bus, ConfigurationChanged, Delivery, Inbox, NucleusGone, Refused
from sightline.clock import Clock, SystemClock
from sightline.configuration import Configuration, load_configuration
from sightline.errors import ConfigurationError, FatalError, NucleusGoneError
from sightline.health import Health, HealthReporter
from sightline.journal import DurableText
from sightline.logs import configure_logging
from sightline.topics import streams_read_by
from sightline.updates import UpdateAsked, UpdateConsent

log = logging.getLogger(__name__)

NOT_KEPT = "configuration-not-kept"
EXIT_STOPPED = 0
EXIT_FATAL = 1
EXIT_NUCLEUS_GONE = 75  # EX_TEMPFAIL: start me again

C = TypeVar("C", bound=Configuration)


@dataclass(frozen=True)
class Context(Generic[C]):
    """What a component is built from."""

    configuration: C
    bus: Bus
    inbox: Inbox
    clock: Clock
    health: Health
    station_id: str
    work_folder: Path


@dataclass(frozen=True)
class NewConfiguration:
    """An event: the nucleus has a new configuration for the component, and it is valid."""

    configuration: Configuration


class Component(Protocol):
    """What the loop drives; all three run on the main thread."""

    def handle(self, event: object) -> None:
        """Take a Delivery, or an event of the component's own threads."""

    def tick(self) -> float:
        """Do what is due; returns the seconds until the next tick is wanted."""

    def close(self) -> None:
        """Settle the part in hand and give everything back."""


class Nucleus(Protocol):
    """What the loop itself asks of the nucleus."""

    def configuration(self) -> dict[str, Any]:
        """The component's whole configuration."""

    def answer_update(self, deployment_id: str, recheck_ms: int) -> None:
        """Let an update go on (0), or be asked again after that time."""


class _Stop:
    """An event that ends the loop."""


def run_component(
    name: str, configuration_type: type[C], build: Callable[[Context[C]], Component]
) -> int:
    """Run a component until it is told to stop or the nucleus goes; returns the exit code."""
    from sightline.greengrass_bus import GreengrassBus  # late: loads the AWS C libraries

    configure_logging(os.environ.get("SIGHTLINE_LOG_LEVEL", "INFO"))
    inbox, clock = Inbox(), SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.post(_Stop()))
    station_id = os.environ.get("AWS_IOT_THING_NAME", "station")
    health = Health(name, __version__, station_id, clock)
    try:
        bus = GreengrassBus(inbox)
        values = ConfigurationKeeper(configuration_type, Path.cwd(), health)
        context = Context(
            values.first(bus.configuration()), bus, inbox, clock, health, station_id, Path.cwd()
        )
        component = build(context)
        for stream in streams_read_by(name):
            bus.subscribe(stream)
        bus.watch_configuration()
        bus.answer_for_configuration(values.refusal)
        bus.watch_updates()
        log.info("component runs", extra={"component": name, "version": __version__})
        return _Loop(context, component, values, bus).run()
    except NucleusGoneError as error:
        log.error("the nucleus is gone; leaving", extra={"error": str(error)})
        return _leave(EXIT_NUCLEUS_GONE)
    except FatalError as error:
        log.error("cannot run", extra={"error": str(error)})
        return EXIT_FATAL


class ConfigurationKeeper(Generic[C]):
    """Takes new configurations, refuses wrong ones, and keeps the last good one on disk."""

    def __init__(self, configuration_type: type[C], work_folder: Path, health: Health) -> None:
        self._type = configuration_type
        self._health = health
        self._last_good = DurableText(work_folder / "configuration.last-good.json")

    def first(self, values: dict[str, Any]) -> C:
        """The configuration to start with: the given one, else the last good one, else the error."""
        given = self.changed(values)
        return self._last() if given is None else given

    def refusal(self, values: dict[str, Any]) -> str:
        """Why a configuration cannot be, in words; nothing if it can. It is not put into force."""
        try:
            load_configuration(self._type, values)
        except ConfigurationError as error:
            return str(error)
        return ""

    def changed(self, values: dict[str, Any]) -> C | None:
        """The new configuration, or None if it is refused: the one in force then stays."""
        try:
            configuration = load_configuration(self._type, values)
        except ConfigurationError as error:
            log.error("configuration refused", extra={"error": str(error)})
            self._health.raise_fault("configuration-refused", str(error))
            return None
        self._health.clear_fault("configuration-refused")
        self._keep(configuration)
        return configuration

    def _keep(self, configuration: C) -> None:
        """For a later start with a wrong configuration; a disk that is full stops no component."""
        text = msgspec.json.encode(configuration).decode()
        try:
            if self._kept() != text:
                self._last_good.store(text)
        except OSError as error:
            told = f"a start with a wrong configuration would not find this one: {error}"
            if self._health.raise_fault(NOT_KEPT, told, "warning"):
                log.error("configuration not kept", extra={"error": str(error)})
        else:
            self._health.clear_fault(NOT_KEPT)

    def _kept(self) -> str | None:
        try:
            return self._last_good.load()
        except (OSError, UnicodeDecodeError) as error:
            log.error("the last good configuration is not readable", extra={"error": str(error)})
            return None

    def _last(self) -> C:
        """The last good configuration; ConfigurationError if there is none."""
        text = self._kept()
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


class _Loop(Generic[C]):
    def __init__(
        self,
        context: Context[C],
        component: Component,
        values: ConfigurationKeeper[C],
        nucleus: Nucleus,
    ) -> None:
        self._context = context
        self._component = component
        self._values = values
        self._nucleus = nucleus
        self._consent = UpdateConsent(context.clock)
        HealthReporter(context.bus, context.health, context.inbox).start()

    def run(self) -> int:
        """Take events and ticks until stopped."""
        wait_s = 0.0
        while True:
            event = self._context.inbox.take(wait_s)
            if isinstance(event, _Stop):
                log.info("asked to stop")
                self._component.close()
                return _leave(EXIT_STOPPED)
            if isinstance(event, NucleusGone):
                raise NucleusGoneError(event.reason)
            if event is not None:
                self._dispatch(event)
            wait_s = self._component.tick()

    def _dispatch(self, event: object) -> None:
        if isinstance(event, Refused):
            self._context.health.count("messages_refused")
            log.error(
                "message refused", extra={"stream": event.stream.name, "error": str(event.error)}
            )
        elif isinstance(event, ConfigurationChanged):
            self._reconfigure()
        elif isinstance(event, UpdateAsked):
            waiting = self._context.inbox.depth()
            again_ms = self._consent.recheck_ms(event.deployment_id, waiting)
            self._nucleus.answer_update(event.deployment_id, again_ms)
        elif isinstance(event, Delivery) and self._of_another_station(event):
            self._context.health.count("messages_of_another_station")
        else:
            self._component.handle(event)

    def _of_another_station(self, delivery: Delivery) -> bool:
        station = getattr(delivery.message, "station_id", self._context.station_id)
        return bool(station != self._context.station_id)

    def _reconfigure(self) -> None:
        configuration = self._values.changed(self._nucleus.configuration())
        if configuration is not None:
            self._component.handle(NewConfiguration(configuration))


def _leave(code: int) -> int:
    """Flush, then end at once: the SDK's own threads may still wait for a nucleus that is gone."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
