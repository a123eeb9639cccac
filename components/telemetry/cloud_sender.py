"""Sends states to IoT Core from a thread of its own: a slow or absent cloud delays nothing here."""

import logging
import queue
import threading

from sightline.bus import Bus
from sightline.errors import MessageError, NucleusGoneError, TransportError
from sightline.health import Health
from sightline.messages import MachineState
from sightline.topics import MACHINE_STATE_TO_CLOUD

log = logging.getLogger(__name__)
FAULT = "machine-state-not-in-cloud"
GREATEST_WAITING = 10


class CloudSender(threading.Thread):
    """The newest states wait, a few; what cannot be sent is counted and dropped, never repeated."""

    def __init__(self, bus: Bus, health: Health) -> None:
        super().__init__(name="cloud-sender", daemon=True)
        self._bus = bus
        self._health = health
        self._states: queue.Queue[MachineState | None] = queue.Queue(GREATEST_WAITING)

    def send(self, state: MachineState) -> None:
        """Hand a state over; returns at once, dropping it if too many wait."""
        try:
            self._states.put_nowait(state)
        except queue.Full:
            self._health.count("states_dropped")

    def run(self) -> None:
        """Send until told to end, or the nucleus goes."""
        while (state := self._states.get()) is not None:
            try:
                self._bus.publish(MACHINE_STATE_TO_CLOUD, state)
            except NucleusGoneError:
                return
            except (TransportError, MessageError) as error:
                self._not_sent(error)
            else:
                self._health.clear_fault(FAULT)
                self._health.count("states_to_cloud")

    def close(self) -> None:
        """End the thread after what it has in hand, if the cloud lets it."""
        if self._states.full():
            return  # the cloud hangs; the thread ends with the process
        self._states.put_nowait(None)
        self.join(1.0)

    def _not_sent(self, error: TransportError | MessageError) -> None:
        self._health.count("states_dropped")
        if self._health.raise_fault(FAULT, str(error), "warning"):
            log.warning("machine state not sent to the cloud", extra={"error": str(error)})
