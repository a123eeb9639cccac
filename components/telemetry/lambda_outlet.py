"""The Lambda's way out: states and health through the Greengrass Core SDK (`greengrasssdk`).

The SDK of itself drops every message in silence where MY_FUNCTION_ARN is not set, as it is for unit
tests; here that is an error at the start.
"""

import os
from collections.abc import Sequence
from typing import Protocol

import msgspec

from sightline import __version__
from sightline.clock import Clock, SystemClock
from sightline.errors import ConfigurationError, TransportError
from sightline.kernel.configuration_keeper import report_old_keys
from sightline.kernel.health import ComponentHealth
from sightline.kernel.message_publisher import MessagePublisher
from sightline.messaging.codec import encode
from sightline.messaging.messages import MachineState, StationMessage
from sightline.messaging.state_pages import split_into_pages
from sightline.messaging.topics import (
    MACHINE_STATE,
    MACHINE_STATE_TO_CLOUD,
    STATION_HEALTH,
    TELEMETRY,
    MessageStream,
)
from sightline.old_keys import OldKey
from telemetry.state_builder import TelemetryFunction
from telemetry.state_sender import MIN_INTERVAL_S

HEALTH_INTERVAL_NS = 1_000_000_000
CLOUD_INTERVAL_NS = round(MIN_INTERVAL_S * 1e9)
RENAME_IN_ENVIRONMENT = (
    "Rename them in the Lambda's environment variable TELEMETRY_CONFIGURATION: docs/upgrading.md."
)
NOT_PUBLISHED_FAULT = "not-published"
NO_ARN_TEXT = (
    "MY_FUNCTION_ARN is not set: greengrasssdk would drop every message in silence; "
    "run this under the Lambda runtime of a nucleus, or as the generic component"
)
NO_RUNTIME_TEXT = (
    "the modules of the Greengrass Lambda runtime are not there ({}); "
    "run this under the Lambda runtime of a nucleus, or as the generic component"
)


class PayloadPublisher(Protocol):
    """How a payload leaves the Lambda."""

    def __call__(self, topic: str, payload: bytes) -> None:
        """Hand it to the runtime; TransportError if it is refused."""


def open_core_publisher() -> PayloadPublisher:
    """The SDK's publish; ConfigurationError where it could only pretend."""
    if not os.environ.get("MY_FUNCTION_ARN"):
        raise ConfigurationError(NO_ARN_TEXT)
    try:
        import greengrasssdk  # late: only under a Lambda runtime can it be imported
        from greengrass_common.env_vars import MY_FUNCTION_ARN
        from greengrasssdk.Lambda import InvocationException
    except ImportError as error:
        raise ConfigurationError(NO_RUNTIME_TEXT.format(error)) from error
    if not MY_FUNCTION_ARN:
        raise ConfigurationError(NO_ARN_TEXT)
    client = greengrasssdk.client("iot-data")

    def publish(topic: str, payload: bytes) -> None:
        try:
            client.publish(topic=topic, payload=payload, queueFullPolicy="AllOrException")
        except InvocationException as error:
            raise TransportError(str(error)) from error

    return publish


class LambdaBus:
    """Publishes on the station's streams through the Lambda's runtime."""

    def __init__(self, publish: PayloadPublisher, thing_name: str) -> None:
        self._publish_payload = publish
        self._thing_name = thing_name

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Encode and hand over; MessageError or TransportError if it is not taken."""
        self._publish_payload(stream.build_topic(self._thing_name), encode(message))


class LambdaOutlet:
    """Publishes each state to the station, at most one a second to the cloud, and the health."""

    def __init__(
        self,
        publish: PayloadPublisher,
        thing_name: str,
        clock: Clock,
        old_keys: Sequence[OldKey] = (),
    ) -> None:
        self._clock = clock
        self._health = ComponentHealth(TELEMETRY, __version__, thing_name, clock)
        bus = LambdaBus(publish, thing_name)
        self._publisher = MessagePublisher(bus, self._health, NOT_PUBLISHED_FAULT)
        self._last_sent_ns: dict[str, int] = {}
        report_old_keys(self._health, old_keys, RENAME_IN_ENVIRONMENT)

    def publish_state(self, state: MachineState, function: TelemetryFunction) -> None:
        """Send a state; what cannot be sent is counted and not repeated."""
        pages = split_into_pages(state)
        if all(self._publish_or_count(MACHINE_STATE, page) for page in pages):
            self._health.count("states_published")
        if not self._claim_send_slot(MACHINE_STATE_TO_CLOUD, CLOUD_INTERVAL_NS):
            self._health.count("states_replaced")
        elif all(self._publish_or_count(MACHINE_STATE_TO_CLOUD, page) for page in pages):
            self._health.count("states_to_cloud")
        self.report_health(function)

    def report_health(self, function: TelemetryFunction) -> None:
        """Report the health if it is due; there is no timer, so only while batches come."""
        if not self._claim_send_slot(STATION_HEALTH, HEALTH_INTERVAL_NS):
            return
        self._health.set_ready(True)
        self._health.set_gauge("batches_lost", function.batches_lost)
        self._health.set_gauge("values_omitted", function.values_omitted)
        self._publish_or_count(STATION_HEALTH, self._health.build_report())

    def _claim_send_slot(self, stream: MessageStream, min_interval_ns: int) -> bool:
        now_ns = self._clock.monotonic_ns()
        last_ns = self._last_sent_ns.get(stream.name)
        if last_ns is not None and now_ns - last_ns < 0.9 * min_interval_ns:
            return False
        self._last_sent_ns[stream.name] = now_ns
        return True

    def _publish_or_count(self, stream: MessageStream, message: StationMessage) -> bool:
        is_published = self._publisher.publish(stream, message)
        if not is_published:
            self._health.count(f"{stream.name}_not_published")
        return is_published


def build_lambda_outlet(old_keys: Sequence[OldKey] = ()) -> LambdaOutlet:
    """The outlet for the thing that this Lambda runs on; it tells of old keys in its configuration."""
    thing_name = os.environ.get("AWS_IOT_THING_NAME", "station")
    return LambdaOutlet(open_core_publisher(), thing_name, SystemClock(), old_keys)
