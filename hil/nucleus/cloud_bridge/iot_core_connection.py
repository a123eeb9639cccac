"""The bridge to IoT Core: an MQTT connection that reconnects by itself."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awscrt import io, mqtt
from awscrt.exceptions import AwsCrtError

from cloud.wire.broker_login import BrokerLogin
from hil.nucleus.cloud_bridge.cloud_link import CloudMessageReceiver
from hil.nucleus.ipc.topic_filters import filter_matches
from sightline.errors import CloudUnreachableError, RecipeError

log = logging.getLogger(__name__)
MIN_RECONNECT_WAIT_S, MAX_RECONNECT_WAIT_S = 1, 5
KEEP_ALIVE_S = 10
PING_TIMEOUT_MS = 3000
ACKNOWLEDGEMENT_TIMEOUT_MS = 8000
DISCONNECT_TIMEOUT_S = 2.0
_AWSCRT_ERRORS = (AwsCrtError, RuntimeError)  # the second at once, such as for a topic that is none


@dataclass(frozen=True)
class MutualTls:
    """PEM files of our certificate and key, and the trusted CA (None: the system's)."""

    certificate: Path
    private_key: Path
    root_ca: Path | None = None

    def build_context(self) -> io.ClientTlsContext:
        """Build the client's TLS context; RecipeError if the files are unusable."""
        try:
            options = io.TlsContextOptions.create_client_with_mtls_from_path(
                str(self.certificate), str(self.private_key)
            )
            if self.root_ca is not None:
                options.override_default_trust_store_from_path(None, str(self.root_ca))
            return io.ClientTlsContext(options)
        except (OSError, ValueError, *_AWSCRT_ERRORS) as error:
            raise RecipeError(f"{self.certificate}: cannot be used for TLS: {error}") from error


class IotCoreConnection:
    """Publishes and subscribes at HOST:PORT; reconnects by itself."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        tls: MutualTls | None = None,
        login: BrokerLogin | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._receivers: dict[str, list[CloudMessageReceiver]] = {}
        self._connecting: asyncio.Task[None] | None = None
        self.connected = False
        group = io.EventLoopGroup(1)
        bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
        self._connection = mqtt.Connection(
            client=mqtt.Client(bootstrap, None if tls is None else tls.build_context()),
            host_name=host,
            port=port,
            client_id=client_id,
            username=None if login is None else login.user,
            disable_metrics=True,  # they would become part of the user name
            password=None if login is None else login.password,
            reconnect_min_timeout_secs=MIN_RECONNECT_WAIT_S,
            reconnect_max_timeout_secs=MAX_RECONNECT_WAIT_S,
            keep_alive_secs=KEEP_ALIVE_S,
            ping_timeout_ms=PING_TIMEOUT_MS,
            protocol_operation_timeout_ms=ACKNOWLEDGEMENT_TIMEOUT_MS,
            on_connection_interrupted=lambda **_: self._call_in_loop(self._note_interruption),
            on_connection_resumed=lambda session_present, **_: self._call_in_loop(
                self._note_resumption, session_present
            ),
        )

    def start(self) -> None:
        """Start to connect; returns at once."""
        self._connecting = self._loop.create_task(self._connect())

    async def stop(self) -> None:
        """Disconnect."""
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        if self.connected:
            self.connected = False
            with contextlib.suppress(*_AWSCRT_ERRORS, asyncio.TimeoutError):
                await asyncio.wait_for(
                    _shield_future(self._connection.disconnect()), DISCONNECT_TIMEOUT_S
                )

    async def publish(self, topic: str, payload: bytes, quality_of_service: int) -> None:
        """Publish; returns when acknowledged, CloudUnreachableError at once if disconnected."""
        quality = mqtt.QoS(quality_of_service)
        await self._wait_for_acknowledgement(
            lambda: self._connection.publish(topic, payload, quality)
        )

    async def subscribe(
        self, topic_filter: str, quality_of_service: int, receive: CloudMessageReceiver
    ) -> Callable[[], None]:
        """Subscribe to a filter; the returned function unsubscribes."""
        quality = mqtt.QoS(quality_of_service)
        receivers = self._receivers.setdefault(topic_filter, [])
        receivers.append(receive)
        try:
            await self._wait_for_acknowledgement(
                lambda: self._connection.subscribe(topic_filter, quality, self._on_message)
            )
        except CloudUnreachableError:
            self._remove_receiver(topic_filter, receive)
            raise
        return lambda: self._remove_receiver(topic_filter, receive)

    async def _wait_for_acknowledgement(self, request: Callable[[], tuple[Any, int]]) -> None:
        if not self.connected:
            raise CloudUnreachableError("not connected to the broker")
        # the client itself fails what is not acknowledged as soon as the connection is gone
        try:
            future, _ = request()
            await _shield_future(future)
        except _AWSCRT_ERRORS as error:
            raise CloudUnreachableError(str(error)) from error

    async def _connect(self) -> None:
        wait_s = float(MIN_RECONNECT_WAIT_S)
        while not self.connected:
            try:
                await _shield_future(self._connection.connect())
                self.connected = True
                log.info("connected to the broker")
            except _AWSCRT_ERRORS as error:
                log.warning("cannot connect to the broker: %s", error)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, MAX_RECONNECT_WAIT_S)

    def _call_in_loop(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nothing waits any more
            self._loop.call_soon_threadsafe(call, *arguments)

    def _note_interruption(self) -> None:
        if self.connected:
            log.warning("connection to the broker lost")
        self.connected = False

    def _note_resumption(self, session_present: bool) -> None:
        log.info("reconnected to the broker")
        self.connected = True
        if not session_present:
            for topic_filter in self._receivers:
                self._connection.subscribe(topic_filter, mqtt.QoS.AT_LEAST_ONCE, self._on_message)

    def _on_message(self, topic: str, payload: bytes, **_: Any) -> None:
        self._call_in_loop(self._deliver_message, topic, payload)

    def _deliver_message(self, topic: str, payload: bytes) -> None:
        for topic_filter, receivers in list(self._receivers.items()):
            if filter_matches(topic_filter, topic):
                for receive in list(receivers):
                    receive(topic, payload)

    def _remove_receiver(self, topic_filter: str, receive: CloudMessageReceiver) -> None:
        receivers = self._receivers.get(topic_filter, [])
        if receive in receivers:
            receivers.remove(receive)
        if not receivers and self._receivers.pop(topic_filter, None) is not None and self.connected:
            self._connection.unsubscribe(topic_filter)


def _shield_future(future: Any) -> "asyncio.Future[Any]":
    """Shield the client's future: cancelling it would break the callback that sets it."""
    return asyncio.shield(asyncio.wrap_future(future))
