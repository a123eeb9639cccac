"""The Lambda host's connection to its nucleus, using the Device SDK's unmodified client."""

import concurrent.futures
import json
import threading
from collections.abc import Callable
from typing import Any

from awsiot.eventstreamrpc import LifecycleHandler
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from hil.nucleus.lambdas.lambda_description import EventSource
from hil.nucleus.lambdas.subscription_router import RouteTarget
from sightline.errors import TransportError

TIMEOUT_S = 10.0
SourceMessageHandler = Callable[[bytes, str], object]
Json = dict[str, Any]


class _DisconnectHandler(LifecycleHandler):  # type: ignore[misc]
    def __init__(self, gone: threading.Event) -> None:
        self._gone = gone

    def on_disconnect(self, reason: Exception | None) -> None:
        self._gone.set()

    def on_error(self, error: Exception) -> bool:
        return True


class NucleusLink:
    """Local topics, IoT Core and configuration; `gone` is set when the nucleus ends."""

    def __init__(self, gone: threading.Event) -> None:
        connection = connect(lifecycle_handler=_DisconnectHandler(gone), timeout=TIMEOUT_S)
        self._client = GreengrassCoreIPCClientV2(client=connection, executor=None)
        self._operations: list[Any] = []

    def read_configuration(self, component: str | None = None) -> Json:
        """Read a component's configuration; by default the host's own."""
        return dict(self._client.get_configuration(component_name=component).value or {})

    def read_component_name(self) -> str:
        """Read the component's own name from the nucleus."""
        return str(self._client.get_configuration().component_name)

    def subscribe(self, source: EventSource, handle_message: SourceMessageHandler) -> None:
        """Subscribe to an event source; `handle_message` must not block."""
        if source.type == "PUB_SUB":
            _, operation = self._client.subscribe_to_topic(
                topic=source.topic,
                on_stream_event=lambda event: handle_message(*_read_local_message(event)),
                on_stream_error=lambda error: False,
                on_stream_closed=lambda: None,
            )
        else:
            _, operation = self._client.subscribe_to_iot_core(
                topic_name=source.topic,
                qos="1",
                on_stream_event=lambda event: handle_message(
                    bytes(event.message.payload or b""), event.message.topic_name
                ),
                on_stream_error=lambda error: False,
                on_stream_closed=lambda: None,
            )
        self._operations.append(operation)

    def publish(self, target: RouteTarget, topic: str, payload: bytes) -> None:
        """Publish a message and wait for the nucleus's response; TransportError if it fails."""
        try:
            if target == "cloud":
                future = self._client.publish_to_iot_core_async(
                    topic_name=topic, qos="1", payload=payload
                )
            else:
                message = model.PublishMessage(binary_message=model.BinaryMessage(message=payload))
                future = self._client.publish_to_topic_async(topic=topic, publish_message=message)
            future.result(TIMEOUT_S)
        except (
            model.GreengrassCoreIPCError,
            RuntimeError,
            concurrent.futures.TimeoutError,
        ) as error:
            raise TransportError(f"{topic}: {type(error).__name__}: {error}") from error


def _read_local_message(event: Any) -> tuple[bytes, str]:
    if event.binary_message is not None:
        return bytes(event.binary_message.message), _message_topic(event.binary_message)
    return json.dumps(event.json_message.message).encode(), _message_topic(event.json_message)


def _message_topic(message: Any) -> str:
    return str(message.context.topic) if message.context is not None else ""
