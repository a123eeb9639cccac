"""A subscription at IoT Core: the nucleus binds it only while the cloud answers, so it is tried again.

It has a thread of its own: a component starts, and goes on, while the cloud is away.
"""

import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from awscrt.exceptions import AwsCrtError
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from sightline.backoff import Backoff

log = logging.getLogger(__name__)
BIND_TIMEOUT_S = 10.0
MIN_REBIND_DELAY_S, MAX_REBIND_DELAY_S = 0.5, 15.0


class CloudSubscription(threading.Thread):
    """Hands each payload that comes on the topic to `deliver`, on the client's I/O thread."""

    def __init__(
        self,
        client: GreengrassCoreIPCClientV2,
        topic: str,
        deliver: Callable[[bytes], None],
        is_connected: Callable[[], bool],
    ) -> None:
        super().__init__(name="cloud-subscription", daemon=True)
        self._client = client
        self._topic = topic
        self._deliver = deliver
        self._is_connected = is_connected
        self._closed = threading.Event()
        self._ended = threading.Event()
        self._operation: Any = None

    def run(self) -> None:
        """Bind, and bind again when the stream closes, until the nucleus goes or `end`."""
        backoff = Backoff(MIN_REBIND_DELAY_S, MAX_REBIND_DELAY_S)
        while self._is_active():
            # of its own for each stream: one that is closed late must not end the next one
            self._closed = closed = threading.Event()
            if self._is_active() and self._open_stream(closed):
                backoff.reset()
                closed.wait()
            self._close_stream()
            self._ended.wait(backoff.next_delay_s())

    def renew(self) -> None:
        """Bind anew: the nucleus may have forgotten the subscription without closing the stream."""
        self._closed.set()

    def stop(self) -> None:
        """Bind no more."""
        self._ended.set()
        self._closed.set()

    def _is_active(self) -> bool:
        return not self._ended.is_set() and self._is_connected()

    def _open_stream(self, closed: threading.Event) -> bool:
        try:
            bound, self._operation = self._client.subscribe_to_iot_core_async(
                topic_name=self._topic,
                qos="1",
                on_stream_event=self._deliver_payload,
                on_stream_error=self._keep_stream,
                on_stream_closed=closed.set,
            )
            bound.result(BIND_TIMEOUT_S)
        except (
            AwsCrtError,
            RuntimeError,  # the client's own errors and the nucleus's refusals are of this type
            concurrent.futures.TimeoutError,
        ) as error:
            text = getattr(error, "message", None) or str(error) or type(error).__name__
            log.warning(
                "cloud subscription failed; retrying", extra={"topic": self._topic, "error": text}
            )
            return False
        log.info("subscribed at the cloud", extra={"topic": self._topic})
        return True

    def _close_stream(self) -> None:
        operation, self._operation = self._operation, None
        if operation is not None:
            with contextlib.suppress(AwsCrtError, RuntimeError):
                operation.close()

    def _deliver_payload(self, event: model.IoTCoreMessage) -> None:
        message = event.message
        self._deliver(message.payload if message is not None and message.payload else b"")

    def _keep_stream(self, error: Exception) -> bool:
        log.warning("stream error", extra={"topic": self._topic, "error": str(error)})
        return False
