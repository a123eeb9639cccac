"""The Lambda's way out: states and health through the Greengrass Core SDK (`greengrasssdk`).

The SDK of itself drops every message in silence where MY_FUNCTION_ARN is not set, as it is for unit
tests; here that is an error at the start.
"""

import logging
import os
from typing import Protocol

import msgspec

from sightline import __version__
from sightline.clock import Clock, SystemClock
from sightline.codec import encode
from sightline.errors import ConfigurationError, MessageError, TransportError
from sightline.health import Health
from sightline.messages import MachineState
from sightline.topics import (
    MACHINE_STATE,
    MACHINE_STATE_TO_CLOUD,
    STATION_HEALTH,
    TELEMETRY,
    Stream,
)
from telemetry.machine import TelemetryFunction

log = logging.getLogger(__name__)
HEALTH_INTERVAL_NS = 1_000_000_000
FAULT = "not-published"
NO_ARN = (
    "MY_FUNCTION_ARN is not set: greengrasssdk would drop every message in silence; "
    "run this under the Lambda runtime of a nucleus, or as the generic component"
)
NO_RUNTIME = (
    "the modules of the Greengrass Lambda runtime are not there ({}); "
    "run this under the Lambda runtime of a nucleus, or as the generic component"
)


class Publish(Protocol):
    """How a payload leaves the Lambda."""

    def __call__(self, topic: str, payload: bytes) -> None:
        """Hand it to the runtime; TransportError if it is refused."""


def core_publish() -> Publish:
    """The SDK's publish; ConfigurationError where it could only pretend."""
    if not os.environ.get("MY_FUNCTION_ARN"):
        raise ConfigurationError(NO_ARN)
    try:
        import greengrasssdk  # late: only under a Lambda runtime can it be imported
        from greengrass_common.env_vars import MY_FUNCTION_ARN
        from greengrasssdk.Lambda import InvocationException
    except ImportError as error:
        raise ConfigurationError(NO_RUNTIME.format(error)) from error
    if not MY_FUNCTION_ARN:
        raise ConfigurationError(NO_ARN)
    client = greengrasssdk.client("iot-data")

    def publish(topic: str, payload: bytes) -> None:
        try:
            client.publish(topic=topic, payload=payload, queueFullPolicy="AllOrException")
        except InvocationException as error:
            raise TransportError(str(error)) from error

    return publish


class LambdaOutlet:
    """Publishes each state to the station, at most one a second to the cloud, and the health."""

    def __init__(self, publish: Publish, thing_name: str, clock: Clock) -> None:
        self._send = publish
        self._thing_name = thing_name
        self._clock = clock
        self._health = Health(TELEMETRY, __version__, thing_name, clock)
        self._last_sent_ns: dict[str, int] = {}

    def tell(self, state: MachineState, function: TelemetryFunction) -> None:
        """Send a state; what cannot be sent is counted and not repeated."""
        if self._publish(MACHINE_STATE, state):
            self._health.count("states_published")
        least_ns = round(1e9 / MACHINE_STATE_TO_CLOUD.greatest_rate_hz)
        if not self._is_due(MACHINE_STATE_TO_CLOUD, least_ns):
            self._health.count("states_replaced")
        elif self._publish(MACHINE_STATE_TO_CLOUD, state):
            self._health.count("states_to_cloud")
        self.heard(function)

    def heard(self, function: TelemetryFunction) -> None:
        """Report the health if it is due; there is no timer, so only while batches come."""
        if not self._is_due(STATION_HEALTH, HEALTH_INTERVAL_NS):
            return
        self._health.set_ready(True)
        self._health.gauge("batches_lost", function.batches_lost)
        self._health.gauge("values_omitted", function.values_omitted)
        self._publish(STATION_HEALTH, self._health.report())

    def _is_due(self, stream: Stream, least_ns: int) -> bool:
        now_ns = self._clock.monotonic_ns()
        last_ns = self._last_sent_ns.get(stream.name)
        if last_ns is not None and now_ns - last_ns < 0.9 * least_ns:
            return False
        self._last_sent_ns[stream.name] = now_ns
        return True

    def _publish(self, stream: Stream, message: msgspec.Struct) -> bool:
        topic = stream.topic_of(self._thing_name)
        try:
            self._send(topic, encode(message))
        except (MessageError, TransportError) as error:
            self._health.count(f"{stream.name}_not_published")
            if self._health.raise_fault(FAULT, f"{topic}: {error}", "warning"):
                log.warning("not published", extra={"topic": topic, "error": str(error)})
            return False
        self._health.clear_fault(FAULT)
        return True


def outlet_of_the_lambda() -> LambdaOutlet:
    """The outlet for the thing that this Lambda runs on."""
    return LambdaOutlet(
        core_publish(), os.environ.get("AWS_IOT_THING_NAME", "station"), SystemClock()
    )
