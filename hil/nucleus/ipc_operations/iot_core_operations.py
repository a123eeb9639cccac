"""The IPC operations for IoT Core."""

import asyncio
import base64
import binascii
from collections.abc import Callable

import msgspec

from hil.nucleus.cloud_bridge.cloud_link import CloudLink
from hil.nucleus.cloud_bridge.publish_spool import Spool, SpoolError
from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.ipc.ipc_messages import NAMESPACE
from hil.nucleus.ipc.operation_call import Json, OperationCall, OperationResult
from hil.nucleus.ipc_operations import operation_requests
from hil.nucleus.ipc_operations.authorization import (
    MQTTPROXY,
    check_authorized,
    check_own_thing,
)
from hil.nucleus.nucleus_errors import ServiceError
from sightline.errors import CloudUnreachableError

_CANNOT_PUBLISH = "Failed to publish the message."
_WILDCARDS = frozenset("+#")


class IotCoreOperations:
    """PublishToIoTCore and SubscribeToIoTCore."""

    def __init__(
        self,
        dialect: Dialect,
        configurations: ConfigurationStore,
        cloud: CloudLink,
        thing_name: str,
    ) -> None:
        self._dialect = dialect
        self._thing_name = thing_name
        self._configurations = configurations
        self._cloud = cloud
        self._spool = Spool(cloud, dialect.spool_bytes) if dialect.spool_bytes else None
        self._unacknowledged: set[asyncio.Future[Json]] = set()
        self._subscriptions: list[_CloudSubscription] = []

    def publish(self, call: OperationCall) -> OperationResult:
        """Publish a message to the broker, by way of the spool if there is one.

        Without a spool the response waits for the broker's acknowledgement.
        """
        request = operation_requests.parse_request(operation_requests.PublishToIoTCore, call.body)
        self._check_authorized(call, request.topic_name)
        quality = min(operation_requests.parse_quality_of_service(request.qos), 1)
        try:
            payload = base64.b64decode(request.payload, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ServiceError("'payload' is not valid base64.") from error
        if self._spool is not None and quality == 1:
            return self._add_to_spool(self._spool, request.topic_name, payload)
        if len(self._unacknowledged) >= self._dialect.max_unacknowledged_publishes:
            raise ServiceError(_CANNOT_PUBLISH)
        publishing = asyncio.ensure_future(
            self._publish_to_cloud(request.topic_name, payload, quality)
        )
        self._unacknowledged.add(publishing)  # at once: many requests may come in one read
        publishing.add_done_callback(self._unacknowledged.discard)
        return publishing

    def subscribe(self, call: OperationCall) -> OperationResult:
        """Subscribe to a filter; messages are sent as events."""
        request = operation_requests.parse_request(operation_requests.SubscribeToIoTCore, call.body)
        self._check_authorized(call, request.topic_name)
        quality = min(operation_requests.parse_quality_of_service(request.qos), 1)
        return self._subscribe_to_cloud(call, request.topic_name, quality)

    def lose_subscriptions(self) -> int:
        """Drop every subscription while its stream stays open; returns their number."""
        lost = list(self._subscriptions)
        for subscription in lost:
            subscription.end()
        return len(lost)

    def close(self) -> None:
        """Drop spooled messages, as an ending nucleus does."""
        if self._spool is not None:
            self._spool.close()

    def _add_to_spool(self, spool: Spool, topic: str, payload: bytes) -> OperationResult:
        if _WILDCARDS & set(topic):
            raise ServiceError(_CANNOT_PUBLISH)
        try:
            spool.add(topic, payload)
        except SpoolError as error:
            raise ServiceError(_CANNOT_PUBLISH) from error
        return {}

    async def _publish_to_cloud(self, topic: str, payload: bytes, quality: int) -> Json:
        try:
            await self._cloud.publish(topic, payload, quality)
        except CloudUnreachableError as error:
            raise ServiceError(_CANNOT_PUBLISH) from error
        return {}

    async def _subscribe_to_cloud(
        self, call: OperationCall, topic_filter: str, quality: int
    ) -> Json:
        def receive(topic: str, payload: bytes) -> None:
            message = {"topicName": topic, "payload": base64.b64encode(payload).decode()}
            call.send_event("IoTCoreMessage", msgspec.json.encode({"message": message}))

        try:
            unsubscribe = await self._cloud.subscribe(topic_filter, quality, receive)
        except CloudUnreachableError as error:
            raise ServiceError("Failed to bind the subscription.") from error
        call.keep_open(_CloudSubscription(self._subscriptions, unsubscribe).end)
        return {}

    def _check_authorized(self, call: OperationCall, topic: str) -> None:
        policies = self._configurations.access_control(call.component)
        check_authorized(policies, MQTTPROXY, NAMESPACE + call.operation, topic)
        check_own_thing(self._thing_name, topic)


class _CloudSubscription:
    """One open subscription; it ends with its stream or when it is lost."""

    def __init__(self, held: "list[_CloudSubscription]", unsubscribe: Callable[[], None]) -> None:
        self._held, self._unsubscribe = held, unsubscribe
        held.append(self)

    def end(self) -> None:
        """Unsubscribe; does nothing the second time."""
        if self in self._held:
            self._held.remove(self)
            self._unsubscribe()
