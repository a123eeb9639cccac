"""What each component's `__main__` runs: connect, configure, build the component, run its loop."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sightline import __version__
from sightline.clock import SystemClock
from sightline.configuration import ConfigurationStruct
from sightline.errors import (
    FatalError,
    NucleusGoneError,
    RestartNeededError,
    TransportError,
)
from sightline.kernel.component import ComponentContext
from sightline.kernel.component_loop import (
    EXIT_STOPPED,
    ComponentLoop,
    RunningComponent,
    StopRequest,
)
from sightline.kernel.configuration_keeper import LastGoodConfiguration
from sightline.kernel.folder_lock import FolderLock
from sightline.kernel.health import THREAD_FAULT, ComponentHealth, HealthReporter
from sightline.kernel.logs import configure_logging
from sightline.kernel.station_settings import SETTINGS_FAULT, SettingsNotThereError
from sightline.messaging.bus import Inbox, MessageBus, NucleusGone, RestartNeeded
from sightline.messaging.topics import streams_read_by
from sightline.storage.file_modes import protect_new_files

log = logging.getLogger(__name__)

COMPONENT_ENDED_FAULT = "ended"
WORK_FOLDER_IN_USE_FAULT = "work-folder-in-use"
WAITING_REPORT_INTERVAL_S = 5.0
EXIT_FATAL = 1
EXIT_RESTART = 70  # EX_SOFTWARE: a new process can do what this one cannot
EXIT_NUCLEUS_GONE = 75  # EX_TEMPFAIL: start me again

C = TypeVar("C", bound=ConfigurationStruct)


def run_component(
    name: str, configuration_type: type[C], build: Callable[[ComponentContext[C]], RunningComponent]
) -> int:
    """Run a component until it is told to stop, the nucleus goes or it cannot go on; never returns.

    The process ends at once, with one of the exit codes above: the SDK's own threads may still wait for
    a nucleus that is gone.
    """
    from sightline.messaging.greengrass_bus import GreengrassBus  # late: loads the AWS C libraries

    protect_new_files()
    configure_logging(os.environ.get("SIGHTLINE_LOG_LEVEL", "INFO"))
    inbox, clock = Inbox(), SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.post(StopRequest()))
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
            wait_for_configuration(
                lambda: values.load_first(bus.read_configuration()),
                inbox,
                lambda: HealthReporter(bus, health, inbox),
                health,
            ),
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
        return _exit_process(ComponentLoop(context, component, values, bus).run())
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
        if isinstance(event, StopRequest):
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


def wait_for_configuration(
    load: Callable[[], C],
    inbox: Inbox,
    reporter: Callable[[], HealthReporter],
    health: ComponentHealth,
    poll_s: float = 1.0,
) -> C:
    """Wait for the station's own settings where the rest alone would be half a configuration.

    In a first deployment they may come a moment later; until then it is a fault.
    """
    report_at_s = time.monotonic()
    while True:
        try:
            configuration = load()
        except SettingsNotThereError as error:
            if health.raise_fault(SETTINGS_FAULT, str(error)):
                log.error("waiting for the station's settings", extra={"problem": str(error)})
        else:
            return configuration
        if time.monotonic() >= report_at_s:
            report_at_s = time.monotonic() + WAITING_REPORT_INTERVAL_S
            reporter().publish_once()
        event = inbox.next_event(poll_s)
        if isinstance(event, StopRequest):
            raise _StoppedEarlyError
        if isinstance(event, NucleusGone):
            raise NucleusGoneError(event.reason)


class _StoppedEarlyError(Exception):
    """Asked to stop before anything ran."""


def _exit_process(code: int) -> int:
    """Flush, then end at once: the SDK's own threads may still wait for a nucleus that is gone."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
