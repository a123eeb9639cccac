"""The Lambda's code as a generic component: from the bus to the bus."""

import logging

from sightline.bus import Delivery
from sightline.errors import MessageError, TransportError
from sightline.messages import MachineSamples, MachineState
from sightline.runtime import Context, NewConfiguration
from sightline.topics import EQUIPMENT, MACHINE_STATE
from telemetry.cloud_sender import CloudSender
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_function import Deployed, lambda_handler
from telemetry.machine import TelemetryFunction

log = logging.getLogger(__name__)
TICK_S = 1.0
SILENCE_S = 10
NO_READINGS = (
    f"no batch of readings from {EQUIPMENT} for more than {SILENCE_S} s; "
    "one is due each sampleIntervalS of its configuration"
)


class TelemetryHost:
    """Hands each batch to the handler, publishes each state locally and to the cloud."""

    def __init__(self, context: Context[TelemetryConfiguration]) -> None:
        self._context = context
        self._deployed = Deployed(TelemetryFunction(context.configuration), self)
        self._sender = CloudSender(context.bus, context.health)
        self._last_batch_ns = context.clock.monotonic_ns()
        self._sender.start()

    def handle(self, event: object) -> None:
        """Take a batch or a new configuration."""
        if isinstance(event, Delivery) and isinstance(event.message, MachineSamples):
            self._last_batch_ns = event.received_monotonic_ns
            lambda_handler(event.message, self._deployed)
        elif isinstance(event, NewConfiguration):
            assert isinstance(event.configuration, TelemetryConfiguration)
            self._deployed = Deployed(TelemetryFunction(event.configuration), self)

    def tell(self, state: MachineState, function: TelemetryFunction) -> None:
        """Publish a state at once, and hand it over for the cloud."""
        try:
            self._context.bus.publish(MACHINE_STATE, state)
        except (TransportError, MessageError) as error:
            self._context.health.count("states_not_published")
            log.error("state not published", extra={"error": str(error)})
        else:
            self._context.health.count("states_published")
        self._sender.send(state)

    def heard(self, function: TelemetryFunction) -> None:
        """Nothing: the tick reports."""

    def tick(self) -> float:
        """Report what is amiss; returns the seconds until the next tick is wanted."""
        health = self._context.health
        health.set_ready(True)  # the first tick comes after the subscription
        health.gauge("batches_lost", self._deployed.function.batches_lost)
        health.gauge("values_omitted", self._deployed.function.values_omitted)
        if self._context.clock.monotonic_ns() - self._last_batch_ns > SILENCE_S * 1e9:
            health.raise_fault("no-readings", NO_READINGS, "warning")
        else:
            health.clear_fault("no-readings")
        return TICK_S

    def close(self) -> None:
        """End the sender and leave the bus."""
        self._sender.close()
        self._context.bus.close()
