"""The bus over Greengrass local IPC, through the unmodified client of the AWS IoT Device SDK.

The client's callbacks run on its I/O thread, where a blocking IPC call would deadlock: they only put
what came into the inbox. When the nucleus goes there is no reconnect (the token is void after its
restart): the inbox gets `NucleusGone`, and the component leaves and is started again.
"""

import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from awscrt.exceptions import AwsCrtError
from awsiot.eventstreamrpc import LifecycleHandler
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from sightline.errors import (
    CloudUnreachableError,
    CommandError,
    FatalError,
    NucleusGoneError,
    TransportError,
)
from sightline.messaging import update_consent
from sightline.messaging.bus import ConfigurationChanged, Inbox, NucleusGone
from sightline.messaging.cloud_subscription import CloudSubscription
from sightline.messaging.codec import encode
from sightline.messaging.configuration_validity import ConfigurationCheck, subscribe_to_validation
from sightline.messaging.ipc_streams import keep_stream_open
from sightline.messaging.topics import MessageStream

log = logging.getLogger(__name__)
REQUEST_TIMEOUT_S = 10.0
DISCONNECT_NOTICE_S = 0.5  # a closed socket is noticed by a request before the client tells of it
T = TypeVar("T")
# what a request raises whose connection ends; the nucleus's refusals are RuntimeErrors, too
CONNECTION_ERRORS = (AwsCrtError, RuntimeError, OSError, concurrent.futures.TimeoutError)


class _NucleusConnectionHandler(LifecycleHandler):  # type: ignore[misc]
    """Turns the end of the connection into an event of the inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.closed = threading.Event()

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return not self.closed.is_set()

    def on_disconnect(self, reason: Exception | None) -> None:
        self.closed.set()
        self._inbox.post(NucleusGone(str(reason or "closed")))

    def on_error(self, error: Exception) -> bool:
        log.error("IPC connection failed", extra={"error": str(error)})
        return True


class GreengrassBus:
    """A component's connection to its nucleus; the socket and the token come from the environment."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._thing_name = os.environ.get("AWS_IOT_THING_NAME", "")
        self._lifecycle = _NucleusConnectionHandler(inbox)
        self._client = GreengrassCoreIPCClientV2(
            client=_connect_to_nucleus(self._lifecycle), executor=None
        )
        self._operations: list[Any] = []
        self._subscriptions: dict[MessageStream, Any] = {}
        self._cloud_subscriptions: list[CloudSubscription] = []

    def publish(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """Hand a message over and wait until the nucleus took it (or IoT Core, on cloud streams)."""
        payload = encode(message)
        topic = stream.build_topic(self._thing_name)
        try:
            if stream.route == "cloud":
                future = self._client.publish_to_iot_core_async(
                    topic_name=topic, qos="1", payload=payload
                )
            else:
                future = self._client.publish_to_topic_async(
                    topic=topic,
                    publish_message=model.PublishMessage(
                        binary_message=model.BinaryMessage(message=payload)
                    ),
                )
            future.result(REQUEST_TIMEOUT_S)
        except CONNECTION_ERRORS as error:
            raise self._to_transport_error(stream, error) from error

    def subscribe(self, stream: MessageStream) -> None:
        """Let the stream's messages come into the inbox; from the cloud as soon as it answers."""
        if stream.route == "cloud":
            self._subscribe_to_cloud(stream)
        else:
            self._subscriptions[stream] = self._open_subscription(stream)

    def renew_subscriptions(self) -> None:
        """Open all local subscriptions again; TransportError, NucleusGoneError."""
        for stream, operation in list(self._subscriptions.items()):
            with contextlib.suppress(*CONNECTION_ERRORS):
                operation.close()
            self._subscriptions[stream] = self._open_subscription(stream)

    def renew_cloud_subscriptions(self) -> None:
        """Open the subscriptions at IoT Core again; they are bound as soon as it answers."""
        for subscription in self._cloud_subscriptions:
            subscription.renew()

    def restart_component(self, name: str) -> None:
        """Have the nucleus start a component again; CommandError if it refuses, TransportError."""
        try:
            answer = self._client.restart_component_async(component_name=name).result(
                REQUEST_TIMEOUT_S
            )
        except model.GreengrassCoreIPCError as error:
            raise CommandError(
                f"the nucleus does not restart {name}: {_describe_error(error)}"
            ) from error
        except CONNECTION_ERRORS as error:
            raise TransportError(
                f"the nucleus does not answer: {_describe_error(error)}"
            ) from error
        if answer.restart_status != "SUCCEEDED":
            words = answer.message or answer.restart_status or "it does not say why"
            raise CommandError(f"the nucleus does not restart {name}: {words}")

    def _open_subscription(self, stream: MessageStream) -> Any:
        def on_event(event: model.SubscriptionResponseMessage) -> None:
            if event.binary_message is not None:
                self._inbox.deliver(stream, event.binary_message.message)
            else:
                self._inbox.deliver(stream, b"not a binaryMessage")

        def request() -> Any:
            answer, operation = self._client.subscribe_to_topic_async(
                topic=stream.build_topic(self._thing_name),
                receive_mode=model.ReceiveMode.RECEIVE_ALL_MESSAGES,
                on_stream_event=on_event,
                on_stream_error=keep_stream_open,
                on_stream_closed=lambda: None,
            )
            answer.result(REQUEST_TIMEOUT_S)
            return operation

        return self._request_from_nucleus(f"to subscribe to {stream.name}", request)

    def _subscribe_to_cloud(self, stream: MessageStream) -> None:
        subscription = CloudSubscription(
            self._client,
            stream.build_topic(self._thing_name),
            lambda payload: self._inbox.deliver(stream, payload),
            lambda: self._lifecycle.connected,
        )
        subscription.start()
        self._cloud_subscriptions.append(subscription)

    def read_configuration(self) -> dict[str, Any]:
        """The component's whole configuration as the nucleus has it."""
        response = self._request_from_nucleus(
            "for the configuration",
            lambda: self._client.get_configuration_async().result(REQUEST_TIMEOUT_S),
        )
        return dict(response.value or {})

    def watch_configuration(self) -> None:
        """Let changes of the configuration come into the inbox."""
        _, operation = self._request_from_nucleus(
            "to announce new configurations",
            lambda: self._client.subscribe_to_configuration_update(
                key_path=[],
                on_stream_event=lambda event: self._inbox.post(ConfigurationChanged()),
                on_stream_error=keep_stream_open,
                on_stream_closed=lambda: None,
            ),
        )
        self._operations.append(operation)

    def watch_validation(self, check: ConfigurationCheck) -> None:
        """Let the nucleus ask whether a new configuration can be, where it asks."""
        operation = self._request_from_nucleus(
            "to request validation of new configurations",
            lambda: subscribe_to_validation(self._client, check),
        )
        if operation is not None:
            self._operations.append(operation)

    def watch_updates(self) -> None:
        """Let the nucleus's questions before an update come into the inbox, where it asks."""
        operation = self._request_from_nucleus(
            "to ask before updates",
            lambda: update_consent.subscribe_to_updates(self._client, self._inbox),
        )
        if operation is not None:
            self._operations.append(operation)

    def defer_update(self, deployment_id: str, recheck_ms: int) -> None:
        """Let an update go on (0), or have the nucleus ask again after that time."""
        self._request_from_nucleus(
            "to wait with an update",
            lambda: update_consent.defer_update(self._client, deployment_id, recheck_ms),
        )

    def close(self) -> None:
        """Close the connection; the client's own threads end with the process."""
        for subscription in self._cloud_subscriptions:
            subscription.stop()
        with contextlib.suppress(*CONNECTION_ERRORS):
            self._client.close()

    def _request_from_nucleus(self, what: str, request: Callable[[], T]) -> T:
        """The nucleus's answer; FatalError if it refuses, TransportError if none comes, NucleusGoneError."""
        try:
            return request()
        except model.GreengrassCoreIPCError as error:
            raise FatalError(f"The nucleus refuses {what}: {_describe_error(error)}") from error
        except CONNECTION_ERRORS as error:
            if self._lifecycle.closed.wait(DISCONNECT_NOTICE_S):
                raise NucleusGoneError("the nucleus closed the connection") from error
            text = f"The nucleus does not answer a request {what}: {_describe_error(error)}"
            raise TransportError(text) from error

    def _to_transport_error(self, stream: MessageStream, error: Exception) -> Exception:
        if not self._lifecycle.connected:
            return NucleusGoneError(f"{stream.name}: the nucleus closed the connection")
        text = f"{stream.name}: {_describe_error(error)}"
        return CloudUnreachableError(text) if stream.route == "cloud" else TransportError(text)


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'message', None) or error}"


def _connect_to_nucleus(lifecycle: _NucleusConnectionHandler) -> Any:
    try:
        return connect(lifecycle_handler=lifecycle, timeout=REQUEST_TIMEOUT_S)
    except KeyError as error:
        raise NucleusGoneError(f"not started by a nucleus: {error} is not set") from error
    except Exception as error:
        raise NucleusGoneError(f"cannot connect to the nucleus: {error}") from error
