"""The Lambda's code as a generic component: from the bus to the bus."""

import logging

from sightline.errors import MessageError, TransportError
from sightline.kernel.component import ComponentContext, NewConfiguration
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import MachineSamples, MachineState
from sightline.messaging.topics import EQUIPMENT, MACHINE_STATE
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_function import DeployedFunction, lambda_handler
from telemetry.state_builder import TelemetryFunction
from telemetry.state_sender import MachineStateSender

log = logging.getLogger(__name__)
TICK_S = 1.0
MAX_BATCH_SILENCE_S = 10
NO_READINGS_TEXT = (
    f"no batch of readings from {EQUIPMENT} for more than {MAX_BATCH_SILENCE_S} s; "
    "one is due each sampleIntervalS of its configuration"
)


class TelemetryComponent:
    """Hands each batch to the handler, publishes each state locally and to the cloud."""

    def __init__(self, context: ComponentContext[TelemetryConfiguration]) -> None:
        self._context = context
        self._deployed_function = DeployedFunction(TelemetryFunction(context.configuration), self)
        self._cloud_sender = MachineStateSender(context.bus, context.health)
        self._last_batch_ns = context.clock.monotonic_ns()
        self._cloud_sender.start()

    def handle(self, event: object) -> None:
        """Take a batch or a new configuration."""
        if isinstance(event, Delivery) and isinstance(event.message, MachineSamples):
            self._last_batch_ns = event.received_monotonic_ns
            lambda_handler(event.message, self._deployed_function)
        elif isinstance(event, NewConfiguration):
            assert isinstance(event.configuration, TelemetryConfiguration)
            self._deployed_function = DeployedFunction(TelemetryFunction(event.configuration), self)

    def publish_state(self, state: MachineState, function: TelemetryFunction) -> None:
        """Publish a state at once, and hand it over for the cloud."""
        try:
            self._context.bus.publish(MACHINE_STATE, state)
        except (TransportError, MessageError) as error:
            self._context.health.count("states_not_published")
            log.error("state not published", extra={"error": str(error)})
        else:
            self._context.health.count("states_published")
        self._cloud_sender.send(state)

    def report_health(self, function: TelemetryFunction) -> None:
        """Nothing: the tick reports."""

    def tick(self) -> float:
        """Report what is amiss; returns the seconds until the next tick is wanted."""
        health = self._context.health
        health.set_ready(True)  # the first tick comes after the subscription
        health.set_gauge("batches_lost", self._deployed_function.function.batches_lost)
        health.set_gauge("values_omitted", self._deployed_function.function.values_omitted)
        if self._context.clock.monotonic_ns() - self._last_batch_ns > MAX_BATCH_SILENCE_S * 1e9:
            health.raise_fault("no-readings", NO_READINGS_TEXT, "warning")
        else:
            health.clear_fault("no-readings")
        return TICK_S

    def close(self) -> None:
        """End the sender and leave the bus."""
        self._cloud_sender.close()
        self._context.bus.close()
