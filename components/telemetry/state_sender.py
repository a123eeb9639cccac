"""Sends states to IoT Core from a thread of its own: a slow or absent cloud delays nothing here."""

import threading

from sightline.errors import NucleusGoneError
from sightline.kernel.health import ComponentHealth
from sightline.kernel.message_publisher import MessagePublisher
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.bus import MessageBus
from sightline.messaging.messages import MachineState
from sightline.messaging.state_pages import split_into_pages
from sightline.messaging.topics import MACHINE_STATE_TO_CLOUD

NOT_IN_CLOUD_FAULT = "machine-state-not-in-cloud"
MIN_INTERVAL_S = 1.0


class MachineStateSender:
    """One state waits, the newest; what it replaces, or cannot be sent, is counted and not repeated."""

    def __init__(self, bus: MessageBus, health: ComponentHealth) -> None:
        self._thread = SupervisedThread("cloud-sender", self._run, health)
        self._publisher = MessagePublisher(bus, health, NOT_IN_CLOUD_FAULT)
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
        while (state := self._wait_for_next()) is not None:
            try:
                is_sent = all(
                    self._publisher.publish(MACHINE_STATE_TO_CLOUD, page)
                    for page in split_into_pages(state)
                )
            except NucleusGoneError:
                return
            self._health.count("states_to_cloud" if is_sent else "states_dropped")
            self._closing.wait(MIN_INTERVAL_S)

    def close(self) -> None:
        """End the thread, if the cloud lets it."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        self._thread.stop()
        if self._thread.is_alive():
            self._thread.join(1.0)  # a cloud that hangs keeps the thread; it ends with the process

    def _wait_for_next(self) -> MachineState | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closing.is_set())
            state, self._waiting = self._waiting, None
            return None if self._closing.is_set() else state
