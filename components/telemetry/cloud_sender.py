"""Sends states to IoT Core from a thread of its own: a slow or absent cloud delays nothing here."""

import logging
import threading

from sightline.bus import Bus
from sightline.errors import MessageError, NucleusGoneError, TransportError
from sightline.health import Health
from sightline.kept_thread import KeptThread
from sightline.messages import MachineState
from sightline.topics import MACHINE_STATE_TO_CLOUD

log = logging.getLogger(__name__)
FAULT = "machine-state-not-in-cloud"
LEAST_INTERVAL_S = 1.0 / MACHINE_STATE_TO_CLOUD.greatest_rate_hz


class CloudSender:
    """One state waits, the newest; what it replaces, or cannot be sent, is counted and not repeated."""

    def __init__(self, bus: Bus, health: Health) -> None:
        self._thread = KeptThread("cloud-sender", self._run, health)
        self._bus = bus
        self._health = health
        self._changed = threading.Condition()
        self._waiting: MachineState | None = None
        self._closing = threading.Event()

    def send(self, state: MachineState) -> None:
        """Hand a state over; returns at once."""
        with self._changed:
            if self._waiting is not None:
                self._health.count("states_replaced")
            self._waiting = state
            self._changed.notify()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def _run(self) -> None:
        """Send the newest state, at most one an interval, until told to end or the nucleus goes."""
        while (state := self._next()) is not None:
            try:
                self._bus.publish(MACHINE_STATE_TO_CLOUD, state)
            except NucleusGoneError:
                return
            except (TransportError, MessageError) as error:
                self._not_sent(error)
            else:
                self._health.clear_fault(FAULT)
                self._health.count("states_to_cloud")
            self._closing.wait(LEAST_INTERVAL_S)

    def close(self) -> None:
        """End the thread, if the cloud lets it."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        self._thread.end()
        if self._thread.is_alive():
            self._thread.join(1.0)  # a cloud that hangs keeps the thread; it ends with the process

    def _next(self) -> MachineState | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closing.is_set())
            state, self._waiting = self._waiting, None
            return None if self._closing.is_set() else state

    def _not_sent(self, error: TransportError | MessageError) -> None:
        self._health.count("states_dropped")
        if self._health.raise_fault(FAULT, str(error), "warning"):
            log.warning("machine state not sent to the cloud", extra={"error": str(error)})
