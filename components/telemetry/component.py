"""The Lambda's code as a generic component: batches of readings in, machine states out."""

from sightline.kernel.component import Component, ComponentContext, every, on
from sightline.messaging.messages import MachineSamples, MachineState
from sightline.messaging.state_pages import split_into_pages
from sightline.messaging.topics import MACHINE_STATE
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_function import DeployedFunction, lambda_handler
from telemetry.state_builder import TelemetryFunction
from telemetry.state_sender import MachineStateSender


class TelemetryComponent(Component[TelemetryConfiguration]):
    """Hands each batch to the handler, publishes each state locally and to the cloud."""

    def __init__(self, context: ComponentContext[TelemetryConfiguration]) -> None:
        super().__init__(context)
        self._deployed_function = DeployedFunction(TelemetryFunction(context.configuration), self)
        self._cloud_sender = MachineStateSender(context.bus, context.health)
        self._cloud_sender.start()

    @on(MachineSamples)
    def samples_arrived(self, samples: MachineSamples) -> None:
        """A batch may complete an interval; its state then comes back by `publish_state`."""
        lambda_handler(samples, self._deployed_function)

    def publish_state(self, state: MachineState, function: TelemetryFunction) -> None:
        """Publish a state at once, and hand it over for the cloud."""
        is_published = all(self.publish(MACHINE_STATE, page) for page in split_into_pages(state))
        self.health.count("states_published" if is_published else "states_not_published")
        self._cloud_sender.send(state)

    def report_health(self, function: TelemetryFunction) -> None:
        """Nothing: the health is reported each second, batch or not."""

    @every(seconds=1)
    def report_losses(self) -> None:
        """What was lost on the way here; the first report comes after the subscription: ready."""
        self.health.set_ready(True)
        function = self._deployed_function.function
        self.health.set_gauge("batches_lost", function.batches_lost)
        self.health.set_gauge("values_omitted", function.values_omitted)

    def reconfigure(self, before: TelemetryConfiguration) -> None:
        """Start over with the new limits and tags."""
        self._deployed_function = DeployedFunction(TelemetryFunction(self.configuration), self)

    def close(self) -> None:
        """End the sender and leave the bus."""
        self._cloud_sender.close()
        self.context.bus.close()
