"""The bus over Greengrass local IPC, through the unmodified client of the AWS IoT Device SDK.

The client's callbacks run on its I/O thread, where a blocking IPC call would deadlock: they only put
what came into the inbox. When the nucleus goes there is no reconnect (the token is void after its
restart): the inbox gets `NucleusGone`, and the component leaves and is started again.
"""

import concurrent.futures
import logging
import os
from typing import Any

import msgspec
from awsiot.eventstreamrpc import LifecycleHandler
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from sightline import updates
from sightline.bus import ConfigurationChanged, Inbox, NucleusGone
from sightline.cloud_subscription import CloudSubscription
from sightline.codec import encode
from sightline.configuration_validity import Refusal, answer_for
from sightline.errors import CloudUnreachableError, NucleusGoneError, TransportError
from sightline.ipc_streams import keep_stream
from sightline.topics import Stream

log = logging.getLogger(__name__)
REQUEST_TIMEOUT_S = 10.0


class _Lifecycle(LifecycleHandler):  # type: ignore[misc]
    """Turns the end of the connection into an event of the inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.connected = True

    def on_disconnect(self, reason: Exception | None) -> None:
        self.connected = False
        self._inbox.post(NucleusGone(str(reason or "closed")))

    def on_error(self, error: Exception) -> bool:
        log.error("IPC connection failed", extra={"error": str(error)})
        return True


class GreengrassBus:
    """A component's connection to its nucleus; the socket and the token come from the environment."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._thing_name = os.environ.get("AWS_IOT_THING_NAME", "")
        self._lifecycle = _Lifecycle(inbox)
        self._client = GreengrassCoreIPCClientV2(client=_connect(self._lifecycle), executor=None)
        self._operations: list[Any] = []
        self._cloud_subscriptions: list[CloudSubscription] = []

    def publish(self, stream: Stream, message: msgspec.Struct) -> None:
        """Hand a message over and wait until the nucleus took it (or IoT Core, on cloud streams)."""
        payload = encode(message)
        topic = stream.topic_of(self._thing_name)
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
        except (
            model.GreengrassCoreIPCError,
            RuntimeError,
            concurrent.futures.TimeoutError,
        ) as error:
            raise self._translated(stream, error) from error

    def subscribe(self, stream: Stream) -> None:
        """Let the stream's messages come into the inbox; from the cloud as soon as it answers."""
        if stream.route == "cloud":
            self._subscribe_to_cloud(stream)
            return

        def on_event(event: model.SubscriptionResponseMessage) -> None:
            if event.binary_message is not None:
                self._inbox.deliver(stream, event.binary_message.message)
            else:
                self._inbox.deliver(stream, b"not a binaryMessage")

        _, operation = self._client.subscribe_to_topic(
            topic=stream.topic_of(self._thing_name),
            on_stream_event=on_event,
            on_stream_error=keep_stream,
            on_stream_closed=lambda: None,
        )
        self._operations.append(operation)

    def _subscribe_to_cloud(self, stream: Stream) -> None:
        subscription = CloudSubscription(
            self._client,
            stream.topic_of(self._thing_name),
            lambda payload: self._inbox.deliver(stream, payload),
            lambda: self._lifecycle.connected,
        )
        subscription.start()
        self._cloud_subscriptions.append(subscription)

    def configuration(self) -> dict[str, Any]:
        """The component's whole configuration as the nucleus has it."""
        response = self._client.get_configuration()
        return dict(response.value or {})

    def watch_configuration(self) -> None:
        """Let changes of the configuration come into the inbox."""
        _, operation = self._client.subscribe_to_configuration_update(
            key_path=[],
            on_stream_event=lambda event: self._inbox.post(ConfigurationChanged()),
            on_stream_error=keep_stream,
            on_stream_closed=lambda: None,
        )
        self._operations.append(operation)

    def answer_for_configuration(self, refusal: Refusal) -> None:
        """Let the nucleus ask whether a new configuration can be, where it asks."""
        operation = answer_for(self._client, refusal)
        if operation is not None:
            self._operations.append(operation)

    def watch_updates(self) -> None:
        """Let the nucleus's questions before an update come into the inbox, where it asks."""
        operation = updates.listen(self._client, self._inbox)
        if operation is not None:
            self._operations.append(operation)

    def answer_update(self, deployment_id: str, recheck_ms: int) -> None:
        """Let an update go on (0), or have the nucleus ask again after that time."""
        updates.answer(self._client, deployment_id, recheck_ms)

    def close(self) -> None:
        """Close the connection; the client's own threads end with the process."""
        for subscription in self._cloud_subscriptions:
            subscription.end()
        self._client.close()

    def _translated(self, stream: Stream, error: Exception) -> Exception:
        if not self._lifecycle.connected:
            return NucleusGoneError(f"{stream.name}: the nucleus closed the connection")
        text = f"{stream.name}: {type(error).__name__}: {getattr(error, 'message', None) or error}"
        return CloudUnreachableError(text) if stream.route == "cloud" else TransportError(text)


def _connect(lifecycle: _Lifecycle) -> Any:
    try:
        return connect(lifecycle_handler=lifecycle, timeout=REQUEST_TIMEOUT_S)
    except KeyError as error:
        raise NucleusGoneError(f"not started by a nucleus: {error} is not set") from error
    except Exception as error:
        raise NucleusGoneError(f"cannot connect to the nucleus: {error}") from error
