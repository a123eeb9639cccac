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

from sightline.codec import decode
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError
from sightline.messages import MachineSamples, MachineState
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_outlet import outlet_of_the_lambda
from telemetry.machine import TelemetryFunction

CONFIGURATION_VARIABLE = "TELEMETRY_CONFIGURATION"


class Outlet(Protocol):
    """Where states go."""

    def tell(self, state: MachineState, function: TelemetryFunction) -> None:
        """Send a state to the station and to the cloud; what cannot be sent is counted."""

    def heard(self, function: TelemetryFunction) -> None:
        """A batch came that completes no interval."""


@dataclass(frozen=True)
class Deployed:
    """What handles events: the function, and its way out."""

    function: TelemetryFunction
    outlet: Outlet


@functools.cache
def deployed_function() -> Deployed:
    """The function as this Lambda's environment configures it; made once."""
    text = os.environ.get(CONFIGURATION_VARIABLE, "{}")
    try:
        values = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{CONFIGURATION_VARIABLE}: {error}; found {text[:80]!r}; a JSON object is allowed"
        ) from error
    configuration = load_configuration(TelemetryConfiguration, values)
    return Deployed(TelemetryFunction(configuration), outlet_of_the_lambda())


def lambda_handler(event: Any, context: Any) -> dict[str, Any] | None:
    """Take a MachineSamples event (JSON object, its bytes, or the message); tells and returns a state.

    Returns a MachineState object when the event completes an interval, else None.
    """
    deployed = context if isinstance(context, Deployed) else deployed_function()
    state = deployed.function.take(_batch(event))
    if state is None:
        deployed.outlet.heard(deployed.function)
        return None
    deployed.outlet.tell(state, deployed.function)
    told: dict[str, Any] = msgspec.to_builtins(state)
    return told


def _batch(event: Any) -> MachineSamples:
    if isinstance(event, MachineSamples):
        return event
    payload = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return decode(MachineSamples, payload)
