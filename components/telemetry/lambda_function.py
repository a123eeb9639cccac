"""The edge Lambda: batches of readings in, one enriched state an interval out.

`lambda_handler` is the one entry of both packages. The generic component (`host`) hands it a function
and an outlet on the bus in its context. As a Greengrass Lambda it is long-lived (pinned) and has no such
context: its configuration is the environment variable TELEMETRY_CONFIGURATION (JSON), its outlet the
Greengrass Core SDK.
"""

import functools
import os
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from sightline.configuration import find_old_keys, load_configuration
from sightline.errors import ConfigurationError
from sightline.messaging.codec import decode
from sightline.messaging.messages import MachineSamples, MachineState
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_outlet import build_lambda_outlet
from telemetry.state_builder import TelemetryFunction

CONFIGURATION_VARIABLE = "TELEMETRY_CONFIGURATION"


class StateOutlet(Protocol):
    """Where states go."""

    def publish_state(self, state: MachineState, function: TelemetryFunction) -> None:
        """Send a state to the station and to the cloud; what cannot be sent is counted."""

    def report_health(self, function: TelemetryFunction) -> None:
        """A batch came that completes no interval."""


@dataclass(frozen=True)
class DeployedFunction:
    """What handles events: the function, and its way out."""

    function: TelemetryFunction
    outlet: StateOutlet


@functools.cache
def load_deployed_function() -> DeployedFunction:
    """The function as this Lambda's environment configures it; made once."""
    text = os.environ.get(CONFIGURATION_VARIABLE, "{}")
    try:
        values = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{CONFIGURATION_VARIABLE}: {error}; found {text[:80]!r}; a JSON object is allowed"
        ) from error
    configuration = load_configuration(TelemetryConfiguration, values)
    old_keys = find_old_keys(TelemetryConfiguration, values)
    return DeployedFunction(TelemetryFunction(configuration), build_lambda_outlet(old_keys))


def lambda_handler(event: Any, context: Any) -> dict[str, Any] | None:
    """Take a MachineSamples event (JSON object, its bytes, or the message); tells and returns a state.

    Returns a MachineState object when the event completes an interval, else None.
    """
    deployed = context if isinstance(context, DeployedFunction) else load_deployed_function()
    state = deployed.function.handle_batch(_parse_batch(event))
    if state is None:
        deployed.outlet.report_health(deployed.function)
        return None
    deployed.outlet.publish_state(state, deployed.function)
    told: dict[str, Any] = msgspec.to_builtins(state)
    return told


def _parse_batch(event: Any) -> MachineSamples:
    if isinstance(event, MachineSamples):
        return event
    payload = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return decode(MachineSamples, payload)
