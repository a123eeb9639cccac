"""The operations of the local IPC."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from hil.nucleus.cloud_bridge.cloud_link import CloudLink
from hil.nucleus.configuration.configuration_store import CANNOT_UPDATE, ConfigurationStore
from hil.nucleus.configuration.configuration_tree import KeyPath
from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.dialects.lite_limits import check_request, check_response
from hil.nucleus.ipc.ipc_messages import NAMESPACE
from hil.nucleus.ipc.operation_call import Json, OperationCall, OperationResult
from hil.nucleus.ipc_operations import operation_requests
from hil.nucleus.ipc_operations.authorization import CLI, PUBSUB, check_authorized
from hil.nucleus.ipc_operations.iot_core_operations import IotCoreOperations
from hil.nucleus.ipc_operations.local_pubsub import LocalPubSub, LocalSubscription
from hil.nucleus.nucleus_errors import ResourceNotFoundError, ServiceError, UnauthorizedError

NUCLEUS_NAMES = ("aws.greengrass.Nucleus", "aws.greengrass.NucleusLite")
MAX_TIMESTAMP_S = 10_000_000_000  # in the year 2286; what is beyond could never be changed again
_CANNOT_PUBLISH = "Failed to publish the message."
_CANNOT_UPDATE_STATE = "Failed to update the lifecycle state."


class ComponentControl(Protocol):
    """What the operations need of the components' lifecycles."""

    def report_state(self, component: str, state: str) -> bool:
        """Record the state that a component reports; False if it is not a reportable state."""

    def restart(self, component: str) -> bool:
        """Restart a component; False if it is unknown."""


class OperationTable:
    """All operations, by name."""

    def __init__(
        self,
        dialect: Dialect,
        tokens: dict[str, str],
        configurations: ConfigurationStore,
        cloud: CloudLink,
        control: ComponentControl,
        thing_name: str,
    ) -> None:
        self._dialect = dialect
        self._tokens = tokens
        self._configurations = configurations
        self._control = control
        self._pubsub = LocalPubSub()
        self._iot_core = iot_core = IotCoreOperations(dialect, configurations, cloud, thing_name)
        self._operations: dict[str, Callable[[OperationCall], OperationResult]] = {
            "PublishToTopic": self._publish_to_topic,
            "SubscribeToTopic": self._subscribe_to_topic,
            "PublishToIoTCore": iot_core.publish,
            "SubscribeToIoTCore": iot_core.subscribe,
            "GetConfiguration": self._get_configuration,
            "UpdateConfiguration": self._update_configuration,
            "SubscribeToConfigurationUpdate": self._subscribe_to_configuration_update,
            "ValidateAuthorizationToken": self._validate_authorization_token,
            "UpdateState": self._update_state,
            "RestartComponent": self._restart_component,
        }

    def add(self, operations: Mapping[str, Callable[[OperationCall], OperationResult]]) -> None:
        """Add operations."""
        self._operations.update(operations)

    def lose_local_subscriptions(self) -> int:
        """Drop them, as a restart of Lite's pubsub daemon does; returns their number."""
        return self._pubsub.lose_all()

    def lose_cloud_subscriptions(self) -> int:
        """Drop them, as a restart of Lite's IoT Core daemon does; returns their number."""
        return self._iot_core.lose_subscriptions()

    def close(self) -> None:
        """Stop publishing to the cloud."""
        self._iot_core.close()

    def component_for_token(self, token: str) -> str | None:
        """The component with this token."""
        return self._tokens.get(token)

    def perform(self, call: OperationCall) -> OperationResult:
        """Perform an operation; OperationError if it is refused or not implemented."""
        operation = self._operations.get(call.operation)
        if operation is None:
            raise ServiceError
        if self._dialect.lite_limits:
            check_request(call.body)
        return operation(call)

    def _publish_to_topic(self, call: OperationCall) -> OperationResult:
        request = operation_requests.parse_request(operation_requests.PublishToTopic, call.body)
        message = request.publish_message
        if (message.json_message is None) == (message.binary_message is None):
            raise ServiceError(operation_requests.INVALID_PARAMETERS)
        self._check_authorized(call, PUBSUB, request.topic)
        if len(request.topic.encode()) > self._dialect.max_topic_bytes:
            raise ServiceError(_CANNOT_PUBLISH)
        if self._is_delivered(message):
            self._pubsub.publish(
                call.component, request.topic, _encode_event(request.topic, message)
            )
        else:
            self._pubsub.silence_subscriptions(call.component, request.topic)
        return {}

    def _is_delivered(self, message: operation_requests.PublishMessage) -> bool:
        content = message.json_message
        return content is None or self._dialect.json_limits.is_delivered(content.message)

    def _subscribe_to_topic(self, call: OperationCall) -> OperationResult:
        request = operation_requests.parse_request(operation_requests.SubscribeToTopic, call.body)
        self._check_authorized(call, PUBSUB, request.topic)
        others_only = request.receive_mode == "RECEIVE_MESSAGES_FROM_OTHERS"
        subscription = LocalSubscription(
            topic=request.topic,
            component=call.component,
            deliver=lambda payload: call.send_event("SubscriptionResponseMessage", payload),
            receives_own_messages=not (others_only and self._dialect.honours_receive_mode),
        )
        call.keep_open(self._pubsub.subscribe(subscription))
        return {}

    def _get_configuration(self, call: OperationCall) -> OperationResult:
        request = operation_requests.parse_request(operation_requests.GetConfiguration, call.body)
        name = request.component_name or call.component
        path = tuple(request.key_path)
        value = self._configurations.value(_unify_nucleus_name(name), path)
        if not isinstance(value, dict):
            value = {path[-1]: value}
        answer = {"componentName": name, "value": value}
        if self._dialect.lite_limits:
            check_response(answer)
        return answer

    def _update_configuration(self, call: OperationCall) -> OperationResult:
        request = operation_requests.parse_request(
            operation_requests.UpdateConfiguration, call.body
        )
        if isinstance(request.timestamp, int) and not self._dialect.accepts_integer_timestamp:
            raise operation_requests.build_invalid_update_error()
        if not 0 <= request.timestamp <= MAX_TIMESTAMP_S:
            raise operation_requests.build_invalid_update_error()
        return self._merge_configuration(call.component, request)

    async def _merge_configuration(
        self, component: str, request: operation_requests.UpdateConfiguration
    ) -> Json:
        path, value = tuple(request.key_path), request.value_to_merge
        try:
            await self._configurations.update(component, path, value, float(request.timestamp))
        except RecursionError as error:
            raise ServiceError(CANNOT_UPDATE) from error
        return {}

    def _subscribe_to_configuration_update(self, call: OperationCall) -> OperationResult:
        request = operation_requests.parse_request(
            operation_requests.SubscribeToConfigurationUpdate, call.body
        )

        def notify(component: str, leaf: KeyPath) -> None:
            event = {"componentName": component, "keyPath": leaf}
            payload = msgspec.json.encode({"configurationUpdateEvent": event})
            call.send_event("ConfigurationUpdateEvents", payload)

        name = _unify_nucleus_name(request.component_name or call.component)
        call.keep_open(self._configurations.watch(name, tuple(request.key_path), notify))
        return {}

    def _validate_authorization_token(self, call: OperationCall) -> OperationResult:
        operation_requests.parse_request(operation_requests.ValidateAuthorizationToken, call.body)
        raise UnauthorizedError("Component does not have access to token verification IPC command.")

    def _update_state(self, call: OperationCall) -> OperationResult:
        request = operation_requests.parse_request(operation_requests.UpdateState, call.body)
        if not self._control.report_state(call.component, request.state):
            raise ServiceError(_CANNOT_UPDATE_STATE)
        return {}

    def _restart_component(self, call: OperationCall) -> OperationResult:
        request = operation_requests.parse_request(operation_requests.RestartComponent, call.body)
        self._check_authorized(call, CLI, request.component_name)
        if not self._control.restart(request.component_name):
            raise ResourceNotFoundError("Component not found.")
        return {"restartStatus": "SUCCEEDED"}

    def _check_authorized(self, call: OperationCall, service: str, resource: str) -> None:
        policies = self._configurations.access_control(call.component)
        check_authorized(policies, service, NAMESPACE + call.operation, resource)


def _unify_nucleus_name(component: str) -> str:
    return NUCLEUS_NAMES[0] if component in NUCLEUS_NAMES else component


def _encode_event(topic: str, message: operation_requests.PublishMessage) -> bytes:
    context = {"topic": topic}
    if message.binary_message is not None:
        kind, content = "binaryMessage", msgspec.json.encode(message.binary_message.message)
    else:
        value = message.json_message.message if message.json_message is not None else None
        kind, content = "jsonMessage", msgspec.json.encode(value, order="deterministic")
    return msgspec.json.encode({kind: {"message": msgspec.Raw(content), "context": context}})
